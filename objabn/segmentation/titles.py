"""Write names into pictures: as they are, and no wider than their place."""

import unicodedata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_LEAST_FONT_SIZE = 6.0  # points; what does not fit then loses its middle


def shortened(text: str, letters: int) -> str:
    """Leave out the middle of a text of more letters: of many names the beginnings are alike, of many the ends.

    >>> shortened("Moving something to the left", 12), shortened("walk", 12)
    ('Moving… left', 'walk')
    """
    if len(text) <= letters:
        return text
    first = letters // 2
    end = text[len(text) - max(letters - first - 1, 0) :]
    while end and unicodedata.category(end[0]) in ("Mn", "Mc", "Me", "Cf"):  # an accent without its letter
        end = end[1:]
    return f"{text[:first]}…{end}"


def longest(text: str, fits: Callable[[str], bool]) -> str:
    """Leave out as little of a text's middle as it takes until it fits; two letters are left in any case.

    >>> longest("Moving something to the left", lambda tried: len(tried) <= 9)
    'Movi…left'
    """
    low, high = 2, len(text)
    while low < high:
        letters = (low + high + 1) // 2
        if fits(shortened(text, letters)):
            low = letters
        else:
            high = letters - 1
    return shortened(text, low)


def write(where: Figure | Axes, x: float, y: float, text: str, room: float, **style: Any) -> None:
    """Write a text as it is, `$` too: smaller where it is wider than its room, then without its middle.

    Args:
        x, y: shares of the figure's or the axes' size.
        room: pixels.
        style: of `Figure.text`; `fontsize` is the largest, in points.
    """
    written = where.text(x, y, text, parse_math=False, **style)

    def fits(tried: str) -> bool:
        written.set_text(tried)
        with _whatever_the_letters():
            return bool(written.get_window_extent().width <= room)

    if not fits(text):
        with _whatever_the_letters():
            smaller = float(written.get_fontsize()) * room / written.get_window_extent().width
        written.set_fontsize(max(_LEAST_FONT_SIZE, 0.99 * smaller))  # letters are placed on whole pixels
        if not fits(text):
            written.set_text(longest(text, fits))


def save(figure: Figure, path: Path) -> None:
    """Write a figure with names in it as PNG; a letter that the font has not is a box (docs/explain.md)."""
    with _whatever_the_letters():
        figure.savefig(path, format="png")


@contextmanager
def _whatever_the_letters() -> Iterator[None]:
    """Without a warning for each letter that the font has not."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield
