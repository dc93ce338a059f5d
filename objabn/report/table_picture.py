"""The comparison as a picture for a phone, a paper or a chat: a few measures, each row's mean and how sure it is.

It is 390 pixels wide, times three. All lengths below are in pixels of a phone; matplotlib's points are the same here.
"""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath

from objabn.evaluation.numbers import Number
from objabn.report.cells import difference_text
from objabn.report.colours import Mark, row_marks
from objabn.report.comparison import Comparison
from objabn.report.intervals import MEASURES, Difference
from objabn.report.names import REFERENCE, Row, short_names
from objabn.segmentation.titles import save, write
from objabn.system.files import replace_file

WIDTH, SHARPNESS = 390, 3  # of a phone; pixels of the picture for one of them
FONT_SIZE, _TITLE_SIZE = 11, 12
_LINE, _TITLE, _GAP, _MARGIN = 17, 22, 8, 6  # heights; the margin is at all sides
_LETTERS = 13  # of a row's name
_LEAST_PLOT = 60  # width of the dots and bars
_CHARACTERS = 60  # of a line below
_INK, _SOFT, _REFERENCE = "#1d2733", "#52606d", "#aab5c0"


class _Line(NamedTuple):
    """A row's number in a panel: where its dot is, where its bar begins and ends, and what is written beside it."""

    mean: float
    low: float | None
    high: float | None
    value: str
    difference: str


class _Measure(NamedTuple):
    """What a panel shows: the first of these measures that some row has."""

    title: str
    names: tuple[str, ...]
    scale: int
    decimals: int


_MEASURES = (
    _Measure("top-1, %", ("top1",), 1, 1),
    _Measure("entropy of the map, bits: lower is sharper", ("entropy_object", "entropy"), 1, 2),
    _Measure("pointing: frames whose map is highest on the truth, %", ("pointing",), 100, 1),
    _Measure("IoU of the map with the truth", ("iou_truth",), 1, 2),
    _Measure("IoU of the map with the training masks", ("iou_fit",), 1, 2),
)
_USED = "used: points of top-1 that an even weight costs"


def draw_table(comparison: Comparison, path: Path) -> None:
    """Write a PNG of the comparison (`table_figure`)."""
    with replace_file(path) as partial:
        save(table_figure(comparison), partial)


def table_figure(comparison: Comparison) -> Figure:
    """Draw top-1, what the map is worth, its entropy and where it lies, a panel a measure and a line a row.

    Of a map: of M_o where the row has it, else of M_u, else of Grad-CAM. IoU is with the truth, without truth with the
    training masks. A measure that no row has is left out. Names of rows lose their middle, and texts may be smaller
    than they should be where numbers are very long.
    """
    panels = {title: lines for title, lines in _panels(comparison).items() if lines}
    notes = textwrap.wrap(_notes(comparison, panels), _CHARACTERS)
    heights = [_TITLE + _LINE * len(lines) + _GAP for lines in panels.values()]
    height = 2 * _MARGIN + _TITLE + sum(heights) + _LINE * len(notes)
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72 * SHARPNESS, facecolor="white")
    FigureCanvasAgg(figure)  # keeps what measures the texts
    short, marks = short_names((row.name for row in comparison.rows), _LETTERS), row_marks(comparison.rows)
    paper, columns = _Paper(figure, height), _columns([*short.values()], [*chain(*map(dict.values, panels.values()))])
    paper.text(_MARGIN, _MARGIN + _TITLE / 2, comparison.name, WIDTH - 2 * _MARGIN, _TITLE_SIZE, weight="bold")
    top = _MARGIN + _TITLE
    for (title, lines), own in zip(panels.items(), heights, strict=True):
        _draw_panel(paper, top, title, lines, columns, short, marks)
        top += own
    for at, line in enumerate(notes):
        paper.text(_MARGIN, top + _LINE * (at + 0.5), line, WIDTH - 2 * _MARGIN, color=_SOFT)
    return figure


class _Paper(NamedTuple):
    """A figure with places in pixels from its upper left corner."""

    figure: Figure
    height: float

    def text(
        self, x: float, y: float, text: str, room: float, size: float = FONT_SIZE, ha: str = "left",
        color: str = _INK, weight: str = "normal",
    ) -> None:  # fmt: skip
        style = {"fontsize": size, "ha": ha, "va": "center", "color": color, "weight": weight}
        write(self.figure, x / WIDTH, 1 - y / self.height, text, room * SHARPNESS, **style)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        return self.figure.add_axes(
            (left / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height)
        )


class _Columns(NamedTuple):
    """Widths of what stands beside the dots, the same in all panels."""

    names: float
    values: float
    differences: float


def _columns(names: Sequence[str], lines: Sequence[_Line]) -> _Columns:
    """As wide as the texts are, but the differences leave room for the dots."""
    texts = (names, [line.value for line in lines], [line.difference for line in lines])
    name, value, difference = (max(map(_width, each), default=0) + _MARGIN for each in texts)
    return _Columns(name, value, min(difference + _MARGIN, WIDTH - name - value - 2 * _MARGIN - _LEAST_PLOT))


def _panels(comparison: Comparison) -> dict[str, dict[Row, _Line]]:
    """The lines of all panels by their title; of the two measures of overlap the one with the truth, where it is."""
    found = {each.title: _lines(comparison, each) for each in _MEASURES}
    *_, truth, fit = found
    if found[truth]:
        del found[fit]
    accuracy, *maps = found.items()
    return dict([accuracy, (_USED, _used(comparison)), *maps])


def _lines(comparison: Comparison, measure: _Measure) -> dict[Row, _Line]:
    """A line of each row that has the measure: its mean, ± its spread over the trainings, and its difference to abn."""
    lines = {}
    for row in comparison.rows:
        found = _number(comparison, row, measure)
        if found is None:
            continue
        (mean, std), name = found
        value = f"{mean:z.{measure.decimals}f}"
        difference = comparison.difference(row, REFERENCE, name) if name in MEASURES and row != REFERENCE else None
        low, high = (None, None) if std is None else (mean - std, mean + std)
        lines[row] = _Line(mean, low, high, value, difference_text(difference, measure.decimals))
    return lines


def _number(comparison: Comparison, row: Row, measure: _Measure) -> tuple[Number, str] | None:
    """A row's number in the panel's unit, and which measure it is."""
    for name in measure.names:
        letter = "" if name == "top1" else comparison.compared_map(row, name)
        number = None if letter is None else comparison.number(row, name, letter)
        if number is not None and number.mean == number.mean:
            std = None if number.std is None else measure.scale * number.std
            return Number(measure.scale * number.mean, std), name
    return None


def _used(comparison: Comparison) -> dict[Row, _Line]:
    """What one even weight in the place of the map costs each row, with its own interval."""
    found = {row: comparison.within(row, "even") for row in comparison.rows}
    return {row: _used_line(each) for row, each in found.items() if each}


def _used_line(found: Difference) -> _Line:
    text = difference_text(found, 1)
    mean, _, interval = text.partition(" ")
    return _Line(found.mean, found.low, found.high, mean.removeprefix("+"), interval)


def _draw_panel(
    paper: _Paper, top: float, title: str, lines: Mapping[Row, _Line], columns: _Columns, short: Mapping[str, str],
    marks: Mapping[Row, Mark],
) -> None:  # fmt: skip
    """A title, and below it a line a row: name, dot and bar, number, difference or interval."""
    paper.text(_MARGIN, top + _TITLE / 2, title, WIDTH - 2 * _MARGIN, weight="bold")
    top += _TITLE
    left = _MARGIN + columns.names
    right = WIDTH - columns.differences  # of the numbers
    axes = paper.axes(left, top, right - columns.values - left - _MARGIN, _LINE * len(lines))
    reference = lines[REFERENCE].mean if REFERENCE in lines else None
    _draw_dots(axes, lines, marks, 0.0 if title == _USED else reference)
    for at, (row, line) in enumerate(lines.items()):
        middle = top + _LINE * (at + 0.5)
        paper.text(_MARGIN, middle, short[row.name], columns.names)
        paper.text(right - _MARGIN, middle, line.value, columns.values, ha="right", weight="bold")
        paper.text(right, middle, line.difference, columns.differences - _MARGIN, color=_SOFT)


def _draw_dots(axes: Axes, lines: Mapping[Row, _Line], marks: Mapping[Row, Mark], origin: float | None) -> None:
    """Dots with bars, and a line at what the numbers are compared with."""
    for at, (row, line) in enumerate(lines.items()):
        mark = marks[row]
        if line.low is not None and line.high is not None:
            axes.add_line(Line2D([line.low, line.high], [at, at], color=mark.colour, linewidth=1.5))
        face = "white" if row.pc else mark.colour
        axes.plot(line.mean, at, mark.sign, color=mark.colour, markerfacecolor=face, markersize=6, markeredgewidth=1.5)
    known = [value for line in lines.values() for value in line[:3] if value is not None]
    if origin is not None:
        axes.axvline(origin, color=_REFERENCE, linewidth=0.8, zorder=0)
        known.append(origin)
    margin = 0.08 * (max(known) - min(known)) or 1.0
    axes.set_xlim(min(known) - margin, max(known) + margin)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.axis("off")


def _width(text: str) -> float:
    """Of a text that is written in FONT_SIZE, with what letters have at their sides."""
    return 1.05 * float(TextPath((0, 0), text, size=FONT_SIZE).get_extents().width) if text.strip() else 0.0


def _notes(comparison: Comparison, panels: Mapping[str, Mapping[Row, _Line]]) -> str:
    """What is needed to read the picture."""
    notes = []
    if len(comparison.seeds) > 1:
        notes.append(f"Dots: means of {len(comparison.seeds)} trainings; bars: ± their standard deviation.")
    if any(line.difference for title, lines in panels.items() for line in lines.values() if title != _USED):
        notes.append(
            f"Behind a number: its difference to abn{' and the 95 % interval' * comparison.has_intervals}.".replace(
                "5 %", "5\N{NO-BREAK SPACE}%"
            )
        )
    if any(line.low is not None for line in panels.get(_USED, {}).values()):
        notes.append("Used: bars and brackets are its own 95\N{NO-BREAK SPACE}% interval.")
    if any(line.difference.endswith("*") for lines in panels.values() for line in lines.values()):
        notes.append("* beyond noise.")
    if any(row.pc for row in comparison.rows):
        notes.append("Open dots: with PC.")
    return " ".join(notes)
