"""Data sets that are too small or too flat to mean something: a line each, before anything is trained on them."""

from pathlib import Path

import pandas as pd
import pytest

from objabn.__main__ import main
from objabn.index.faults import index_faults
from tests.helpers.listed_files import make_files

ONE_CLASS = "label: expected two classes or more, got one, 'a'; list videos of another class, too"
NO_TEST = "split: expected test videos, got none beside 2 train videos; list some as test"
NO_TRAIN = "split: expected train videos, got none beside 2 test videos; list some as train"


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """An index of (path, label, split)."""
    return pd.DataFrame(rows, columns=["path", "label", "split"], dtype=str)


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        ([("a/1.mp4", "a", "train"), ("b/1.mp4", "b", "test")], []),
        ([("a/x/1.mp4", "a", "train"), ("b/x/1.mp4", "b", "test")], []),  # folders within classes are no fault
        ([("a/1.mp4", "a", "train"), ("a/2.mp4", "a", "test")], [ONE_CLASS]),
        ([("a/1.mp4", "a", "train"), ("b/1.mp4", "b", "train")], [NO_TEST]),
        ([("a/1.mp4", "a", "test"), ("b/1.mp4", "b", "test")], [NO_TRAIN]),
        ([("a/1.mp4", "a", "train"), ("a/2.mp4", "a", "train")], [ONE_CLASS, NO_TEST]),
        ([("a/1.mp4", "a", "train"), ("b/1.mp4", "b", "test"), ("b/2.mp4", "b", "val")], []),
        ([(f"{label}/{n}.mp4", label, f"fold-{n}") for label in "ab" for n in (1, 2)], []),
        (
            [(f"{label}/1.mp4", label, "fold-2") for label in "ab"],
            ["split: expected two folds or more, got fold-2 alone; deal the videos again (--folds)"],
        ),
        (
            [("a/1.mp4", "a", "fold-1"), ("a/2.mp4", "a", "fold-2"), ("b/1.mp4", "b", "fold-1")],
            ["split: expected two videos or more in each fold, got one in fold-2"],
        ),
        ([("a/1.mp4", "a", "train"), ("b/1.mp4", "b", "val")], [NO_TEST.replace("2 train", "1 train and 1 val")]),
    ],
)
def test_a_line_for_each_fault(rows: list[tuple[str, str, str]], faults: list[str]) -> None:
    assert index_faults(table(*rows)) == faults


def test_a_directory_one_level_too_high_is_asked_about() -> None:
    rows = [
        (f"UCF-101/{label}/{n}.avi", "UCF-101", split) for label in "ab" for n, split in enumerate(("train", "test"))
    ]
    expected = (
        "label: expected two classes or more, got one, 'UCF-101'; UCF-101 holds folders of videos: "
        "did you mean --videos {}UCF-101?"
    )
    assert index_faults(table(*rows)) == [expected.format("")]
    assert index_faults(table(*rows), Path("data/UCF101")) == [expected.format("data/UCF101/")]


def test_folders_of_splits_are_no_classes() -> None:
    rows = [(f"{split}/{label}/1.avi", split, "train") for split in ("Train", "val") for label in "ab"]
    assert index_faults(table(*rows, ("val/c/1.avi", "val", "test"))) == [
        "label: expected classes, got Train, val, which are names of splits, and these folders hold folders of videos; "
        "name each video's class and split in a csv (index csv)"
    ]
    flat = [(f"{label}/1.avi", label, split) for label, split in (("train", "train"), ("tram", "test"))]
    assert index_faults(table(*flat)) == []  # a means of transport


@pytest.mark.parametrize(
    ("files", "options", "faults"),
    [
        (("UCF-101/a/1.avi", "UCF-101/a/2.avi", "UCF-101/b/1.avi"), (),
         ["v: label: expected two classes or more, got one, 'UCF-101'; UCF-101 holds folders of videos: "
          "did you mean --videos v/UCF-101?"]),
        (("a/1.avi", "a/2.avi"), (), [f"v: {ONE_CLASS}"]),
        (("a/1.avi", "b/1.avi"), (), [f"v: {NO_TEST}"]),  # each class has only one
        (("a/1.avi", "a/2.avi", "b/1.avi", "b/2.avi"), ("--test-share", "0"),
         ["v: split: expected test videos, got none beside 4 train videos; list some as test"]),
    ],
)  # fmt: skip
def test_index_refuses_them_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
    files: tuple[str, ...], options: tuple[str, ...], faults: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path / "v", *files)
    assert main(["index", "folder", "--videos", "v", *options]) == 2
    output, errors = capsys.readouterr()
    assert errors.splitlines() == faults
    assert output.startswith(f"listed: {len(files)} videos")  # what was found explains what is missing
    assert not Path("data").exists()


def test_what_is_listed_but_not_there_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path / "v", "1.mp4", "2.mp4")
    Path("own.csv").write_text("path,label,split\n1.mp4,a,train\n2.mp4,b,train\n3.mp4,a,test\n4.mp4,b,test\n")
    assert main(["index", "csv", "--videos", "v", "--csv", "own.csv"]) == 2
    output, errors = capsys.readouterr()
    assert errors == f"v: {NO_TEST}\n"
    assert "left out: 2 (no such file): 3.mp4, 4.mp4" in output
