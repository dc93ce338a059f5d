"""Listed videos of which none is there: the line shows what is there, and where to look."""

import re
from pathlib import Path

import pytest

from objabn.__main__ import main
from objabn.index.listing import Row, listing_of
from objabn.index.misses import similar_note, why_none_is_there
from objabn.index.ssv2 import read_ssv2
from objabn.index.ucf101 import read_ucf101
from tests.helpers.listed_files import make_files, make_json, make_splits


@pytest.mark.parametrize(
    ("files", "paths", "said"),
    [
        (["b/1.avi", "a/1.avi"], ["a/1.avi"], None),
        (["UCF-101/a/1.avi"], ["b/0.avi", "a/1.avi"],
         "a/1.avi is not there, but UCF-101/a/1.avi is: did you mean --videos V/UCF-101?"),
        (["x/y/a/1.avi"], ["a/1.avi"], "a/1.avi is not there, but x/y/a/1.avi is: did you mean --videos V/x/y?"),
        (["v/1.avi"], ["v/v/1.avi"], "v/v/1.avi is not there, but v/1.avi is: did you mean --videos ROOT?"),
        (["a/1.mp4"], ["a/1.avi"],
         "a/1.avi is not there, but a/1.mp4 is: the list has another suffix, .avi instead of .mp4"),
        (["A/1.avi"], ["a/1.avi"], "a/1.avi is not there, but A/1.avi is: expected the same path"),
        (["1.avi"], ["a/1.avi"], "a/1.avi is not there, but 1.avi is: expected the same path"),
        (["20bn/1.webm"], ["1.webm"], "1.webm is not there, but 20bn/1.webm is: did you mean --videos V/20bn?"),
        (["0/1.webm", "1/2.webm", "2/3.webm"], ["1.webm", "2.webm", "3.webm"],
         "1.webm is not there, but 0/1.webm is: they lie in several folders; put links to them into one, or name their "
         "paths in a csv (index csv)"),
        (["UCF-101/a/1.avi"], ["a/1.avi", "a/2.avi", "a/3.avi", "a/4.avi"],
         "a/1.avi is not there, but UCF-101/a/1.avi is: did you mean --videos V/UCF-101?"),
        (["c/9.avi", "c/8.txt"], ["a/1.avi"], "a/1.avi is not there; one of 1 videos that are: c/9.avi"),
        (["c/8.txt", ".git/1.avi"], ["a/1.avi"], "a/1.avi is not there, and no videos are"),
    ],
)  # fmt: skip
def test_one_listed_and_one_found_path(tmp_path: Path, files: list[str], paths: list[str], said: str | None) -> None:
    make_files(tmp_path / "v", *files)
    fault = why_none_is_there(paths, tmp_path / "v")
    if said is None:
        assert fault is None
    else:
        said = said.replace("V/", f"{tmp_path / 'v'}/").replace("ROOT", str(tmp_path))
        assert fault == f"{tmp_path / 'v'}: expected the {len(paths)} listed videos below it, got none: {said}"


def test_one_level_up(tmp_path: Path) -> None:
    make_files(tmp_path / "v", "a/1.avi")
    fault = why_none_is_there(["a/1.avi"], tmp_path / "v/a")
    assert fault is not None
    assert fault.endswith(f"a/1.avi is not there, but 1.avi is: did you mean --videos {tmp_path / 'v'}?")
    make_files(tmp_path / "v", "b/2.avi")
    fault = why_none_is_there(["a/1.avi"], tmp_path / "v/b")
    assert fault is not None
    assert fault.endswith(
        f"a/1.avi is not there; one of 1 videos that are: 2.avi: did you mean --videos {tmp_path / 'v'}?"
    )


def test_the_command_says_it_before_it_reads_any_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path / "v", "UCF-101/Bend/1.avi", "UCF-101/Jump/1.avi")
    make_splits(tmp_path / "s", "Bend/1.avi 1\n", "Jump/1.avi\n")
    assert main(["index", "ucf101", "--videos", "v", "--splits", "s"]) == 2
    expected = "expected the 2 listed videos below it, got none: Bend/1.avi is not there, but UCF-101/Bend/1.avi is"
    assert capsys.readouterr().err == f"v: {expected}: did you mean --videos v/UCF-101?\n"
    assert not Path("data").exists()


def test_some_that_are_there_under_another_name_are_a_note(tmp_path: Path) -> None:
    make_files(tmp_path, "a/1.avi", "a/2.mp4", "b/x/3.avi", "b/4.avi")
    rows = [Row(path, "a", "train", "here") for path in ("a/1.avi", "a/2.avi", "b/3.avi", "c/5.avi")]
    missing = listing_of(rows, []).videos.iloc[1:]
    assert similar_note(missing["path"].tolist(), tmp_path) == [
        "2 listed videos are not there, but files of that name are: a/2.avi: a/2.mp4, b/3.avi: b/x/3.avi"
    ]
    assert similar_note(["a/2.avi"], tmp_path, listed=["a/2.mp4"]) == []  # that one is another video
    assert similar_note([], tmp_path / "absent") == []
    assert similar_note(["c/5.avi"], tmp_path) == []


def test_lists_one_level_down_or_in_the_folder_of_a_file(tmp_path: Path) -> None:
    make_files(tmp_path / "v", "Bend/1.avi", "7.webm")
    make_splits(tmp_path / "s/ucfTrainTestlist", "Bend/1.avi 1\n", "")
    with pytest.raises(ValueError, match=re.escape(
        f"{tmp_path / 's'}: expected classInd.txt, got none; did you mean --splits {tmp_path / 's/ucfTrainTestlist'}?"
    )):  # fmt: skip
        read_ucf101(tmp_path / "v", tmp_path / "s")
    with pytest.raises(ValueError, match=re.escape(f"did you mean --splits {tmp_path / 's/ucfTrainTestlist'}?")):
        read_ucf101(tmp_path / "v", tmp_path / "s/ucfTrainTestlist/classInd.txt")
    make_json(tmp_path / "j/labels/something-something-v2-labels.json", {})
    with pytest.raises(ValueError, match=re.escape(
        f"{tmp_path / 'j'}: expected something-something-v2-labels.json or labels.json, or --labels-json, got neither; "
        f"did you mean --splits {tmp_path / 'j/labels'}?"
    )):  # fmt: skip
        read_ssv2(tmp_path / "v", tmp_path / "j")
