"""Something-Else's boxes: which frames of a video are annotated, and where a box lies in it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objabn.truth.boxes import Boxes
from objabn.truth.something_else import read_something_else
from objabn.truth.videos import Video
from objabn.truth.write import UNKNOWN, LeftOut
from tests.helpers.truth import videos_of

VIDEO = Video("2", frames=6, stride=1, fps=12.0, height=240, width=400)


def label(x1: float, y1: float, x2: float, y2: float, category: str = "hand") -> dict[str, Any]:
    """As in the files; of an object `standard_category` is a number."""
    standard = "hand" if category == "hand" else "0000"
    sides = {"x1": x1, "x2": x2, "y1": y1, "y2": y2}
    return {"box2d": sides, "category": category, "standard_category": standard, "gt_annotation": category}


def frame(video: str, number: int, *labels: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{video}/{number:04d}.jpg", "labels": list(labels), "gt_placeholders": ["cup"],
        "nr_instances": len(labels),
    }  # fmt: skip


def write(path: Path, videos: dict[str, Any]) -> Path:
    path.write_text(json.dumps(videos))
    return path


def read_one(path: Path, video: Video = VIDEO) -> Boxes:
    ((name, found),) = read_something_else([path], videos_of(video))
    assert name == "2"
    assert isinstance(found, Boxes), found
    return found


def test_frames_from_1_and_pixels_of_240_lines(tmp_path: Path) -> None:
    hand, cup = label(0, 0, 200, 120), label(100, 60, 400, 240.0000001, "cup")
    path = write(tmp_path / "a.json", {"2": [frame("2", 1, hand, cup), frame("2", 2), frame("2", 4, cup)]})
    found = read_one(path)
    assert found.known.tolist() == [True, True, False, True, False, False]  # the second is known to be empty
    assert found.numbers.tolist() == [0, 0, 3]
    assert found.boxes.tolist() == [[0, 0, 0.5, 0.5], [0.25, 0.25, 1, 1], [0.25, 0.25, 1, 1]]
    assert found.groups.tolist() == [1, 1, 1]  # no person
    twice = read_one(path, VIDEO._replace(height=480, width=800))  # of a larger copy
    assert twice.boxes.tolist() == found.boxes.tolist()


@pytest.mark.parametrize(
    ("video", "expected"),
    [
        (VIDEO._replace(fps=12.2), [0, 1, 2, 3, 4, 5]),  # as good as 12
        (VIDEO._replace(fps=float("nan")), [0, 1, 2, 3, 4, 5]),
        (VIDEO._replace(frames=3, stride=2, fps=6.0), [0, 2, 4]),
        (VIDEO._replace(fps=24.0), [0, None, 1, None, 2, None]),  # every other one lies between two
        (VIDEO._replace(fps=30.0), [0, None, 1, 1, None, 2]),  # at 0 .4 .8 1.2 1.6 2 annotated frames
        (VIDEO._replace(frames=3, fps=6.0), [0, 2, 4]),
    ],
)
def test_the_annotated_frame_at_a_stored_ones_time(tmp_path: Path, video: Video, expected: list[int | None]) -> None:
    """The box of annotated frame k is 40 * (k + 1) wide."""
    boxes = [frame("2", at + 1, label(0, 0, 40 * (at + 1), 240)) for at in range(max(at or 0 for at in expected) + 1)]
    found = read_one(write(tmp_path / "a.json", {"2": boxes}), video)
    assert found.known.tolist() == [at is not None for at in expected]
    widths = dict(zip(found.numbers.tolist(), found.boxes[:, 2].tolist(), strict=True))
    assert widths == pytest.approx({n: 0.1 * (at + 1) for n, at in enumerate(expected) if at is not None})


def test_more_annotated_frames_than_the_video_has(tmp_path: Path) -> None:
    cup = label(0, 0, 40, 24, "cup")
    path = write(tmp_path / "a.json", {"2": [frame("2", number, cup) for number in (5, 6, 7, 8)]})
    assert np.flatnonzero(read_one(path).known).tolist() == [4, 5]
    path = write(tmp_path / "a.json", {"2": [frame("2", 9, cup)]})
    ((_, found),) = read_something_else([path], videos_of(VIDEO))
    assert found == LeftOut(
        "its boxes are of a longer video", "the last at frame 8, where the video ends at 5.0, 12 frames a second"
    )
    whole = read_one(write(path, {"2": [frame("2", 2, cup), frame("2", 9, cup)]}), VIDEO._replace(is_whole=False))
    assert np.flatnonzero(whole.known).tolist() == [1]  # of a truncated video the first frames are right


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("rate", [12, 24])
def test_with_a_stride_all_frames_may_be_annotated(tmp_path: Path, stride: int, rate: int) -> None:
    """Three are stored; behind the last one there are as many as fit."""
    most = 3 * stride  # of the video's
    video = VIDEO._replace(frames=3, stride=stride, fps=rate / stride)
    ends = (most - 1) // (rate // 12)  # the last annotated frame, from 0
    full = {"2": [frame("2", number + 1, label(0, 0, 40, 24)) for number in range(ends + 1)]}
    found = read_one(write(tmp_path / "a.json", full), video)
    assert found.known.tolist() == [at * stride % (rate // 12) == 0 for at in range(3)]
    longer = {"2": [frame("2", ends + 4, label(0, 0, 40, 24))]}
    ((_, found),) = read_something_else([write(tmp_path / "b.json", longer)], videos_of(video))
    assert found.reason == "its boxes are of a longer video"


def test_several_files_or_their_folder(tmp_path: Path) -> None:
    cup = label(0, 0, 40, 24, "cup")
    one = write(tmp_path / "part1.json", {"1": [frame("1", 1, cup)], "2": [frame("2", 1, cup)]})
    two = write(tmp_path / "part2.json", {"3": [frame("3", 1, cup)]})
    videos = videos_of(VIDEO, VIDEO._replace(id="3"))
    for paths in ([one, two], [tmp_path]):
        found = dict(read_something_else(paths, videos))
        assert list(found) == ["1", "2", "3"]
        assert found["1"] == UNKNOWN
        assert all(isinstance(found[name], Boxes) for name in "23")


@pytest.mark.parametrize(
    "wrong",
    [[{"name": "2/0001.jpg"}], [frame("2", 1, {"box2d": {"x1": 0}})], [{"name": "x.jpg", "labels": []}], 7, ["a"]],
)
def test_boxes_that_cannot_be_read(tmp_path: Path, wrong: Any) -> None:
    ((_, found),) = read_something_else([write(tmp_path / "a.json", {"2": wrong})], videos_of(VIDEO))
    assert isinstance(found, LeftOut)
    assert found.reason == "its boxes cannot be read"
    assert found.details


@pytest.mark.parametrize("text", ["", "[]", "nothing", '{"2": [], }', '{"2" []}', '{"2": [', '{"2": []', "{2: []}"])
def test_a_file_of_another_kind_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"^{path}: expected an object of videos, [^\n]+, got[^\n]+$"):
        list(read_something_else([path], videos_of(VIDEO)))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^{tmp_path}: expected json files below it, got none$"):
        read_something_else([tmp_path], videos_of(VIDEO))
    with pytest.raises(
        ValueError, match=rf"^{tmp_path}/a.json: expected a json file of Something-Else, got no such file$"
    ):
        read_something_else([tmp_path / "a.json"], videos_of(VIDEO))
    assert list(read_something_else([write(tmp_path / "a.json", {})], videos_of(VIDEO))) == []
