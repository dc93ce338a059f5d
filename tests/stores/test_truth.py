"""Ground truth of some videos and frames: what is known of a frame, and at which frames of the store it is read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from objabn.config.schema import Truth
from objabn.stores.truth import ANNOTATED, frame_spans, open_truth
from tests.helpers.truth import truth_of, write_truth

LENGTHS = {"one": 1, "seven": 7, "eight": 8}
SPANS = [("seven", 0, 2), ("seven", 4, 7), ("eight", 3, 4)]  # of `one` nothing is known


def planes(length: int) -> np.ndarray:
    """The masks of frame i are 10 + i everywhere."""
    return np.arange(10, 10 + length, dtype=np.uint8).repeat(18).reshape(-1, 2, 3, 3)


@pytest.fixture
def whole(tmp_path: Path) -> Truth:
    return write_truth(tmp_path / "whole", {video: planes(length) for video, length in LENGTHS.items()})


@pytest.fixture
def partial(tmp_path: Path) -> Truth:
    return write_truth(tmp_path / "partial", {video: planes(length) for video, length in LENGTHS.items()}, SPANS)


def table_of(*frames: int) -> pd.DataFrame:
    return pd.DataFrame({"video": list(LENGTHS), "frames": frames})


def values(found: np.ndarray) -> list[int]:
    return found[:, 0, 0, 0].tolist()


def test_without_the_table_of_frames_all_are_known(whole: Truth) -> None:
    reader = open_truth(whole, table_of(*LENGTHS.values()), 1)
    assert reader.known("seven", np.array([0, 6])).tolist() == [True, True]
    assert reader.known("nine", np.array([0, 1])).tolist() == [False, False]
    assert values(reader.read("nine", np.array([0, 1]))) == [0, 0]


@pytest.mark.parametrize(
    ("video", "expected"),
    [("one", [0]), ("seven", [1, 1, 0, 0, 1, 1, 1]), ("eight", [0, 0, 0, 1, 0, 0, 0, 0]), ("nine", [0, 0])],
)
def test_frames_without_annotation_are_none_and_empty(partial: Truth, video: str, expected: list[int]) -> None:
    reader, numbers = open_truth(partial, table_of(*LENGTHS.values()), 1), np.arange(len(expected))
    assert reader.known(video, numbers).tolist() == [bool(each) for each in expected]
    assert values(reader.read(video, numbers)) == [known * (10 + at) for at, known in enumerate(expected)]
    assert reader.has(video) == any(expected)


def test_an_annotated_frame_may_be_empty(tmp_path: Path) -> None:
    truth = write_truth(tmp_path, {"a": np.zeros((3, 2, 3, 3), np.uint8)}, [("a", 1, 3)])
    reader = open_truth(truth, pd.DataFrame({"video": ["a"], "frames": [3]}), 1)
    assert reader.known("a", np.arange(3)).tolist() == [False, True, True]
    assert not reader.read("a", np.arange(3)).any()


def test_repeated_and_unordered_frames(partial: Truth) -> None:
    reader = open_truth(partial, table_of(*LENGTHS.values()), 1)
    assert values(reader.read("seven", np.array([6, 3, 0, 0]))) == [16, 0, 10, 10]


def test_with_a_stride_all_frames_are_read_at_the_stored_ones(whole: Truth, partial: Truth) -> None:
    """Stored frames 0, 1, 2 are 0, 3, 6 of the video."""
    reader = open_truth(whole, table_of(1, 3, 3), stride=3)
    assert values(reader.read("seven", np.array([0, 2, 1]))) == [10, 16, 13]
    reader = open_truth(partial, table_of(1, 3, 3), stride=3)
    assert reader.known("seven", np.array([0, 2, 1])).tolist() == [True, True, False]
    assert values(reader.read("seven", np.array([0, 2, 1]))) == [10, 16, 0]
    assert reader.known("eight", np.arange(3)).tolist() == [False, True, False]


@pytest.mark.parametrize("stride", [1, 3])
def test_truth_of_the_stored_frames_is_read_as_it_is(whole: Truth, stride: int) -> None:
    reader = open_truth(whole, table_of(*LENGTHS.values()), stride)
    assert values(reader.read("seven", np.array([0, 2]))) == [10, 12]


def test_a_video_without_truth_or_truncated_says_nothing_about_the_stride(partial: Truth) -> None:
    """`one` would say that the truth is of the stored frames, `seven` lost one."""
    table = table_of(1, 2, 3).assign(status=["ok", "truncated", "ok"])
    reader = open_truth(partial, pd.concat([pd.DataFrame({"video": ["other"], "frames": [5]}), table]), stride=3)
    assert values(reader.read("eight", np.arange(3))) == [0, 13, 0]


def test_another_number_of_frames_is_refused(whole: Truth) -> None:
    expected = "expected 4 frames of seven, or 10 to 12 without decode.stride 3, got 7"
    with pytest.raises(ValueError, match=rf"^{whole.store}: {expected}$"):
        open_truth(whole, table_of(1, 4, 3), stride=3)
    with pytest.raises(ValueError, match=rf"^{whole.store}: expected 9 frames of seven, got 7$"):
        open_truth(whole, table_of(1, 9, 8), stride=1)
    with pytest.raises(ValueError, match=rf"^{whole.store}: eight: expected at least 9 frames, got 8$"):
        open_truth(whole, table_of(1, 7, 9).assign(status=["ok", "ok", "truncated"]), stride=1).read(
            "eight", np.array([0, 8])
        )


def test_every_whole_video_is_compared_with_the_first(whole: Truth) -> None:
    """With a stride of 3, seven frames are all of a video's where 3 are stored, or the stored ones where 7 are."""
    for table, stride, expected in (
        (table_of(1, 7, 9), 1, "9 frames of eight"),
        (table_of(1, 7, 3), 3, "3 frames of eight, as seven has masks of the stored frames"),
        (table_of(1, 3, 8), 3, "22 to 24 frames of eight, as seven has masks of all frames"),
    ):
        with pytest.raises(ValueError, match=rf"^{whole.store}: expected {expected}, got 8$"):
            open_truth(whole, table, stride)
        reader = open_truth(whole, table.assign(status=["ok", "ok", "truncated"]), stride)
        assert values(reader.read("seven", np.array([1]))) == [13 if table["frames"][1] == 3 else 11]


def test_truth_of_other_videos_is_refused(partial: Truth) -> None:
    for video in ("other", "one"):
        line = f"expected annotations of some of the 1 videos, such as {video}, got none of them"
        with pytest.raises(ValueError, match=rf"^{partial.store}: {line}$"):
            open_truth(partial, pd.DataFrame({"video": [video], "frames": [1]}), 1)


def test_own_threshold_and_groups(tmp_path: Path) -> None:
    """Score 0.5 in the left column for a person, 0.25 in the middle for another."""
    scores = np.zeros((1, 2, 1, 3), np.uint8)
    scores[0, 0, 0, 0], scores[0, 1, 0, 1] = 128, 64
    write_truth(tmp_path, {"a": scores})
    table = pd.DataFrame({"video": ["a"], "frames": [1]})
    for groups, least, expected in (
        (["person", "other"], 0.25, [1, 1, 0]),
        (["person", "other"], 0.5, [1, 0, 0]),
        (["other"], 0.2, [0, 1, 0]),
    ):
        reader = open_truth(truth_of(tmp_path, groups, least), table, 1)
        assert reader.union("a", np.array([0])).tolist() == [[[bool(each) for each in expected]]]


def test_a_group_that_was_not_annotated_is_refused(tmp_path: Path) -> None:
    write_truth(tmp_path, {"a": planes(2)}, [("a", 0, 2)], ["person"])
    table = pd.DataFrame({"video": ["a"], "frames": [2]})
    assert open_truth(truth_of(tmp_path, ["person"]), table, 1).annotated_groups == ("person",)
    with pytest.raises(
        ValueError, match=rf"^{tmp_path}: expected truth.groups that it annotates \(person\), got other$"
    ):
        open_truth(truth_of(tmp_path), table, 1)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([("ten", 0, 1)], "a video of the store, got [0, 1) of ten"),
        ([("seven", 5, 8)], "spans within its 7 frames that do not overlap, got [5, 8) of seven"),
        ([("seven", 3, 5), ("seven", 0, 4)], "spans within its 7 frames that do not overlap, got [3, 5) of seven"),
        ([("seven", 2, 2)], "spans within its 7 frames that do not overlap, got [2, 2) of seven"),
        ([("seven", -1, 2)], "spans within its 7 frames that do not overlap, got [-1, 2) of seven"),
    ],
)
def test_a_table_of_frames_that_is_not_the_stores(tmp_path: Path, spans: list, expected: str) -> None:
    truth = write_truth(tmp_path, {"seven": planes(7)}, spans)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        open_truth(truth, table_of(1, 7, 8), 1)
    assert str(error.value) == f"{tmp_path / ANNOTATED}: expected {expected}"


def test_a_table_of_frames_that_cannot_be_read(tmp_path: Path) -> None:
    truth = write_truth(tmp_path, {"seven": planes(7)})
    expected = rf"^{tmp_path / ANNOTATED}: expected the columns video, first, end, got a file that cannot be read \("
    (tmp_path / ANNOTATED).write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=expected):
        open_truth(truth, table_of(1, 7, 8), 1)
    pq.write_table(pa.table({"video": ["seven"], "start": [0]}), tmp_path / ANNOTATED)
    with pytest.raises(ValueError, match=expected):
        open_truth(truth, table_of(1, 7, 8), 1)


def test_spans_of_frames() -> None:
    assert frame_spans(np.zeros(3, bool)) == []
    assert frame_spans(np.array([False, True, True])) == [(1, 3)]
