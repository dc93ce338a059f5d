"""Names of files and classes: what the index holds is read again, and the rest is left out with a reason."""

import csv
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from objabn.cli.index import main as index
from objabn.index.csv_list import read_csv
from objabn.index.folder import read_folder
from objabn.index.listing import Row, listing_of
from objabn.index.names import fault_of_path, printable
from objabn.index.table import COLUMNS, read_index, write_index
from tests.helpers.listed_files import make_files

ROOT = Path(__file__).parents[2]
NOT_UTF8 = os.fsdecode(b"b\xe4r")


def made(root: Path, *names: str) -> None:
    """Files whose names this file system may not be able to hold: then the test is skipped."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            (root / name).write_text(ascii(name))
        except (OSError, UnicodeError):
            pytest.skip(f"no file {name!a} on this file system")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("bär, ß/ü 1.mp4", "bär, ß/ü 1.mp4"), (NOT_UTF8, "b\\xe4r"), ("Icon\r", "Icon\\r"),
     ("a\xa0b\u200b\x1b", "a\\xa0b\\u200b\\x1b"),
     ("\ud800", "\\ud800"), ("a\\b", "a\\b"), ("👍", "👍")],
)  # fmt: skip
def test_what_is_shown_can_be_printed(name: str, shown: str) -> None:
    assert printable(name) == shown


@pytest.mark.parametrize(
    ("path", "fault"),
    [("a/ü 1, \"x\".mp4", None), ("a/ 1 .mp4", None), ("a/1\u2028\u0085.mp4", None), ("a/" + "x" * 250, None),
     (f"a/{NOT_UTF8}.mp4", "its name is not UTF-8"), ("a/Icon\r", "its name has a control character"),
     ("a\n/1", "its name has a control character"), ("a\\1.mp4", "its name has a backslash")],
)  # fmt: skip
def test_paths_that_an_index_cannot_hold(path: str, fault: str | None) -> None:
    assert fault_of_path(path) == fault


def test_an_id_is_no_directory() -> None:
    paths = ["a/...mp4", "a/..mp4", "..mp4", "a/.mp4", "a/....mp4"]
    listing = listing_of([Row(path, "a", "train", "here") for path in paths], [])
    assert listing.videos["video"].tolist() == ["a/...mp4", "a/..mp4", "..mp4", "a/.mp4", "a/..."]


NASTY = st.text(
    st.sampled_from("ab.,;\"'\\ \t\r\n\x00\x0b\x1c\x85\u2028\u200b\xa0\ufeffé#/\udce4") | st.characters(),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=40)
@given(names=st.lists(st.tuples(NASTY, NASTY), min_size=1, max_size=4))
@example(names=[("NA", '"'), ("null", "\ufeffvideo"), ("a\nb", " "), (" x", "y\t")])
@example(names=[("a", "..mp4"), ("a", "...mp4")])
def test_what_index_accepts_is_read_again(
    names: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever files and labels are called."""
    paths = dict.fromkeys(f"c/{name.replace('/', '_')}.mp4" for _, name in names)
    rows = [Row(path, label, "train", "here") for path, (label, _) in zip(paths, names, strict=False)]
    listing = listing_of([*rows, Row("c/good.mp4", "good", "test", "here")], [])
    table = listing.videos.assign(bytes="7", digest="00ff")
    assert len(table) + len(listing.left_out) == len(rows) + 1
    path = tmp_path_factory.mktemp("index") / "index.csv"
    write_index(table, path)
    read = read_index(path)
    pd.testing.assert_frame_equal(read, table[COLUMNS].sort_values("video", ignore_index=True))
    assert all(unicodedata.is_normalized("NFC", label) and label == label.strip() for label in read["label"])


def test_names_of_a_folder_that_cannot_be_held_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path / "v", *(f"{label}/{n} .mp4" for label in "ab" for n in range(3)))
    before = read_folder(tmp_path / "v")
    made(
        tmp_path / "v",
        f"a/{NOT_UTF8}.mp4",
        f"{NOT_UTF8}/1.mp4",
        "a/x\\y.mp4",
        "a/Icon\r.mp4",
        "a/Icon\r",
        f"a/{NOT_UTF8}",
    )
    after = read_folder(tmp_path / "v")
    assert after.videos.equals(before.videos)
    assert index(["folder", "--videos", "v"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "left out: 1 (its name has a control character): a/Icon\\r.mp4",
        "left out: 2 (its name is not UTF-8): a/b\\xe4r.mp4, b\\xe4r/1.mp4",
        "left out: 1 (its name has a backslash): a/x\\y.mp4",
        "note: passed over 2 files without the suffix of a video: 2 without a suffix (a/Icon\\r)",
        "note: 1 classes without a listed video: b\\xe4r",
        "note: 6 files that do not tell their duration: a/0 , a/1 , a/2  and 3 more",
        "wrote data/folder/left_out.csv: all 4 that were left out",
        "wrote data/folder/index.csv; params.yaml: datasets.folder.videos has to be v",
    ]
    with open("data/folder/left_out.csv", newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [
            "a/Icon\\r.mp4", "a/b\\xe4r.mp4", "a/x\\y.mp4", "b\\xe4r/1.mp4"
        ]  # fmt: skip
    assert read_index("data/folder/index.csv")["path"].tolist() == sorted(before.videos["path"])


def test_a_listed_name_that_cannot_be_held_costs_itself_only(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(
        b'path,label,split\n1.mp4,a,train\n"2\n.mp4",a,test\n3\x00.mp4,b,test\n4.mp4,b,test\n'
    )
    listing = read_csv(tmp_path, tmp_path / "own.csv")
    assert listing.videos["path"].tolist() == ["1.mp4", "4.mp4"]
    assert listing.left_out == [
        ("2\n.mp4", "a", "its name has a control character"), ("3\x00.mp4", "b", "its name has a control character")
    ]  # fmt: skip
    (tmp_path / "own.csv").write_bytes(b"path,label,split\n3\x00.mp4,b,test\n")
    with pytest.raises(
        ValueError, match=r"expected at least one listed video, got none but 3\\x00.mp4: its name has a"
    ):
        read_csv(tmp_path, tmp_path / "own.csv")


def test_no_name_stops_a_command_from_printing(tmp_path: Path) -> None:
    """Whatever the terminal can show: this one knows ASCII."""
    make_files(tmp_path / "v", "ä/1.mp4", "ä/2.mp4", "b/1.mp4", "b/2.mp4", "löse.mp4")
    made(tmp_path / "v", f"b/{NOT_UTF8}.mp4")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from objabn.__main__ import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(
        [sys.executable, "-c", code, "index", "folder", "--videos", "v"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"(its name is not UTF-8): b/b\\xe4r.mp4" in done.stdout
    assert b"(in no class folder): l\\xf6se.mp4" in done.stdout
