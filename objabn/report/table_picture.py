"""The comparison tables as a picture, with the entropies as bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from objabn.evaluation.metrics import MAX_BITS
from objabn.report.beside_paper import published_cells
from objabn.report.colours import MAP_COLOURS
from objabn.report.comparison import Comparison
from objabn.report.intervals import Difference
from objabn.report.main_table import main_cells
from objabn.report.names import KEPT, Row, map_label, short_names
from objabn.report.tables import tables
from objabn.system.files import replace_file

_LINE, _BARS, _LOWER = 0.27, 2.4, 1.5  # height of a table's line and of the two plots of bars, inches
_TITLE = 0.3  # height of a table's title
_CHARACTER = 0.078  # width, inches
_BAR = 0.24  # width, of the distance between rows
_DRAWN = ("used", "differences", "maps", "against")
_LOST = "#5b6770"
_INTERVALS = " (95 % intervals, * beyond noise)"


def draw_table(comparison: Comparison, path: Path) -> None:
    """Write a PNG: accuracies with the paper's numbers, entropies as bars, and the tables of _DRAWN."""
    beside = published_cells(comparison)
    theirs = [name for name in beside.columns if name.endswith(": paper")]
    title = f"{comparison.name}: comparison of loss configurations"
    parts = {title: pd.concat([main_cells(comparison), beside[theirs]], axis=1)}
    for name, table in tables(comparison).items():
        if name in _DRAWN:
            parts[f"{table.title}{_INTERVALS * table.has_intervals}"] = table.cells
    widest = max(_widths(each).sum() for each in parts.values())
    rows = [row for row in comparison.rows if any(comparison.number(row, "entropy", letter) for letter in KEPT)]
    lost = {row: found for row in rows if (found := comparison.within(row, "even"))}
    heights = [_LINE * (len(each) + 1) for each in parts.values()]
    heights[1:1] = [_BARS, *[_LOWER] * bool(lost)]
    size = (_CHARACTER * widest + 0.4, sum(heights) + 0.8 + _TITLE * len(parts))
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    above, bars, *below = figure.subplots(len(heights), 1, height_ratios=heights)
    _draw_entropies(bars, comparison, rows)
    if lost:
        _draw_lost(below.pop(0), rows, lost, {row: comparison.by_training(row, "even") for row in lost})
    for axes, (title, each) in zip((above, *below), parts.items(), strict=True):
        axes.set_title(title, fontsize=11 if axes is above else 9)
        _draw_cells(axes, each, _widths(each) / widest)
    with replace_file(path) as partial:
        figure.savefig(partial, format="png")


def _widths(cells: pd.DataFrame) -> pd.Series:
    """Of each column, in characters."""
    return pd.Series([max(map(len, (heading, *cells[heading]))) + 2 for heading in cells.columns])


def _draw_cells(axes: Axes, cells: pd.DataFrame, widths: pd.Series) -> None:
    """A table of cells that fills the height of its axes; widths are shares of theirs."""
    axes.axis("off")
    share = widths.sum()
    drawn = axes.table(
        cells.to_numpy().tolist(), colLabels=list(cells.columns), colWidths=list(widths), cellLoc="center",
        bbox=Bbox.from_bounds((1 - share) / 2, 0, share, 1),
    )  # fmt: skip
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    for (line, _), cell in drawn.get_celld().items():
        cell.set_linewidth(0.4)
        if line == 0:
            cell.set_text_props(weight="bold")
            cell.set_facecolor("#e8eef5")


def _draw_entropies(axes: Axes, comparison: Comparison, rows: Sequence[Row]) -> None:
    """Bars: the entropy of each map of these rows."""
    entropies = {
        row: {
            letter: number.mean
            for letter in comparison.kept_maps(row)
            if (number := comparison.number(row, "entropy", letter))
        }
        for row in rows
    }
    for letter in KEPT:
        bars = [(at, list(entropies[row])) for at, row in enumerate(rows) if letter in entropies[row]]
        if bars:
            places = [at + (of_row.index(letter) - (len(of_row) - 1) / 2) * (_BAR + 0.02) for at, of_row in bars]
            heights = [entropies[rows[at]][letter] for at, _ in bars]
            axes.bar(places, heights, width=_BAR, label=map_label(letter), color=MAP_COLOURS[letter])
    _name_rows(axes, rows)
    axes.set_ylabel("entropy (bits)")
    axes.set_ylim(0, 3.4)
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.axhline(MAX_BITS, color="grey", linewidth=0.6, linestyle="--")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1, 1))


def _draw_lost(
    axes: Axes, rows: Sequence[Row], lost: Mapping[Row, Difference], by_training: Mapping[Row, Sequence[float]]
) -> None:
    """Bars: the points of top-1 that one even weight costs, with intervals where they are known; a dot a training."""
    places = [rows.index(row) for row in lost]
    means = [each.mean for each in lost.values()]
    axes.bar(places, means, width=_BAR, color=_LOST)
    for at, (row, each) in zip(places, lost.items(), strict=True):
        axes.plot([at + _BAR] * len(by_training[row]), by_training[row], ".", color=_LOST)
        if each.low is not None and each.high is not None:
            axes.errorbar(at, each.mean, [[each.mean - each.low], [each.high - each.mean]], color="black", capsize=3)
    _name_rows(axes, rows)
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.set_ylabel("used: points lost\nto an even weight\n(dots: trainings)", fontsize=8)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _name_rows(axes: Axes, rows: Sequence[Row]) -> None:
    names = short_names(row.name for row in rows).values()
    axes.set_xticks(range(len(rows)), [name.replace("-", "-\n") for name in names], fontsize=8)
