"""The colours and marks of all pictures: of each kind of map and of the rows.

Of the loss configurations and `plain` they are Okabe and Ito's, which stay apart for those who cannot tell red from
green. A map has the colour of the row that has no other map. All have a contrast of at least 3:1 to white.
"""

from collections.abc import Sequence
from typing import NamedTuple

from objabn.config.rows import GRAD_CAM
from objabn.report.names import Row

_ROW_COLOURS = {"abn": "#0072b2", "mask": "#d55e00", "mha": "#009e73", "plain": "#222222"}
_OTHERS = ("#332288", "#5c3a00", "#0a9396", "#882255", "#c0504d", "#3a8fb7")  # of controls, in turn
_SHAPES = {
    "circle": "o",
    "square": "s",
    "triangle-up": "^",
    "cross": "P",
    "diamond": "D",
}  # plotly's name: matplotlib's
MAP_COLOURS = {
    "u": _ROW_COLOURS["abn"],
    "o": _ROW_COLOURS["mask"],
    "b": _ROW_COLOURS["mha"],
    GRAD_CAM: _ROW_COLOURS["plain"],
}  # by letter


class Mark(NamedTuple):
    """What a row is drawn with."""

    colour: str  # "#rrggbb"
    shape: str  # plotly's name of a symbol
    sign: str  # the same as matplotlib's marker


def row_marks(rows: Sequence[Row]) -> dict[Row, Mark]:
    """Give each row its colour and mark, the same in every picture of the same controls.

    A row with PC has those of the row without. No control has the shape of
    the loss rows: its colour may be like theirs.
    """
    others = [name for name in dict.fromkeys(row.attention for row in rows) if name not in _ROW_COLOURS]
    shapes, first = list(_SHAPES.items()), next(iter(_SHAPES.items()))
    known = {name: Mark(colour, *first) for name, colour in _ROW_COLOURS.items()}
    for at, name in enumerate(others):
        known[name] = Mark(_OTHERS[at % len(_OTHERS)], *shapes[1 + at // len(_OTHERS) % (len(shapes) - 1)])
    return {row: known[row.attention] for row in rows}


def row_colours(rows: Sequence[Row]) -> dict[Row, str]:
    """Give each row its colour (`row_marks`)."""
    return {row: mark.colour for row, mark in row_marks(rows).items()}
