"""Frames as players show them: turned and mirrored in all eight ways, and what the shape of their pixels is."""

import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from objabn.explanation.frame_stream import stream_video
from objabn.video.read import read_video
from objabn.video.write import write_video
from tests.helpers.videos import encode, moving_bar, set_matrix

CASES = Path(__file__).parents[3] / "shared" / "cases" / "06-mirror"
DEGREES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}  # clockwise


def quarters(height: int, width: int) -> np.ndarray:
    """5 frames: black, then white above, grey on the lower left, dark on the lower right: no symmetry, no colours."""
    frames = np.zeros((5, height, width, 3), np.uint8)
    frames[1:, : height // 2] = 230
    frames[1:, height // 2 :, : width // 2] = 140
    frames[1:, height // 2 :, width // 2 :] = 60
    return frames


def displayed(frames: np.ndarray, matrix: tuple[float, float, float, float]) -> np.ndarray:
    """Each stored pixel (x, y) put where the matrix says, (ax + cy, bx + dy), moved so that none is negative."""
    a, b, c, d = (round(number) for number in matrix)
    y, x = np.mgrid[: frames.shape[1], : frames.shape[2]]
    to_x, to_y = a * x + c * y, b * x + d * y
    to_x, to_y = to_x - to_x.min(), to_y - to_y.min()
    result = np.empty((len(frames), to_y.max() + 1, to_x.max() + 1, 3), np.uint8)
    result[:, to_y, to_x] = frames[:, y, x]
    return result


@pytest.mark.parametrize("height", [48, 64])  # of 64: where decord mirrors nothing, its shape is right all the same
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", DEGREES)
def test_all_eight_orientations(tmp_path: Path, degrees: int, mirrored: bool, height: int) -> None:
    """The first frame is black and cannot show that decord is wrong."""
    a, b, c, d = DEGREES[degrees]
    matrix = (-a, -b, c, d) if mirrored else (a, b, c, d)
    write_video(tmp_path / "a.mp4", quarters(height, 64))
    plain, _ = read_video(tmp_path / "a.mp4")
    set_matrix(tmp_path / "a.mp4", matrix)
    frames, info = read_video(tmp_path / "a.mp4")
    np.testing.assert_array_equal(frames, displayed(plain, matrix))
    assert (info.height, info.width) == frames.shape[1:3]
    assert info.decoder == "decord" or mirrored or height != 64
    assert info.decoder == "pyav" or not mirrored
    streamed = np.stack([frame.copy() for frame in stream_video(tmp_path / "a.mp4")])
    np.testing.assert_array_equal(streamed, frames)
    small, _ = read_video(tmp_path / "a.mp4", size=(24, 24))
    assert small.shape == (5, 24, 24, 3)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("angle", "nearest"), [(30, 0), (60, 90), (-50, 270), (170, 180)])
def test_of_an_angle_in_between_the_nearest_quarter_turn(
    tmp_path: Path, angle: int, nearest: int, mirrored: bool
) -> None:
    cos, sin, sign = math.cos(math.radians(angle)), math.sin(math.radians(angle)), -1 if mirrored else 1
    write_video(tmp_path / "a.mp4", quarters(48, 64))
    plain, _ = read_video(tmp_path / "a.mp4")
    set_matrix(tmp_path / "a.mp4", (1.5 * sign * cos, 1.5 * sign * sin, -1.5 * sin, 1.5 * cos))  # enlarged, too
    frames, info = read_video(tmp_path / "a.mp4")
    a, b, c, d = DEGREES[nearest]
    np.testing.assert_array_equal(frames, displayed(plain, (sign * a, sign * b, c, d)))
    assert info.decoder == "pyav"


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0)])
def test_a_matrix_that_leaves_no_picture_is_passed_over(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    write_video(tmp_path / "a.mp4", quarters(48, 64))
    plain, _ = read_video(tmp_path / "a.mp4")
    set_matrix(tmp_path / "a.mp4", matrix)
    np.testing.assert_array_equal(read_video(tmp_path / "a.mp4")[0], plain)


@pytest.mark.parametrize(
    ("stored", "matrix", "shown"),
    [
        (None, DEGREES[0], 1.0),
        (Fraction(1), DEGREES[0], 1.0),
        (Fraction(64, 45), DEGREES[0], 64 / 45),  # PAL, 16:9
        (Fraction(64, 45), DEGREES[90], 45 / 64),
        (Fraction(64, 45), DEGREES[180], 64 / 45),
        (Fraction(8, 9), (0, 1, 1, 0), 9 / 8),
        (Fraction(1, 100), DEGREES[0], 1.0),  # a damaged header's
    ],
)
def test_the_shape_of_pixels(
    tmp_path: Path, stored: Fraction | None, matrix: tuple[int, int, int, int], shown: float
) -> None:
    encode(tmp_path / "a.mp4", moving_bar(3), pixel_aspect=stored)
    set_matrix(tmp_path / "a.mp4", matrix)
    frames, info = read_video(tmp_path / "a.mp4")
    assert info.pixel_aspect == pytest.approx(shown, rel=1e-3)
    assert frames.shape[1:3] == ((64, 48) if matrix[0] == 0 else (48, 64))  # nothing is stretched


@pytest.mark.realdata
@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases")
@pytest.mark.parametrize(
    ("name", "matrix"), [("mirror", (-1, 0, 0, 1)), ("vflip", (1, 0, 0, -1)), ("transpose", (0, 1, 1, 0))]
)
def test_mirrored_files(name: str, matrix: tuple[int, int, int, int]) -> None:
    capture = cv2.VideoCapture(str(CASES / f"{name}.mp4"))
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    stored = capture.read()[1][None, ..., ::-1]
    first = read_video(CASES / f"{name}.mp4")[0][:1]
    assert np.abs(first.astype(int) - displayed(stored, matrix)).mean() < 2
