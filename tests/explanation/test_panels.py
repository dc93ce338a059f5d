"""Pictures of maps: colours by hand, sizes, crops, and that every label is there."""

import numpy as np
import pytest

from objabn.explanation import panels as panels_module
from objabn.explanation.panels import Panels, crop_of, panel_size
from objabn.report.names import map_label
from objabn.report.overlays import coloured, masked
from objabn.report.strips import VideoMaps, draw_maps

ENDS = {  # the colours of 0, of 0.5 (entry 128 of 256) and of 1
    "jet": ((0, 0, 127.5), (123.5, 255, 121), (127.5, 0, 0)),
    "turbo": ((48, 18, 59), (164, 252, 60), (122, 4, 3)),
    "viridis": ((68, 1, 84), (33, 145, 140), (253, 231, 37)),
}
HIGH = ENDS["turbo"][2]


def grey(level: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize(("value", "at"), [(0.0, 0), (1.0, 2), (-5.0, 0), (7.0, 2), (0.5, 1)])
@pytest.mark.parametrize("colours", ENDS)
def test_colours_over_grey_by_hand(value, at, colours):
    """0.45 of the frame's grey and 0.55 of the map's colour; the scale is absolute."""
    frame = np.broadcast_to(np.array([30, 60, 120], np.uint8), (20, 30, 3))  # grey: 70
    found = coloured(frame, np.full((4, 4), value), colours)
    assert (found.shape, found.dtype) == ((20, 30, 3), np.uint8)
    expected = 0.45 * 70 + 0.55 * np.array(ENDS[colours][at])
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=1)
    assert (colours == "turbo") == np.array_equal(found, coloured(frame, np.full((4, 4), value)))


def test_maps_are_smooth_and_masks_have_edges():
    cells = np.array([[0.0, 1.0]])
    assert len(np.unique(coloured(grey(100), cells)[0], axis=0)) > 5
    edges = masked(grey(100), cells > 0)
    assert (edges[:, :15] == 25).all()
    assert (edges[:, 15:] == 100).all()


@pytest.mark.parametrize(
    ("height", "width", "panel"),
    [
        (1080, 1920, (360, 640)),
        (1920, 1080, (360, 202)),
        (240, 427, (240, 428)),
        (300, 400, (300, 400)),
        (120, 160, (240, 320)),
        (64, 64, (240, 240)),
        (301, 101, (300, 100)),  # even
        (360, 1440, (160, 640)),
        (1, 5000, (2, 640)),
    ],
)
def test_panels_are_neither_huge_nor_tiny(height, width, panel):
    assert panel_size(height, width) == panel


def test_crops_by_hand():
    box = np.array([0.25, 0.1, 0.75, 0.9])
    assert crop_of(box, (100, 200)) == (slice(10, 90), slice(50, 150))
    assert crop_of(np.array([0, 0, 1, 1]), (7, 9)) == (slice(0, 7), slice(0, 9))
    assert crop_of(np.array([0.4, 0.4, 0.41, 0.41]), (3, 3)) == (slice(1, 2), slice(1, 2))
    assert crop_of(np.array([-0.1, 0.5, 1.2, 1.0]), (10, 10)) == (slice(5, 10), slice(0, 10))


def drawn(title: str = "walk  83%", labels: tuple[str, ...] = ("$M_o$",), mask: bool = True, width: int = 80):
    """A picture of a grey frame, its map 1 everywhere, and the mask its left half; and the panels."""
    size, box = (60, width), np.array([0.25, 0.0, 0.75, 1.0])
    panels = Panels(size, box, list(labels), with_mask=mask)
    left = np.arange(128) < 64
    union = np.broadcast_to(left, (128, 128)) if mask else None
    maps = {label: np.ones((4, 4)) for label in labels}
    return panels.draw(grey(100, *size), maps, union, title, 12.34), panels


def test_panels_side_by_side():
    """Each of 60 x 80 below two lines of 26, 4 apart: frame, map, mask; the crop is columns 20 to 60."""
    picture, panels = drawn()
    assert picture.shape == (*panels.size, 3) == (112, 3 * 80 + 2 * 4, 3)
    frame, attention, mask = (picture[52:, left : left + 80] for left in (0, 84, 168))
    assert (frame[:, 20:60] == 100).all()
    high = 0.45 * 100 + 0.55 * np.array(HIGH)
    np.testing.assert_allclose(attention[:, 20:60], np.broadcast_to(high, (60, 40, 3)), atol=1)
    assert (mask[:, 20:40] == 100).all()
    assert (mask[:, 40:60] == 25).all()
    assert (mask[:, :20] == 30).all()
    assert (mask[:, 60:] == 7).all()
    for panel in (frame, attention):  # outside the crop: dark, and not of the map's colour
        assert (panel[:, :20] == 30).all()
        assert (panel[:, 60:] == 30).all()
    assert (picture[52:, 80:84] == 24).all()


@pytest.mark.parametrize("width", [2, 8, 11, 12, 13])
def test_there_may_be_no_room_for_text(width):
    picture, panels = drawn(width=width)
    assert picture.shape == (*panels.size, 3)


@pytest.mark.parametrize("colours", ENDS)
def test_the_colours_of_0_to_1_stand_in_the_first_line(colours):
    panels = Panels((60, 80), np.array([0, 0, 1, 1]), ["$M_o$"], with_mask=False, colours=colours)
    line = panels.draw(grey(100, 60, 80), {"o": np.zeros((4, 4))}, None, "", 0.0)[13].astype(int)
    for place, end in ((84 + 20, 0), (84 + 60 - 1, 2)):  # between 0 and 1, which have 20 pixels each
        np.testing.assert_allclose(line[place], ENDS[colours][end], atol=1)
    assert len(np.unique(line[104:144], axis=0)) == 40
    narrow = Panels((60, 68), np.array([0, 0, 1, 1]), ["$M_o$"], with_mask=False)  # no room
    assert (narrow.draw(grey(100, 60, 68), {"o": np.zeros((4, 4))}, None, "", 0.0)[:26] == 24).all()


def test_without_a_mask_it_has_no_panel():
    picture, _ = drawn(mask=False)
    assert picture.shape == (112, 2 * 80 + 4, 3)


@pytest.mark.parametrize(("left", "width"), [(0, 248), (84, 80), (168, 80)])
def test_every_label_is_written(left, width):
    """The title over the first line, time, map and mask over the second."""
    picture, _ = drawn()
    lines = (picture[:26, :248],) if width == 248 else (picture[26:52, left : left + width], picture[26:52, :80])
    for line in lines:
        assert line.max() > 150
        assert (line[[0, -1]] == 24).all()  # not cut off above or below
        assert (line[:, :6] == 24).all()


def test_long_titles_that_differ_at_their_ends_differ():
    left, right = (drawn("Moving something so that it falls off " * 5 + side)[0] for side in ("left", "right"))
    assert (left[:26] != right[:26]).any()


@pytest.mark.parametrize("title", ["Putting [something] on a surface " * 5, "$5 or \\$" * 40, "長い名前" * 30])
@pytest.mark.parametrize("width", [40, 80])
def test_a_long_title_is_cut_with_dots_within_the_picture(monkeypatch, title, width):
    parts = panels_module._text
    panels_module._fitted.cache_clear()
    tried: list[str] = []
    monkeypatch.setattr(panels_module, "_text", lambda text, size: tried.append(text) or parts(text, size))
    picture, panels = drawn(title, width=width)
    line = picture[:26]
    assert line.max() > 150
    assert (line[:, -6:] == 24).all()
    assert picture.shape == (*panels.size, 3)
    written = tried[tried.index("12.3 s") - 1]  # the last try before the next line, which is the time
    assert len(title) > len(written) > 4
    assert "…" in written
    assert len(tried) < 40  # each is drawn: not one a letter
    before = len(tried)
    drawn(title, width=width)
    assert len(tried) == before  # nor again in each frame


def test_a_dollar_is_a_dollar():
    plain, other = drawn("$5 and $6")[0], drawn("5 and 6")[0]
    assert (plain[:26] > 150).sum() > 1.1 * (other[:26] > 150).sum()


def test_labels():
    assert [map_label(name) for name in "uobg"] == ["$M_u$", "$M_o$", "$M_b$", "Grad-CAM"]


def draw_strip(path, num_frames: int = 3, title: str = "walk", colours: str = "turbo", **more: np.ndarray):
    import cv2

    frames = np.full((num_frames, 32, 32, 3), 100, np.uint8)
    draw_maps([VideoMaps(title, frames, {"o": np.zeros((num_frames, 4, 4))}, **more)], path, colours=colours)
    return cv2.imread(str(path))[..., ::-1]


def test_a_strip_gains_a_row_of_masks_and_times(tmp_path):
    plain = draw_strip(tmp_path / "a.png")
    masks = draw_strip(tmp_path / "b.png", masks=np.zeros((3, 8, 8), bool))
    assert masks.shape[0] - plain.shape[0] == 96
    assert masks.shape[1] == plain.shape[1]
    assert (masks == 25).all(axis=-1).sum() > 3 * 60 * 60
    assert not (plain == 25).all(axis=-1).sum() > 60
    timed = draw_strip(tmp_path / "c.png", seconds=np.array([0.0, 1.5, 3.0]))
    assert timed.shape == plain.shape
    assert not np.array_equal(timed, plain)


@pytest.mark.parametrize("colours", ENDS)
def test_a_strip_has_the_colours_of_0_to_1_and_no_others(tmp_path, colours):
    picture = draw_strip(tmp_path / "a.png", colours=colours)
    for at in (0, 2):
        near = np.abs(picture[:30].astype(int) - np.array(ENDS[colours][at])).max(axis=-1) <= 20
        assert near.sum() > 5
        assert near.any(axis=0).argmax() > 0.6 * picture.shape[1]  # at the right
    low = (0.45 * 100 + 0.55 * np.array(ENDS[colours][0])).round()
    assert (np.abs(picture.astype(int) - low).max(axis=-1) <= 1).sum() > 3 * 60 * 60


@pytest.mark.parametrize("num_frames", [1, 3, 30])
def test_a_title_of_a_strip_is_within_it(tmp_path, num_frames):
    """However few the frames: the last columns, above the frames, stay white."""
    picture = draw_strip(tmp_path / "a.png", num_frames, "Moving [something] and [something] so they collide " * 4)
    assert picture.shape[1] > 400
    assert (picture[:25].min(axis=(0, 2)) < 100).sum() > 100
    assert (picture[:20, -3:] == 255).all()
