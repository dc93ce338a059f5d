"""Names in pictures: whole where there is room, else short and still theirs; never mathematics."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from objabn.segmentation.titles import longest, save, shortened, write

LONG = "Moving something and something so they collide with each other and then fall off the table " * 3


def drawn(folder: Path, name: str, room: float, font_size: float = 10) -> np.ndarray:
    """The letters in a picture of 400 x 40 pixels, bool."""
    figure = Figure(figsize=(4, 0.4), dpi=100)
    write(figure, 0, 0.25, name, room, fontsize=font_size)
    save(figure, folder / "a.png")
    picture = cv2.imread(str(folder / "a.png"), cv2.IMREAD_GRAYSCALE)
    assert picture.shape == (40, 400)
    return picture < 128


@pytest.mark.parametrize("name", ["walk", "cost $5 and $6", r"$\frac$", "a_b^c{d}", "<b>&amp;</b>"])
def test_what_has_room_is_written_as_it_is(tmp_path: Path, name: str) -> None:
    figure = Figure(figsize=(4, 0.4), dpi=100)
    figure.text(0, 0.25, name, fontsize=10, parse_math=False)
    figure.savefig(tmp_path / "plain.png")
    plain = cv2.imread(str(tmp_path / "plain.png"), cv2.IMREAD_GRAYSCALE) < 128
    assert plain.any()
    np.testing.assert_array_equal(drawn(tmp_path, name, 400), plain)


@pytest.mark.parametrize("name", [LONG, "x" * 300, "長い名前の動作" * 20, "مشي على " * 40, "$" * 200, "a\u0301" * 200])
def test_what_is_long_stays_within_its_room(tmp_path: Path, name: str) -> None:
    columns = np.flatnonzero(drawn(tmp_path, name, 300).any(axis=0))
    assert 200 < columns[-1] <= 300
    assert np.flatnonzero(drawn(tmp_path, name, 2).any(axis=0))[-1] < 40  # no room: two letters


def test_long_names_that_differ_at_an_end_differ(tmp_path: Path) -> None:
    left, right = (drawn(tmp_path, f"{LONG} to the {side}/v01", 300) for side in ("left", "right"))
    assert (left != right).any()
    assert (drawn(tmp_path, f"A {LONG}", 300) != drawn(tmp_path, f"B {LONG}", 300)).any()


def test_letters_are_at_least_six_points_high(tmp_path: Path) -> None:
    heights = [np.ptp(np.flatnonzero(drawn(tmp_path, "x" * number, 300).any(axis=1))) for number in (10, 60, 300)]
    assert heights[0] > heights[1] >= heights[2] >= 3


def test_an_accent_stays_with_its_letter() -> None:
    assert shortened("abcdefgh" + "e\u0301" * 3, 8) == "abcd…e\u0301"
    assert [shortened("abcdef", letters) for letters in (6, 5, 2, 1)] == ["abcdef", "ab…ef", "a…", "…"]


def test_as_much_as_fits_is_kept() -> None:
    tried: list[str] = []
    kept = longest("x" * 1000, lambda text: bool(tried.append(text)) or len(text) <= 77)
    assert len(kept) == 77
    assert len(tried) <= 10  # each is drawn
