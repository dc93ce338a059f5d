"""UCF101-24's boxes from both of its formats: frames from 0 or 1, pixels from 0 or 1, persons who act."""

from pathlib import Path

import numpy as np
import pytest

from objabn.truth.boxes import Boxes
from objabn.truth.ucf101_24 import read_ucf101_24
from objabn.truth.videos import Video
from objabn.truth.write import UNKNOWN, LeftOut
from tests.helpers.truth import videos_of
from tests.helpers.ucf101_24 import entry, person, tube, write_pickle, write_xgtf

ID = "Biking/v_Biking_g01_c01"
VIDEO = Video(ID, frames=9, stride=1, fps=25.0, height=240, width=320)


def read_one(path: Path, video: Video = VIDEO) -> Boxes | LeftOut:
    ((name, found),) = read_ucf101_24(path, videos_of(video))
    assert name.casefold() == ID.casefold()
    return found


def known(found: Boxes | LeftOut) -> list[int]:
    assert isinstance(found, Boxes)
    return np.flatnonzero(found.known).tolist()


@pytest.fixture
def xgtf(tmp_path: Path) -> Path:
    return tmp_path / "xgtf" / f"{ID}.xgtf"


def test_an_xgtf_counts_frames_from_1_and_pixels_from_0(xgtf: Path) -> None:
    write_xgtf(xgtf, person(0, [("1:2", 0, 0, 160, 120), ("3:3 5:5", 240, 60, 80, 180)], "1:5"))
    found = read_one(xgtf.parents[1])
    assert isinstance(found, Boxes)
    assert known(found) == [0, 1, 2, 4]
    assert found.numbers.tolist() == [0, 1, 2, 4]
    assert found.boxes.tolist() == [[0, 0, 0.5, 0.5]] * 2 + [[0.75, 0.25, 1, 1]] * 2
    assert found.groups.tolist() == [0] * 4  # persons


def test_persons_who_do_nothing_are_left_out_unless_all_do(xgtf: Path) -> None:
    actor, other = [("2:3", 0, 0, 32, 24)], [("1:9", 32, 24, 32, 24)]
    write_xgtf(xgtf, person(0, other), person(1, actor, "2:2"))
    found = read_one(xgtf.parents[1])
    assert known(found) == [1, 2]
    write_xgtf(xgtf, person(0, other), person(1, actor))
    assert known(read_one(xgtf.parents[1])) == list(range(9))


def test_boxes_beyond_the_frame_and_the_video(xgtf: Path) -> None:
    boxes = [("1:1", -16, -24, 32, 48), ("2:2", 320, 0, 10, 10), ("3:3", 300, 0, 40, 240), ("9:12", 0, 0, 32, 24)]
    write_xgtf(xgtf, person(0, boxes, "1:12"))
    found = read_one(xgtf.parents[1])
    assert isinstance(found, Boxes)
    assert known(found) == [0, 2, 8]
    np.testing.assert_allclose(found.boxes, [[0, 0, 0.05, 0.1], [0.9375, 0, 1, 1], [0, 0, 0.1, 0.1]])


def test_with_a_stride_the_boxes_of_stored_frames(xgtf: Path) -> None:
    """Stored are the frames 1, 4, 7 of an xgtf's counting."""
    write_xgtf(xgtf, person(0, [("1:1", 0, 0, 32, 24), ("3:4", 0, 0, 64, 24), ("8:9", 0, 0, 96, 24)], "1:9"))
    found = read_one(xgtf.parents[1], VIDEO._replace(frames=3, stride=3))
    assert isinstance(found, Boxes)
    assert (known(found), found.numbers.tolist()) == ([0, 1], [0, 1])
    np.testing.assert_allclose(found.boxes[:, 2], [0.1, 0.2])


def test_an_xgtf_in_other_case_or_that_cannot_be_read(xgtf: Path) -> None:
    """As v_RopeClimbing_g02_C01.xgtf; a few of the files are no XML."""
    other = xgtf.with_name("v_Biking_g01_C01.xgtf")
    write_xgtf(other, person(0, [("1:1", 0, 0, 32, 24)], "1:1"))
    assert known(read_one(xgtf.parents[1])) == [0]
    text = other.read_text()
    for broken, reason in (
        (text[:-20], "its xgtf cannot be read: no element found"),
        (text.replace('width="32"', 'width="wide"'), "its xgtf cannot be read: expected a bbox with framespan, x, y,"),
        (text.replace("1:1", "now"), "its xgtf cannot be read: expected a bbox with framespan, x, y,"),
        (text.replace("object", "thing"), "its xgtf cannot be read: expected a sourcefile with objects, got none"),
    ):
        other.write_text(broken)
        found = read_one(xgtf.parents[1])
        assert isinstance(found, LeftOut)
        assert ": ".join(found).startswith(reason)
        assert "\n" not in found.details


@pytest.mark.parametrize("frames", [6, 12])
def test_an_xgtf_of_a_video_of_another_length(xgtf: Path, frames: int) -> None:
    persons = person(0, [("2:2", 0, 0, 32, 24), ("7:7", 0, 0, 32, 24)], "1:9")
    write_xgtf(xgtf, persons, frames=frames)
    details = f"they say {frames} frames, it has 9"
    assert read_one(xgtf.parents[1]) == LeftOut("its boxes are of a video of another length", details)
    for said in (0, 7, 11, ""):  # not said, or nearly the same
        write_xgtf(xgtf, persons, frames=said)
        assert known(read_one(xgtf.parents[1])) == [1, 6]


def test_of_a_truncated_video_the_frames_that_are_there(xgtf: Path, tmp_path: Path) -> None:
    video = VIDEO._replace(frames=3, is_whole=False)
    write_xgtf(xgtf, person(0, [("2:2", 0, 0, 32, 24), ("7:7", 0, 0, 32, 24)], "1:9"))
    assert known(read_one(xgtf.parents[1], video)) == [1]
    write_pickle(tmp_path / "a.pkl", {ID: entry(9, tube(2, [[1, 1, 8, 8]] * 4))})
    assert known(read_one(tmp_path / "a.pkl", video)) == [2]


def test_the_pickle_counts_frames_from_0_and_pixels_from_1(tmp_path: Path) -> None:
    """Two tubes that overlap in frame 3; `ef` is behind the last frame."""
    boxes = [[1, 1, 160, 120], [161, 121, 160, 120]]
    write_pickle(tmp_path / "pyannot.pkl", {ID: entry(9, tube(2, boxes), tube(3, boxes[:1]))})
    found = read_one(tmp_path / "pyannot.pkl")
    assert isinstance(found, Boxes)
    assert known(found) == [2, 3]
    assert found.numbers.tolist() == [2, 3, 3]
    assert found.boxes.tolist() == [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0, 0, 0.5, 0.5]]


def test_the_pickle_with_names_of_classes(tmp_path: Path) -> None:
    write_pickle(tmp_path / "a.pkl", {"db": {ID: entry(9, tube(0, [[1, 1, 8, 8]]))}, "trainvideos": {}, "classes": {}})
    assert known(read_one(tmp_path / "a.pkl")) == [0]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (entry(9, {**tube(0, [[1, 1, 8, 8]] * 3), "ef": 2}), "its tubes cannot be read: expected boxes (2, 4) of the"),
        (entry(9, {"sf": 0}), "its tubes cannot be read: 'ef'"),
        ({"annotations": None, "numf": 9}, "its tubes cannot be read: "),
        (entry(12, tube(0, [[1, 1, 8, 8]])), "its boxes are of a video of another length: they say "),
        (entry(6, tube(0, [[1, 1, 8, 8]])), "its boxes are of a video of another length: they say "),
    ],
)
def test_tubes_that_do_not_fit(tmp_path: Path, wrong: dict, reason: str) -> None:
    write_pickle(tmp_path / "a.pkl", {ID: wrong})
    found = read_one(tmp_path / "a.pkl")
    assert isinstance(found, LeftOut)
    assert ": ".join(found).startswith(reason)


@pytest.mark.parametrize(("frames", "stride"), [(7, 1), (11, 1), (3, 3), (3, 4), (3, 5)])
def test_a_few_frames_more_or_less_are_the_same_video(tmp_path: Path, frames: int, stride: int) -> None:
    """Of nine frames; three stored ones are of 7 to 9, 9 to 12 and 11 to 15."""
    write_pickle(tmp_path / "a.pkl", {ID: entry(9, tube(0, [[1, 1, 8, 8]]))})
    assert known(read_one(tmp_path / "a.pkl", VIDEO._replace(frames=frames, stride=stride))) == [0]


def test_other_videos_are_not_looked_at(tmp_path: Path) -> None:
    write_pickle(tmp_path / "a.pkl", {"Diving/v_Diving_g01_c01": {}, ID: entry(9, tube(0, [[1, 1, 8, 8]]))})
    (_, first), (name, second) = read_ucf101_24(tmp_path / "a.pkl", videos_of(VIDEO))
    assert (first, name, known(second)) == (UNKNOWN, ID, [0])


def test_neither_of_the_formats(tmp_path: Path) -> None:
    expected = "expected a folder of xgtf files or pyannot.pkl, got no such file"
    with pytest.raises(ValueError, match=rf"^{tmp_path}/none: {expected}$"):
        read_ucf101_24(tmp_path / "none", videos_of(VIDEO))
    with pytest.raises(ValueError, match=rf"^{tmp_path}: expected <class>/<video>.xgtf below it, got none$"):
        list(read_ucf101_24(tmp_path, videos_of(VIDEO)))
    (tmp_path / "b.pkl").write_bytes(b"\x80\x03]q\x00.")
    expected = "expected videos with annotations, numf and label, as pyannot.pkl has them, got a list"
    with pytest.raises(ValueError, match=rf"^{tmp_path}/b.pkl: {expected}$"):
        list(read_ucf101_24(tmp_path / "b.pkl", videos_of(VIDEO)))
