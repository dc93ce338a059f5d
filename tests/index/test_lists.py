"""Text lists: a line names the file that is there, and no test video becomes a train video by a slip of the pen."""

import re
from pathlib import Path

import pytest

from objabn.index.disk import Disk
from objabn.index.folder import read_folder
from objabn.index.lists import read_list
from objabn.index.ucf101 import read_ucf101
from tests.helpers.listed_files import make_files, make_splits


def read(tmp_path: Path, text: str) -> list[tuple[str, int | None]]:
    (tmp_path / "list.txt").write_bytes(text.encode())
    return [(line.path, line.number) for line in read_list(tmp_path / "list.txt", Disk(tmp_path / "v"))]


CASES: list[tuple[tuple[str, ...], str, list[tuple[str, int | None]]]] = [
    ((), "a/1.mp4\r\na/2.mp4 7\ra/3.mp4\t08\n\n  a/4 .mp4 \n",
     [("a/1.mp4", None), ("a/2.mp4", 7), ("a/3.mp4", 8), ("a/4 .mp4", None)]),
    ((), "a/1\u2028.mp4\na/2\u0085x.mp4\na/3\x0b\x0c\x1c.mp4",
     [("a/1\u2028.mp4", None), ("a/2\u0085x.mp4", None), ("a/3\x0b\x0c\x1c.mp4", None)]),
    (("a/take.v2 7",), "a/take.v2 7", [("a/take.v2 7", None)]),
    (("a/take.v2",), "a/take.v2 7", [("a/take.v2", 7)]),
    ((), "a/take.v2 7", [("a/take.v2", 7)]),
    ((), "\"a/1.mp4\"\n'a/b c.mp4' 3", [("a/1.mp4", None), ("a/b c.mp4", 3)]),
    (("'a/1.mp4'",), "'a/1.mp4'", [("'a/1.mp4'", None)]),
    ((), "# a/1.mp4 is bad\na/2.mp4  # good/bad\na/3.mp4 4 # x\n\"a/4.mp4\" #y",
     [("a/2.mp4", None), ("a/3.mp4", 4), ("a/4.mp4", None)]),
    (("# a/1.mp4", "a/2.mp4 #1/x.mp4"), "# a/1.mp4\na/2.mp4 #1/x.mp4",
     [("# a/1.mp4", None), ("a/2.mp4 #1/x.mp4", None)]),
    (("a/x #2.mp4",), "a/x #2.mp4 5\na/y #2.mp4", [("a/x #2.mp4", 5), ("a/y #2.mp4", None)]),
    ((" a/1.mp4 ",), " a/1.mp4 \n", [(" a/1.mp4 ", None)]),
    (("a/b/1.mp4",), "a\\b\\1.mp4 2", [("a/b/1.mp4", 2)]),
    (("a/x\\y.mp4",), "a/x\\y.mp4", [("a/x\\y.mp4", None)]),  # a file of that name: left out later, with a reason
    (("Cafe\u0301/1.mp4", "a/\u00e9.mp4"), "Caf\u00e9/1.mp4\na/e\u0301.mp4 1",
     [("Cafe\u0301/1.mp4", None), ("a/\u00e9.mp4", 1)]),
    (("a/1\xa0x.mp4",), "a/1 x.mp4", [("a/1\xa0x.mp4", None)]),
]  # fmt: skip


@pytest.mark.parametrize(("files", "text", "expected"), CASES)
def test_what_a_line_names(tmp_path: Path, files: tuple[str, ...], text: str, expected: list) -> None:
    make_files(tmp_path / "v", "a/z.mp4", *files)
    assert read(tmp_path, text) == expected


def test_two_files_that_a_line_may_name(tmp_path: Path) -> None:
    make_files(tmp_path / "v", "a/take.v2", "a/take.v2 7")
    with pytest.raises(
        ValueError, match=r"list.txt:1: expected the name of one file, .* 'a/take.v2 7' and 'a/take.v2'"
    ):
        read(tmp_path, "a/take.v2 7")
    make_files(tmp_path / "v", "b/\u00e9.mp4", "b/e\u0301.mp4")
    assert read(tmp_path, "b/e\u0301.mp4\nb/\u00e9.mp4") == [("b/e\u0301.mp4", None), ("b/\u00e9.mp4", None)]


@pytest.mark.parametrize(
    "listed",
    ["v/a/1.mp4", "A/1.MP4", "a/1.avi", "a/1", "1/1.mp4", "b/x.mp4 # 'a/1.mp4'", "a/1.mp4,test", "c/v1.0"],
    ids=["level", "case", "suffix", "no suffix", "folder", "another", "column", "no suffix, a dot"],
)
@pytest.mark.parametrize("side", ["train", "test"])
def test_a_listed_name_that_is_not_there_changes_no_split_of_another(tmp_path: Path, listed: str, side: str) -> None:
    make_files(tmp_path / "v", "a/1.mp4", "a/2.mp4", "c/x.mp4", "c/v1.0.mp4")
    (tmp_path / "list.txt").write_text(f"a/2.mp4\n{listed}\n")
    path = listed.split(" #")[0]
    other = {"b/x.mp4": "c/x.mp4", "c/v1.0": "c/v1.0.mp4"}.get(path, "a/1.mp4")
    where = re.escape(
        f"{tmp_path / 'list.txt'}:2: expected a file below {tmp_path / 'v'}, got {path!r}, which is not there"
    )
    with pytest.raises(ValueError, match=f"{where}.*{other}.* would go to {'test' if side == 'train' else 'train'}"):
        read_folder(tmp_path / "v", **{f"{side}_list": tmp_path / "list.txt"})
    (tmp_path / "rest.txt").write_text("c/x.mp4\na/1.mp4\n")  # with two lists, nothing goes anywhere unasked
    other_side = "test" if side == "train" else "train"
    both = read_folder(
        tmp_path / "v", **{f"{side}_list": tmp_path / "list.txt", f"{other_side}_list": tmp_path / "rest.txt"}
    )
    assert dict(zip(both.videos["path"], both.videos["split"], strict=True))["a/1.mp4"] == other_side


def test_official_lists_with_labels_in_another_form_of_unicode(tmp_path: Path) -> None:
    make_files(tmp_path / "v", "Cafe\u0301/1.avi", "Jump/1.avi")
    splits = make_splits(tmp_path / "s", "Cafe\u0301/1.avi 1\n", "Jump/1.avi 2\n", "1 Caf\u00e9\n2 Jump\n")
    listing = read_ucf101(tmp_path / "v", splits)
    assert listing.videos["label"].tolist() == ["Caf\u00e9", "Jump"]
    assert listing.classes == ["Caf\u00e9", "Jump"]
    assert listing.videos["path"].tolist() == ["Cafe\u0301/1.avi", "Jump/1.avi"]
