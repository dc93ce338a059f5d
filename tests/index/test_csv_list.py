"""Tables as spreadsheets write them: read where they are unambiguous, else a line that says what to do."""

import re
from pathlib import Path

import pytest

from objabn.__main__ import main
from objabn.index.csv_list import read_csv
from objabn.index.folder import read_folder
from objabn.index.listing import Listing
from objabn.index.ssv2 import read_ssv2
from tests.helpers.listed_files import make_files, make_json, splits_of


def read(tmp_path: Path, text: str, *files: str, encoding: str = "utf-8") -> Listing:
    (tmp_path / "v").mkdir(exist_ok=True)
    make_files(tmp_path / "v", *files)
    (tmp_path / "own.csv").write_bytes(text.encode(encoding))
    return read_csv(tmp_path / "v", tmp_path / "own.csv")


@pytest.mark.parametrize(
    "text",
    [
        "path,label,split\n1.mp4,\"a, b\",train\n2.mp4,c;d,test\n",
        "path;label;split\r\n1.mp4;a, b;train\r\n2.mp4;\"c;d\";test\r\n",
        "path\tlabel\tsplit\r1.mp4\ta, b\ttrain\r2.mp4\tc;d\ttest\r",
        "sep=;\r\npath;label;split\r\n1.mp4;a, b;train\r\n2.mp4;\"c;d\";test\r\n",
        "\n\nPath;LABEL; Split \n1.mp4;a, b;Train\n2.mp4;\"c;d\";TEST\n",
        "label\tSPLIT\tpath\na, b\ttraining\t1.mp4\nc;d\tTesting\t2.mp4\n",
        "\ufeff\"path\";\"label\";\"split\";\"a,b\"\n1.mp4;a, b;train;x\n2.mp4;\"c;d\";test;y\n",
        "path\u200b,label\xa0,split\n1.mp4,\"a, b\",train\u200b\n2.mp4,c;d,\xa0test\n",
    ],
    ids=["commas", "semicolons", "tabs", "sep=", "capitals", "synonyms", "quotes", "invisible"],
)  # fmt: skip
def test_a_table_of_a_spreadsheet(tmp_path: Path, text: str) -> None:
    listing = read(tmp_path, text)
    assert listing.videos.to_dict("list") == {
        "video": ["1", "2"], "path": ["1.mp4", "2.mp4"], "label": ["a, b", "c;d"], "split": ["train", "test"]
    }  # fmt: skip


def test_a_line_number_counts_the_line_of_the_separator(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"own.csv:4: expected 3 values, as in the header, got 2"):
        read(tmp_path, "sep=;\npath;label;split\n1.mp4;a;train\n2.mp4;a\n")


def test_an_exact_name_of_a_column_goes_first(tmp_path: Path) -> None:
    listing = read(tmp_path, "Path,path,label,split\nx,1.mp4,a,train\ny,2.mp4,b,test\n")
    assert listing.videos["path"].tolist() == ["1.mp4", "2.mp4"]
    assert listing.notes == ["columns of own.csv that are not read: Path"]
    with pytest.raises(ValueError, match=r"own.csv:1: expected a header .*, got Path,PATH,label,split"):
        read(tmp_path, "Path,PATH,label,split\nx,1.mp4,a,train\n")


def test_validation_counts_as_test_whatever_it_is_called(tmp_path: Path) -> None:
    listing = read(tmp_path, "path,label,split\n1.mp4,a,train\n2.mp4,a,valid\n3.mp4,b,Val\n4.mp4,b,valid\n")
    assert splits_of(listing) == {"1": "train", "2": "test", "3": "test", "4": "test"}
    assert listing.notes == ["2 videos of the split valid count as test", "1 videos of the split Val count as test"]


def test_validation_beside_test_is_val(tmp_path: Path) -> None:
    listing = read(tmp_path, "path,label,split\n1.mp4,a,train\n2.mp4,a,Valid\n3.mp4,b,TEST\n4.mp4,b,validation\n")
    assert splits_of(listing) == {"1": "train", "2": "val", "3": "test", "4": "val"}
    assert listing.notes == []


def test_a_column_of_groups(tmp_path: Path) -> None:
    text = "path,label,split,Group,x\nv_g01_c01.mp4,a,train, Tom ,\nv_g01_c02.mp4,a,test,,\n3.mp4,b,test,Tom,\n"
    listing = read(tmp_path, text)
    assert listing.groups == {"v_g01_c01.mp4": "Tom", "v_g01_c02.mp4": "v_g01_c02.mp4", "3.mp4": "Tom"}
    assert listing.notes == ["columns of own.csv that are not read: x"]
    named = read(tmp_path, text.replace("Group", "y"))
    assert named.groups is None
    paths = named.videos["path"]
    assert named.groups_of(paths).tolist() == ["v_g01", "v_g01", "3.mp4"]
    assert listing.groups_of(paths).tolist() == ["Tom", "v_g01_c02.mp4", "Tom"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(ValueError, match=r"own.csv: expected a csv, got: UTF-(16|32); save it as UTF-8$"):
        read(tmp_path, "path,label,split\n1.mp4,a,train\n", encoding=encoding)
    (tmp_path / "list.txt").write_bytes("a/1.mp4\n".encode(encoding))
    make_files(tmp_path / "v", "a/1.mp4")
    with pytest.raises(ValueError, match=r"list.txt: expected a text file, got: UTF-(16|32); save it as UTF-8$"):
        read_folder(tmp_path / "v", test_list=tmp_path / "list.txt")


def test_a_workbook_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.xlsx").write_bytes(b"PK\x03\x04\x14\x00\x06\x00\x08\x00" + bytes(range(256)))
    make_files(tmp_path / "v", "1.mp4")
    with pytest.raises(
        ValueError, match=r"own.xlsx: expected a csv, got: a zip file or a workbook; save it as text in UTF-8$"
    ):
        read_csv(tmp_path / "v", tmp_path / "own.xlsx")


NFC, NFD = "Caf\u00e9", "Cafe\u0301"


def test_labels_that_read_the_same_are_one_class(tmp_path: Path) -> None:
    text = "path,label,split\n1.mp4,Clap hands,train\n2.mp4,Clap\xa0hands,test\n3.mp4,Clap \u200bhands,test\n"
    text += f"4.mp4,{NFC},train\n5.mp4,{NFD},test\n6.mp4,\u0645\u06cc\u200c\u0631\u0648\u0645,test\n"
    listing = read(tmp_path, text)
    persian = "\u0645\u06cc\u200c\u0631\u0648\u0645"  # its joiner can be seen
    assert listing.videos["label"].tolist() == ["Clap hands"] * 3 + [NFC] * 2 + [persian]
    assert listing.classes == [NFC, "Clap hands", persian]
    assert listing.notes == [
        "3 labels are taken as they read (Unicode NFC, single blanks, nothing invisible): "
        "'Clap\\xa0hands' is 'Clap hands'"
    ]


def test_class_folders_that_read_the_same_are_one_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path / "v", f"{NFC}/1.mp4", f"{NFD}/2.mp4", "b/1.mp4", "b/2.mp4", f"{NFC}/3.mp4")
    assert len(list((tmp_path / "v").iterdir())) == 3 or pytest.skip("a file system that does not tell them apart")
    assert main(["index", "folder", "--videos", "v"]) == 0
    out = capsys.readouterr().out
    assert "found: 5 videos, 2 classes" in out
    assert "note: 1 labels are taken as they read" in out


@pytest.mark.parametrize(("listed", "there"), [(NFC, NFD), (NFD, NFC)], ids=["NFC listed", "NFD listed"])
def test_a_path_is_found_in_the_other_form(tmp_path: Path, listed: str, there: str) -> None:
    text = f"path,label,split\n{listed}/{listed}.mp4,a,train\n1.mp4,b,test\n"
    listing = read(tmp_path, text, f"{there}/{there}.mp4", "1.mp4")
    if not (tmp_path / "v" / f"{listed}/{listed}.mp4").exists():
        assert listing.videos["path"].tolist() == [f"{there}/{there}.mp4", "1.mp4"]
        assert len(listing.notes) == 1
        assert listing.notes[0].startswith("1 listed paths are spelled differently on the disk: ")


def test_paths_of_windows_and_names_with_blanks_at_the_end(tmp_path: Path) -> None:
    text = 'path,label,split\na\\b\\1.mp4,a,train\n" 2.mp4 ",b,test\n 3.mp4,b,test\n'
    listing = read(tmp_path, text, "a/b/1.mp4", " 2.mp4 ", "3.mp4")
    assert listing.videos["path"].tolist() == ["a/b/1.mp4", " 2.mp4 ", "3.mp4"]


def test_a_json_in_utf_16_is_named(tmp_path: Path) -> None:
    make_json(tmp_path / "s/labels.json", {"Closing something": "0"})
    (tmp_path / "s/train.json").write_bytes("[]".encode("utf-16"))
    make_json(tmp_path / "s/validation.json", [])
    with pytest.raises(ValueError, match=re.escape("train.json: expected a json file, got: UTF-16; save it as UTF-8")):
        read_ssv2(tmp_path, tmp_path / "s")
