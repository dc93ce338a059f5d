"""The comparison table of all rows of a data set."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from objabn.files import write_bytes
from objabn.published import OTHERS, TABLES

# Column of the results -> heading and decimals, in the table's order; the first five are the paper's.
COLUMNS = {
    "top1": ("top-1 %", 2),
    "top5": ("top-5 %", 2),
    "entropy_u": ("entropy M_u", 3),
    "entropy_o": ("entropy M_o", 3),
    "entropy_b": ("entropy M_b", 3),
    "flat_share_u": ("flat M_u", 3),
    "flat_share_o": ("flat M_o", 3),
    "flat_share_b": ("flat M_b", 3),
    "iou_fit_u": ("IoU fit M_u", 3),
    "iou_fit_o": ("IoU fit M_o", 3),
    "iou_fit_b": ("IoU fit M_b", 3),
    "iou_truth_u": ("IoU truth M_u", 3),
    "iou_truth_o": ("IoU truth M_o", 3),
    "iou_truth_b": ("IoU truth M_b", 3),
}
# Differences to the row abn (`intervals.differences`) -> heading and decimals.
DIFFERENCES = {"top1_vs_abn": ("top-1 - abn", 1), "entropy_vs_abn": ("entropy - abn", 2)}
_NOTES = """\
Entropy: bits, at most log2 10 = 3.32, lower is sharper; it knows nothing of place. Flat: share of frames whose map has
no range; they are left out of the entropy. IoU fit: map >= 0.5 against the masks used for training. IoU truth: against
ground truth. M_b is compared with the inverse masks. A row plain is the X3D without an attention branch."""
_DIFFERENCE_NOTES = """\
Differences to the row abn without PC on the same videos, with 95 % paired bootstrap intervals over the videos: top-1
in points; entropy in bits, of M_o where the row has it, else of M_u, against abn's M_u. They say nothing of other
seeds."""
_PUBLISHED_NOTES = """\
Ours, the paper's and the difference, ours - the paper's. SE: standard error of the paper's accuracy, in points, from
the number of our test videos alone; two runs that differ by less than twice that may well be the same."""


def comparison(results: Mapping[tuple[str, bool], Mapping[str, float]]) -> pd.DataFrame:
    """One line a row: attention, pc and every number of its result (with `*_std` over seeds), NaN if it has none."""
    table = pd.DataFrame([{"attention": attention, "pc": pc, **row} for (attention, pc), row in results.items()])
    known = [name for column in COLUMNS for name in (column, f"{column}_std") if name in table]
    rest = [name for name in table if name not in known and name not in ("attention", "pc")]
    return table[["attention", "pc", *known, *rest]]


def _row_cells(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"attention": table["attention"], "PC": table["pc"].map({True: "yes", False: ""})})


def _cells(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text, with the headings that are shown: mean, and ± standard deviation where there are seeds."""
    cells = _row_cells(table)
    for column, (heading, decimals) in COLUMNS.items():
        if column not in table:
            continue
        texts = [f"{value:.{decimals}f}" if pd.notna(value) else "" for value in table[column]]
        if f"{column}_std" in table:
            spreads = table[f"{column}_std"]
            texts = [f"{text} ± {std:.{decimals}f}" if text else "" for text, std in zip(texts, spreads, strict=True)]
        cells[heading] = texts
    return cells


def _difference_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Differences to abn as text, `mean [low, high]`; no columns when there is nothing to compare with."""
    cells = pd.DataFrame(index=table.index)
    for column, (heading, decimals) in DIFFERENCES.items():
        if column in table:
            parts = zip(table[column], table[f"{column}_low"], table[f"{column}_high"], strict=True)
            number = f"{{:+z.{decimals}f}}"  # z: no -0.0
            form = f"{number} [{number}, {number}]"
            cells[heading] = [form.format(*values) if pd.notna(values[0]) else "" for values in parts]
    return cells


def _numbers(values: pd.Series, form: str) -> list[str]:
    return [form.format(value) if pd.notna(value) else "" for value in values]


def _published_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Ours beside the paper's as text; no columns when the paper has none of the rows."""
    cells = pd.DataFrame(index=table.index)
    for column, (heading, decimals) in COLUMNS.items():
        if f"{column}_published" not in table:
            continue
        name, known = heading.removesuffix(" %"), table[f"{column}_published"].notna()
        cells[heading] = _numbers(table[column].where(known), f"{{:.{decimals}f}}")
        cells[f"{name}: paper"] = _numbers(table[f"{column}_published"], f"{{:.{decimals}f}}")
        differences = _numbers(table[f"{column}_vs_published"], f"{{:+z.{decimals}f}}")
        if f"{column}_published_se" in table:
            errors = _numbers(table[f"{column}_published_se"], f" ± {{:.{decimals}f}}")
            cells[f"{name}: difference ± SE"] = [one + other for one, other in zip(differences, errors, strict=True)]
        else:
            cells[f"{name}: difference"] = differences
    return cells


def _markdown(cells: pd.DataFrame) -> list[str]:
    lines = ["| " + " | ".join(cells.columns) + " |", "|" + "|".join("---" for _ in cells.columns) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in cells.itertuples(index=False)]


def to_markdown(
    table: pd.DataFrame,
    dataset: str,
    segment: Mapping[str, float],
    seeds: Sequence[int],
    backbone: str,
    published: str | None = None,
) -> str:
    """The table as Markdown, with what is needed to read it.

    Args:
        segment: quality of the masks.
        backbone: where its weights come from.
        published: the paper's data set whose results stand in `table`, a key of `published.TABLES`, or None.
    """
    lines = [f"# {dataset}: comparison of loss configurations", "", *_markdown(_cells(table)), "", _NOTES, ""]
    found = _difference_cells(table)
    if not found.empty:
        told = (found != "").any(axis=1)
        lines += [*_markdown(pd.concat([_row_cells(table), found], axis=1)[told]), "", _DIFFERENCE_NOTES, ""]
    beside = _published_cells(table)
    if published and not beside.empty:
        told = (beside != "").any(axis=1)
        lines += [f"Beside the paper ({TABLES[published]}):", ""]
        lines += [*_markdown(pd.concat([_row_cells(table), beside], axis=1)[told]), "", _PUBLISHED_NOTES]
        if published in OTHERS:
            others = ", ".join(f"{name} {value:g}" for name, value in OTHERS[published].items())
            lines.append(f"Others, top-1 % as the paper quotes them: {others}.")
        lines.append("")
    masks = ", ".join(f"{name} {value:g}" for name, value in segment.items())
    return "\n".join([*lines, f"Seeds: {', '.join(map(str, seeds))}. Backbone: {backbone}. Masks: {masks}.", ""])


def draw_table(table: pd.DataFrame, dataset: str, path: Path) -> None:
    """Writes a PNG: the table without its shares and fits, and below it the entropy of each map as bars."""
    cells = _cells(table)
    cells = cells[[name for name in cells.columns if not name.startswith(("flat", "IoU fit"))]]
    beside = _published_cells(table)
    theirs = [name for name in beside.columns if name.endswith(": paper")]
    cells = pd.concat([cells, _difference_cells(table), beside[theirs]], axis=1)
    widths = [max(map(len, (heading, *cells[heading]))) + 2 for heading in cells.columns]
    size = (0.078 * sum(widths) + 0.4, 0.38 * len(cells) + 4.3)
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[0.38 * len(cells) + 0.7, 3.3])
    above.axis("off")
    above.set_title(f"{dataset}: comparison of loss configurations", fontsize=11)
    shares = [width / sum(widths) for width in widths]
    drawn = above.table(
        cells.to_numpy().tolist(), colLabels=list(cells.columns), colWidths=shares, loc="center", cellLoc="center"
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    drawn.scale(1, 1.35)
    for (line, _), cell in drawn.get_celld().items():
        cell.set_linewidth(0.4)
        if line == 0:
            cell.set_text_props(weight="bold")
            cell.set_facecolor("#e8eef5")
    _draw_entropies(below, table)
    content = io.BytesIO()
    figure.savefig(content)
    write_bytes(path, content.getvalue())


def _draw_entropies(axes, table: pd.DataFrame) -> None:  # type: ignore[no-untyped-def]
    """Bars: the entropy of each map of each row that has maps."""
    maps = [name for name in ("u", "o", "b") if f"entropy_{name}" in table]
    table = table.dropna(subset=[f"entropy_{name}" for name in maps], how="all")
    names = [f"{row.attention}{' + pc' if row.pc else ''}" for row in table.itertuples()]
    for offset, (name, colour) in enumerate(zip(maps, ("#7f8fa6", "#c23616", "#40739e"), strict=False)):
        positions = [index + (offset - (len(maps) - 1) / 2) * 0.26 for index in range(len(table))]
        axes.bar(positions, table[f"entropy_{name}"].fillna(0), width=0.24, label=f"$M_{name}$", color=colour)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("entropy (bits)")
    axes.set_ylim(0, 3.4)
    axes.axhline(3.3219, color="grey", linewidth=0.6, linestyle="--")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=3, loc="upper right")
