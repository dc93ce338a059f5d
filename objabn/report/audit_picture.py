"""The audits as a picture: what each row loses on another video's background, and its insertion and deletion curves."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from objabn.evaluation.numbers import Number, Numbers
from objabn.report.colours import row_colours, row_marks
from objabn.report.names import COMPARED, Row, map_label, short_names
from objabn.system.files import replace_file

_DROPS = {"swap_drop": "swap drop (filled)", "background_gap": "background gap (hatched)"}
_BAR = 0.38  # width, of the distance between rows


def draw_audits(
    audits: Mapping[str, Numbers], curves: Mapping[str, pd.DataFrame], dataset_name: str, path: Path
) -> None:
    """Write a PNG of three panels, or of one where there are no curves.

    Args:
        audits: the numbers of each audited row.
        curves: by row the mean curves (`methods.measure_methods`) with a column `seed`.
    """
    known = any(len(table) for table in curves.values())
    figure = Figure(figsize=(12.5 if known else 5.5, 4.2), dpi=120, layout="constrained")
    panels = figure.subplots(1, 3, width_ratios=[1.3, 1, 1]) if known else [figure.subplots()]
    figure.suptitle(f"{dataset_name}: audits", fontsize=11)
    _draw_drops(panels[0], audits)
    for axes, kind in zip(panels[1:], ("insertion", "deletion"), strict=False):
        _draw_curves(axes, kind, curves)
    if known:
        handles, labels = panels[1].get_legend_handles_labels()
        panels[2].legend(handles, labels, frameon=False, fontsize=7)
    with replace_file(path) as partial:
        figure.savefig(partial, format="png")


def _draw_drops(axes: Axes, audits: Mapping[str, Numbers]) -> None:
    """Bars of both drops, cut by the true masks where there are some, else by the segmenter's."""
    colours = list(row_colours([Row(name, False) for name in audits]).values())
    end = "_truth" if any(("swap_drop_truth", "") in numbers for numbers in audits.values()) else ""
    for place, measure in enumerate(_DROPS):
        positions = [at + (place - 0.5) * _BAR for at in range(len(audits))]
        drops = [numbers.get((f"{measure}{end}", ""), Number(float("nan"))) for numbers in audits.values()]
        spread = (
            [float("nan") if drop.std is None else drop.std for drop in drops]
            if any(drop.std is not None for drop in drops)
            else None
        )
        heights = [drop.mean for drop in drops]
        style = {"edgecolor": colours, "hatch": "////", "color": "white"} if place else {"color": colours}
        axes.bar(positions, heights, width=_BAR, yerr=spread, capsize=2, ecolor="black", **style)
    axes.set_xticks(range(len(audits)), list(short_names(audits).values()), rotation=30, ha="right", fontsize=8)
    axes.set_ylabel("points of top-1")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_title(f"figures on another's background\n{', '.join(_DROPS.values())}", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_curves(axes: Axes, kind: str, curves: Mapping[str, pd.DataFrame]) -> None:
    """Mean over seeds of a row's curve by M_o, else by M_u, else by Grad-CAM; dashed by a random ranking."""
    marks, short = row_marks([Row(name, False) for name in curves]), short_names(curves)
    for name, table in curves.items():
        means = table.groupby(["curve", "share"], sort=True)["probability"].mean()
        known = [
            curve
            for curve in (f"{kind}_{letter}" for letter in COMPARED)
            if curve in means.index.get_level_values("curve")
        ]
        if not known:
            continue
        (colour, _, sign), letter = marks[Row(name, False)], known[0][-1]
        axes.plot(
            means[known[0]].index,
            means[known[0]],
            color=colour,
            marker=sign,
            markersize=4,
            label=f"{short[name]}, {map_label(letter)}",
        )
        random = means[f"{kind}_random"]
        axes.plot(random.index, random, color=colour, linestyle="--", linewidth=0.8)
    axes.set_xlabel("share of the cells shown" if kind == "insertion" else "share of the cells blurred")
    axes.set_ylabel("probability of the predicted class")
    axes.set_ylim(0, 1)
    axes.set_title(f"{kind} (dashed: random)", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
