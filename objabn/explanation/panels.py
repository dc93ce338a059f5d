"""Draw attention maps over whole frames, as panels side by side.

H/W frame in pixels, h/w grid of a map.
"""

import logging
from collections.abc import Mapping
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

from objabn.config.rows import Colours
from objabn.report.overlays import DEFAULT_COLOURS, coloured, legend, masked
from objabn.segmentation.titles import longest

MAX_HEIGHT, MIN_HEIGHT, MAX_WIDTH = 360, 240, 640  # of a panel, pixels
_GAP, _LINE = 4, 26  # between panels; height of a line of text
_FONT_SIZE, _LEAST_FONT_SIZE = 17, 11
_BACKGROUND, _INK = 24, 235  # grey levels
_LEGEND, _LEAST_LEGEND = 150, 70  # width of the colours of 0 to 1, with these; less has no room for them
_DARKENED = 0.3  # brightness of what the network does not see


def panel_size(height: float, width: float) -> tuple[int, int]:
    """Height and width of a panel for frames of this displayed size, in their ratio; both even.

    At most 360 high and 640 wide. What is less than 240 high is enlarged to that, what lies between stays as it is.
    """
    scale = min(max(MIN_HEIGHT / height, 1.0), MAX_HEIGHT / height, MAX_WIDTH / width)
    return max(2, 2 * round(height * scale / 2)), max(2, 2 * round(width * scale / 2))


def crop_of(box: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns, at least one, of a picture of this (height, width) in a box x0, y0, x1, y1 in [0, 1]."""
    sides = []
    for low, high, length in ((box[1], box[3], size[0]), (box[0], box[2], size[1])):
        first = min(max(round(float(low) * length), 0), length - 1)
        sides.append(slice(first, max(min(round(float(high) * length), length), first + 1)))
    return sides[0], sides[1]


class Panels:
    """Side by side, below two lines of text: the frame, each map over it, and the mask where there is one.

    The colours of 0 to 1 stand in the first line, above the last map.

    Args:
        size: (height, width) of a panel.
        box: the network's crop, x0, y0, x1, y1 in [0, 1] of the frame. What lies outside is darkened.
        labels: of the maps, in their order; `$...$` is mathematics.
        with_mask: whether the mask has a panel.
        colours: of the maps.
    """

    def __init__(
        self,
        size: tuple[int, int],
        box: np.ndarray,
        labels: list[str],
        *,
        with_mask: bool,
        colours: Colours = DEFAULT_COLOURS,
    ) -> None:
        self._size, self._labels, self._with_mask, self._colours = size, labels, with_mask, colours
        self._crop = crop_of(box, size)
        self._number = 1 + len(labels) + with_mask
        width = self._number * (size[1] + _GAP) - _GAP
        self.size = (2 * _LINE + size[0], width + width % 2)  # (height, width) of a picture, even
        self._empty = np.full((*self.size, 3), _BACKGROUND, np.uint8)
        if (room := min(size[1], _LEGEND)) >= _LEAST_LEGEND:
            maps_end = (1 + len(labels)) * (size[1] + _GAP) - _GAP
            self._draw_legend(maps_end - room, room)

    def draw(
        self, frame: np.ndarray, maps: Mapping[str, np.ndarray], mask: np.ndarray | None, title: str, seconds: float
    ) -> np.ndarray:
        """One picture, uint8 (*self.size, 3).

        Args:
            frame: uint8 (*size, 3), the whole frame at the panel's size.
            maps: float (h, w) in [0, 1] over the crop, by name, as many as labels.
            mask: bool (h, w) over the whole frame, or None.
            title: of the first line.
            seconds: when the frame is shown.
        """
        assert len(maps) == len(self._labels), f"{list(maps)} {self._labels}"
        assert (mask is not None) == self._with_mask
        seen = [frame[self._crop], *(coloured(frame[self._crop], each, self._colours) for each in maps.values())]
        panels = [surrounded(frame, self._crop, each) for each in seen]
        if mask is not None:
            whole = masked(frame, mask)
            panels.append(surrounded(whole, self._crop, whole[self._crop]))
        picture = self._empty.copy()
        _write(picture, title, 0, 0, self.size[1])
        labels = [f"{seconds:.1f} s", *self._labels, *["mask"] * self._with_mask]
        for number, (panel, label) in enumerate(zip(panels, labels, strict=True)):
            left = number * (self._size[1] + _GAP)
            picture[2 * _LINE :, left : left + self._size[1]] = panel
            _write(picture, label, _LINE, left, self._size[1], is_math=label in self._labels)
        return picture

    def _draw_legend(self, left: int, width: int) -> None:
        """The colours of 0 to 1, with these, in the first line."""
        end = 20  # room of a number
        _write(self._empty, "0", 0, left, end)
        _write(self._empty, "1", 0, left + width - end, end)
        bar = self._empty[_LINE // 2 - 5 : _LINE // 2 + 5, left + end : left + width - end]
        bar[:] = legend(bar.shape[0], bar.shape[1], self._colours)


def _write(picture: np.ndarray, text: str, top: int, left: int, width: int, *, is_math: bool = False) -> None:
    """Text in a line of this width."""
    margin = 6
    room = max(width - 2 * margin, 0)
    image, depth = _fitted(text, room, is_math)
    rows, columns = min(image.shape[0], _LINE), min(image.shape[1], room)
    first = min(max(_LINE - 7 + depth - image.shape[0], 0), _LINE - rows)  # all lines on one baseline
    place = picture[top + first : top + first + rows, left + margin : left + margin + columns]
    ink = image[:rows, :columns, None] / 255
    place[:] = (place * (1 - ink) + _INK * ink).round().astype(np.uint8)


@lru_cache(maxsize=64)
def _fitted(text: str, room: int, is_math: bool) -> tuple[np.ndarray, int]:
    """Text as `_text` gives it: smaller where it is too long, in the end without its middle."""
    markup = text if is_math else text.replace("$", r"\$")
    for size in range(_FONT_SIZE, _LEAST_FONT_SIZE - 1, -1):
        image, depth = _text(markup, size)
        if image.shape[1] <= room:
            break
    if image.shape[1] <= room or is_math:  # half a formula is none
        return image, depth
    least = partial(_text, size=_LEAST_FONT_SIZE)
    cut = longest(text, lambda tried: least(tried.replace("$", r"\$"))[0].shape[1] <= room)
    return least(cut.replace("$", r"\$"))


@cache
def _parser() -> Any:
    logging.getLogger("matplotlib.mathtext").setLevel(logging.ERROR)  # of letters that the font has not
    return MathTextParser("agg")


def _text(text: str, size: int) -> tuple[np.ndarray, int]:
    """Text as coverage in 0..255, uint8 (height, width), and how many of its rows lie below the baseline."""
    parsed = _parser().parse(text, 72, FontProperties(size=size))
    return np.asarray(parsed.image), round(parsed.depth)


def surrounded(frame: np.ndarray, crop: tuple[slice, slice], seen: np.ndarray) -> np.ndarray:
    """Put a picture of the network's crop, uint8 (h, w, 3), into its frame (H, W, 3), which is dark around it."""
    panel = (frame * _DARKENED).astype(np.uint8)
    panel[crop] = seen
    return panel
