"""The colours of all pictures: of each kind of map and of the rows."""

from collections.abc import Sequence

from objabn.config.rows import GRAD_CAM
from objabn.report.names import Row

MAP_COLOURS = {"u": "#7f8fa6", "o": "#c23616", "b": "#40739e", GRAD_CAM: "#e1b12c"}  # by letter
_ROW_COLOURS = {"abn": "#0072b2", "mask": "#d55e00", "mha": "#00875f", "plain": "#6b6b6b"}
_OTHERS = ("#a64d79", "#b8860b", "#3a8fb7", "#8c564b", "#5e4fa2", "#7f7f00")  # of controls, in turn


def row_colours(rows: Sequence[Row]) -> dict[Row, str]:
    """Give each row its colour, the same in every picture; a row with PC has that of the row without."""
    others = [name for name in dict.fromkeys(row.attention for row in rows) if name not in _ROW_COLOURS]
    known = _ROW_COLOURS | {name: _OTHERS[at % len(_OTHERS)] for at, name in enumerate(others)}
    return {row: known[row.attention] for row in rows}
