"""The report's plots, each with its numbers as a table: accuracy against entropy, entropies, training curves."""

import html
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io
from plotly.subplots import make_subplots

from objabn.evaluation.metrics import MAX_BITS
from objabn.evaluation.numbers import Number, column
from objabn.report.cells import number_text
from objabn.report.colours import MAP_COLOURS, row_marks
from objabn.report.comparison import Comparison
from objabn.report.intervals import trainings_of
from objabn.report.names import GRAD_CAM, MAP_NAMES, OWN, Row, short_names
from objabn.report.published import PUBLISHED
from objabn.statistics.contrast import mean_error

_BINS = 48  # of a histogram
_HOVER = "<br>%{x:.3f} bits<br>top-1 %{y:.2f} %<extra></extra>"
_SHARE = "<br>%{x:.2f} bits: %{y:.1f} % of the videos<extra></extra>"
_GRID, _INK = "#e3e7ec", "#1d2733"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


class Plot(NamedTuple):
    """A plot and what it says, for those who do not see it."""

    name: str
    title: str
    label: str  # what is seen, a sentence or two
    note: str
    html: str
    numbers: pd.DataFrame  # texts


Curves = Mapping[str, Mapping[str, list[float]]]  # of each seed, as `training_notes.training_notes` gives them


def all_plots(comparison: Comparison) -> list[Plot]:
    """Draw the plots, in the page's order."""
    accuracy = accuracy_plot(comparison)
    curves = {row: training["curves"] for row, training in comparison.trainings.items()}
    return [*([accuracy] if accuracy else []), entropy_plot(comparison.per_video), *curve_plots(curves)]


def accuracy_plot(comparison: Comparison) -> Plot | None:
    """Draw top-1 against the entropy of the map that a row is compared by, and the paper's rows where there are some.

    None when no row has an entropy: all maps are flat.
    """
    figure, marks, lines = go.Figure(), row_marks(comparison.rows), []
    published = comparison.params.published
    short, spread = short_names(row.name for row in comparison.rows), len(comparison.seeds) > 1
    for row, table in comparison.per_video.items():
        letter = comparison.compared_map(row, "entropy")
        if letter is None:
            continue
        entropy, top1 = comparison.number(row, "entropy", letter), comparison.number(row, "top1")
        assert entropy is not None
        assert top1 is not None
        x, y, off_x, off_y = entropy.mean, top1.mean, entropy.std, top1.std
        has_bars = not (spread and row in comparison.elsewhere)
        if off_x is None and has_bars:
            off_x = _error(table, column("entropy", letter), comparison.recordings)
        if off_y is None and has_bars:
            off_y = _error(table, "top1", comparison.recordings, scale=100)
        name, (colour, shape, _) = row.name, marks[row]
        figure.add_scatter(
            x=[x],
            y=[y],
            name=html.escape(short[name]),
            mode="markers",
            marker={"size": 12, "color": colour, "symbol": f"{shape}-open" if row.pc else shape,
                    "line": {"width": 2.5, "color": colour}},
            **(_bars(off_x, off_y) if has_bars else {}),
            hovertemplate=f"{html.escape(name)}, {MAP_NAMES[letter]}{_HOVER}",
        )  # fmt: skip
        lines.append([name, MAP_NAMES[letter], number_text(Number(x, off_x), 3), number_text(Number(y, off_y), 2)])
    for row, numbers in PUBLISHED[published].items() if published else ():
        theirs, _, *entropies = numbers
        bits_of = next((each for each in (entropies[1], entropies[0]) if each is not None), None)
        if row not in comparison.per_video or theirs is None or bits_of is None:
            continue
        name = f"{row.name}, the paper"
        figure.add_scatter(
            x=[bits_of],
            y=[theirs],
            name=html.escape(name),
            mode="markers",
            marker={"size": 11, "color": marks[row].colour, "symbol": "diamond-open" if row.pc else "diamond"},
            hovertemplate=f"{html.escape(name)}{_HOVER}",
        )
        lines.append([name, "", f"{bits_of:.3f}", f"{theirs:.2f}"])
    if not lines:
        return None
    figure.update_layout(_layout(360 + 18 * -(-len(lines) // 3), "entropy (bits, lower is sharper)", "top-1 (%)"))
    bare = [row.name for row in comparison.elsewhere] if spread else []
    without = f"; none of {', '.join(bare)}, not trained here" if bare else ""
    note = (
        f"Bars: ± standard deviation over seeds{without}."
        if spread
        else "Bars: ± one standard error over the test recordings; another training may lie further away."
    )
    return Plot(
        "accuracy",
        "Accuracy against entropy",
        "Scatter plot: each row's top-1 accuracy against the entropy of its map; the sharper and more accurate, the "
        "further up and left.",
        f"{note} Open marks: with PC.",
        _html(figure, "accuracy"),
        pd.DataFrame(lines, columns=["row", "map", "entropy, bits", "top-1 %"]),
    )


def _bars(off_x: float | None, off_y: float | None) -> dict[str, Any]:
    """The bars of a mark, of no length where an error is not known."""
    offs = {"error_x": off_x, "error_y": off_y}
    return {name: {"array": [off or 0.0], "thickness": 1, "width": 3} for name, off in offs.items()}


def _error(table: pd.DataFrame, name: str, recordings: pd.Series | None, scale: float = 1.0) -> float | None:
    """The standard error of a row's own mean; None where no video has the measure in all trainings."""
    row = trainings_of(table, name, recordings, scale)
    return mean_error(row) if row.parts.size else None


def entropy_plot(tables: Mapping[Row, pd.DataFrame]) -> Plot:
    """Histograms of the videos' entropies, a strip a row, a colour a map.

    Args:
        tables: results of each video and seed.
    """
    edges = np.linspace(0, MAX_BITS, _BINS + 1)
    middles = ((edges[1:] + edges[:-1]) / 2).round(6)
    names = [row.name for row in tables]
    short = short_names(names)
    figure = make_subplots(rows=len(tables), cols=1, shared_xaxes=True, vertical_spacing=0.12 / len(tables))
    told, lines = set(), []
    for strip, (row, table) in enumerate(tables.items(), start=1):
        for letter in [own for own in OWN if f"entropy_{own}" in table] or [GRAD_CAM]:
            if f"entropy_{letter}" not in table:
                continue
            map_name = MAP_NAMES[letter]
            values = table[f"entropy_{letter}"]
            counts, _ = np.histogram(values.dropna().clip(0, MAX_BITS), edges)
            figure.add_bar(
                x=middles,
                width=MAX_BITS / _BINS,
                y=(100 * counts / len(values)).round(3),
                name=re.sub("_(.)", r"<sub>\1</sub>", map_name),
                legendgroup=letter,
                showlegend=letter not in told,
                marker={"color": MAP_COLOURS[letter], "line": {"width": 0}},
                opacity=0.75,
                hovertemplate=f"{html.escape(row.name)}, {map_name}{_SHARE}",
                row=strip,
                col=1,
            )
            told.add(letter)
            quartiles = [f"{each:.3f}" if pd.notna(each) else "" for each in values.quantile([0.25, 0.5, 0.75])]
            lines.append([row.name, map_name, *quartiles, str(int(values.isna().sum()))])
        figure.add_annotation(
            text=html.escape(short[row.name]), x=0, y=1, xref="x domain" if strip == 1 else f"x{strip} domain",
            yref="y domain" if strip == 1 else f"y{strip} domain", xanchor="left", yanchor="top", showarrow=False,
            font={"size": 13, "color": _INK}, bgcolor="rgba(255, 255, 255, 0.75)",
        )  # fmt: skip
    figure.update_layout(_layout(64 * len(tables) + 110, "", ""), barmode="overlay", bargap=0)
    figure.update_xaxes(range=[0, MAX_BITS], gridcolor=_GRID, zeroline=False, ticks="outside", tickcolor=_GRID)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, fixedrange=True)
    figure.update_xaxes(title="entropy (bits, lower is sharper)", row=len(tables), col=1)
    return Plot(
        "entropies",
        "Entropies of the test videos",
        "Histograms of the videos' entropies, one strip a row: " + ", ".join(names) + ".",
        "Videos whose maps are all flat are in none of them.",
        _html(figure, "entropies"),
        pd.DataFrame(lines, columns=["row", "map", "lower quartile", "median", "upper quartile", "flat videos"]),
    )


_CURVES = {
    "val_top1": ("validation", "Validation accuracy", "validation top-1 (%)"),
    "loss": ("loss", "Training loss", "training loss"),
}


def curve_plots(curves: Mapping[Row, Curves]) -> list[Plot]:
    """Validation accuracy and training loss by epoch, a line a row and seed; none without curves.

    Args:
        curves: of each row and seed, epoch, loss and val_top1, a number an epoch.
    """
    marks, plots = row_marks(list(curves)), []
    short = short_names(row.name for row in curves)
    for measure, (name, title, axis) in _CURVES.items():
        figure, lines, epochs = go.Figure(), [], [1.0]
        for row, seeds in curves.items():
            for at, (seed, curve) in enumerate(seeds.items()):
                hover = f"{html.escape(row.name)}, seed {seed}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>"
                figure.add_scatter(
                    x=curve["epoch"], y=curve[measure], name=html.escape(short[row.name]), legendgroup=row.name,
                    showlegend=at == 0, mode="lines+markers",
                    marker={"size": 4, "symbol": marks[row].shape}, hovertemplate=hover,
                    line={"color": marks[row].colour, "dash": "dash" if row.pc else "solid", "width": 1.6},
                )  # fmt: skip
                known = [value for value in curve[measure] if pd.notna(value)]
                if known:
                    epochs += curve["epoch"]
                    ends = [f"{known[0]:.4g}", f"{known[-1]:.4g}"]
                    lines.append([row.name, seed, str(len(curve["epoch"])), *ends])
        if not lines:
            continue
        figure.update_layout(_layout(330 + 18 * -(-len(curves) // 4), "epoch", axis))
        figure.update_xaxes(tick0=1, dtick=max(1, round(max(epochs) / 8)))
        label = f"Line plot: {axis} by epoch, a line a row and seed."
        numbers = pd.DataFrame(lines, columns=["row", "seed", "epochs", "first epoch", "last epoch"])
        plots.append(Plot(name, title, label, "Dashed: with PC.", _html(figure, name), numbers))
    return plots


def _layout(height: int, x: str, y: str) -> dict[str, Any]:
    axis = {"gridcolor": _GRID, "zeroline": False, "linecolor": _GRID, "automargin": True}
    return {
        "template": "none",
        "height": height,
        "margin": {"l": 56, "r": 12, "t": 12, "b": 48},
        "font": {"family": _FONT, "size": 13, "color": _INK},
        "xaxis": {**axis, "title": x},
        "yaxis": {**axis, "title": y},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0, "xanchor": "left"},
        "hoverlabel": {"font": {"family": _FONT}},
        "dragmode": False,
    }


def _html(figure: go.Figure, name: str) -> str:
    """The plot's own element and script; the page holds plotly.js."""
    return plotly.io.to_html(
        figure,
        config={"displayModeBar": False, "responsive": True, "typesetMath": False},  # `$` is a letter of a name
        include_plotlyjs=False,
        full_html=False,
        default_height=f"{figure.layout.height}px",
        div_id=f"plot-{name}",
    )
