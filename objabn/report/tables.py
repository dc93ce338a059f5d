"""The comparison tables of all rows of a data set."""

from collections.abc import Mapping, Sequence

import pandas as pd

from objabn.report.cells import means, numbers, table_lines
from objabn.report.intervals import MAX_FLAT, Difference
from objabn.report.names import MAP_NAMES, Row
from objabn.report.published import OTHERS, TABLES

# Column of the results -> heading and decimals, in the table's order; the first five are the paper's.
COLUMNS = {
    "top1": ("top-1 %", 2),
    "top5": ("top-5 %", 2),
    **{f"entropy_{letter}": (f"entropy {name}", 3) for letter, name in MAP_NAMES.items()},
}
# What is measured of a map, `<kind>_<letter>` -> heading, decimals and what the notes say of it.
MEASURES: dict[str, tuple[str, int, str | None]] = {
    "entropy": ("entropy", 3, None),
    "flat_share": ("flat", 3, "share of frames whose map has no range; they are left out of the entropy"),
    "pointing": ("pointing %", 1, "frames whose map is highest on the truth; a flat map scores the truth's area"),
    "energy": ("energy inside", 3, "share of the map's sum that lies on the truth; a flat map scores the truth's area"),
    "iou_truth": ("IoU truth", 3, "of the cells where the map is at least 0.5 with the truth"),
    "iou_best": (
        "IoU best (at)",
        3,
        "of each frame's map, scaled to [0, 1], with the truth, at the one threshold that is best over all videos",
    ),
    "iou_fit": ("IoU fit", 3, "as IoU truth, but with the masks used for training: fit to the segmenter, not truth"),
}
# Differences to the row abn (`intervals.differences`) -> heading and decimals.
DIFFERENCES = {
    "top1_vs_abn": ("top-1 - abn", 1),
    "entropy_vs_abn": ("entropy - abn", 2),
    "pointing_vs_abn": ("pointing - abn", 1),
    "iou_truth_vs_abn": ("IoU truth - abn", 3),
}
_NOTES = [
    "top-1, top-5: share of the test videos whose class is the most probable one, or among five.",
    "entropy: bits, at most log2 10 = 3.32, lower is sharper; it knows nothing of place, the table of maps does.",
    "plain: the X3D without an attention branch; its map is Grad-CAM's, of the predicted class.",
]
_MAP_NOTE = "M_b is compared with the inverse masks."
_DIFFERENCE_NOTES = f"""\
Differences to the row abn without PC on the same videos, with 95 % paired bootstrap intervals: top-1 and pointing in
points, entropy in bits; of M_o where the row has it, else of M_u, for plain of Grad-CAM, against abn's M_u. A star says
that the interval excludes 0; of twenty differences that are none, about one gets a star. An entropy gets none where
maps of the row or of abn are flat in more than {100 * MAX_FLAT:g} % of the frames."""
_PUBLISHED_NOTES = """\
Ours, the paper's and the difference, ours - the paper's. SE: standard error of the paper's accuracy, in points, from
the number of our test videos alone; two runs that differ by less than twice that may well be the same."""


def comparison(results: Mapping[Row, Mapping[str, float]]) -> pd.DataFrame:
    """One line a row: attention, pc and every number of its result (with `*_std` over seeds), NaN if it has none."""
    table = pd.DataFrame([{"attention": attention, "pc": pc, **row} for (attention, pc), row in results.items()])
    measured = [f"{kind}_{letter}" for kind in (*MEASURES, "iou_best_threshold") for letter in MAP_NAMES]
    ordered = dict.fromkeys([*COLUMNS, *measured])
    known = [name for column in ordered for name in (column, f"{column}_std") if name in table]
    rest = [name for name in table if name not in known and name not in ("attention", "pc")]
    return table[["attention", "pc", *known, *rest]]


def row_cells(table: pd.DataFrame) -> pd.DataFrame:
    """What names a row: attention and PC."""
    return pd.DataFrame({"attention": table["attention"], "PC": table["pc"].map({True: "yes", False: ""})})


def main_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and entropies as text, one line a row."""
    columns = {heading: means(table, name, decimals) for name, (heading, decimals) in COLUMNS.items() if name in table}
    return pd.concat([row_cells(table), pd.DataFrame(columns, index=table.index)], axis=1)


def map_cells(table: pd.DataFrame) -> pd.DataFrame:
    """What is measured of each map as text, one line a row and map; empty when no row has a map."""
    of_maps = []
    for letter, name in MAP_NAMES.items():
        columns = {kind: f"{kind}_{letter}" for kind in MEASURES if f"{kind}_{letter}" in table}
        own = table[table[list(columns.values())].notna().any(axis=1)]
        cells = row_cells(own).assign(map=name)
        for kind, column in columns.items():
            heading, decimals, _ = MEASURES[kind]
            texts = means(own, column, decimals, 100 if heading.endswith("%") else 1)
            if kind == "iou_best":
                at = numbers(own[f"iou_best_threshold_{letter}"], " ({:.2f})")
                texts = [f"{text}{threshold}" for text, threshold in zip(texts, at, strict=True)]
            cells[heading] = texts
        of_maps.append(cells)
    found = pd.concat(of_maps).sort_index(kind="stable").fillna("")  # by row, then in the order of the maps
    headings = [heading for heading, *_ in MEASURES.values() if heading in found]
    return found[["attention", "PC", "map", *headings]]


def difference_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Differences to abn as text, `mean [low, high]` and a star if beyond noise; no columns without any."""
    cells = pd.DataFrame(index=table.index)
    for column, (heading, decimals) in DIFFERENCES.items():
        if column in table:
            parts = [table.get(f"{column}{end}", 0.0) for end in ("", "_low", "_high", "_flat")]
            form = f"{{:+z.{decimals}f}} [{{:+z.{decimals}f}}, {{:+z.{decimals}f}}]"  # z: no -0.0
            lines = pd.DataFrame(dict(zip(Difference._fields, parts, strict=True)), index=table.index)
            found = [Difference(*line) for line in lines.itertuples(index=False)]
            cells[heading] = [
                form.format(*each[:3]) + " *" * each.beyond_noise if pd.notna(each.mean) else "" for each in found
            ]
    return cells


def published_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Ours beside the paper's as text; no columns when the paper has none of the rows."""
    cells = pd.DataFrame(index=table.index)
    for column, (heading, decimals) in COLUMNS.items():
        if f"{column}_published" not in table:
            continue
        name, known = heading.removesuffix(" %"), table[f"{column}_published"].notna()
        cells[heading] = numbers(table[column].where(known), f"{{:.{decimals}f}}")
        cells[f"{name}: paper"] = numbers(table[f"{column}_published"], f"{{:.{decimals}f}}")
        differences = numbers(table[f"{column}_vs_published"], f"{{:+z.{decimals}f}}")
        if f"{column}_published_se" in table:
            errors = numbers(table[f"{column}_published_se"], f" ± {{:.{decimals}f}}")
            cells[f"{name}: difference ± SE"] = [one + other for one, other in zip(differences, errors, strict=True)]
        else:
            cells[f"{name}: difference"] = differences
    return cells


def _chance(table: pd.DataFrame) -> list[str]:
    if "truth_area" not in table:
        return []
    area = table["truth_area"].mean()
    return [f"- Chance, the truth's area: {area:.2f} of a frame that has one; {1 - area:.2f} for M_b."]


def measure_notes(maps: pd.DataFrame) -> dict[str, str]:
    """What the headings of `map_cells` mean, of those that are there."""
    return {heading: note for heading, _, note in MEASURES.values() if note and heading in maps}


def _others(published: str | None) -> list[str]:
    """The other methods' results that the paper quotes, a sentence."""
    if published not in OTHERS:
        return []
    others = ", ".join(f"{name} {value:g}" for name, value in OTHERS[published].items())
    return [f"Others, top-1 % as the paper quotes them: {others}."]


def notes(table: pd.DataFrame, published: str | None = None) -> dict[str, list[str]]:
    """What is needed to read the tables, sentences by table: main, maps, differences, published."""
    chance = [line.removeprefix("- ") for line in _chance(table)]
    return {
        "main": _NOTES,
        "maps": [*chance, _MAP_NOTE],
        "differences": [_DIFFERENCE_NOTES.replace("\n", " ")],
        "published": [_PUBLISHED_NOTES.replace("\n", " "), *_others(published)],
    }


def to_markdown(
    table: pd.DataFrame,
    dataset: str,
    segment: Mapping[str, float],
    seeds: Sequence[int],
    backbone: str,
    published: str | None = None,
    words: Sequence[str] = (),
) -> str:
    """The table as Markdown, with what is needed to read it.

    Args:
        segment: quality of the masks.
        backbone: where its weights come from.
        published: the paper's data set whose results stand in `table`, a key of `published.TABLES`, or None.
        words: what the rows say, a paragraph each (`story.answers`).
    """
    lines = [
        f"# {dataset}: comparison of loss configurations",
        "",
        *table_lines(main_cells(table)),
        "",
    ]
    if words:
        lines += ["In words:", "", *[f"- {paragraph}" for paragraph in words], ""]
    lines += [*[f"- {note}" for note in _NOTES], ""]
    maps = map_cells(table)
    if not maps.empty:
        told_of = measure_notes(maps)
        lines += [
            "Maps:",
            "",
            *table_lines(maps),
            "",
            *[f"- {name}: {note}." for name, note in told_of.items()],
            *_chance(table),
            f"- {_MAP_NOTE}",
            "",
        ]
    found = difference_cells(table)
    if not found.empty:
        told = (found != "").any(axis=1)
        lines += [*table_lines(pd.concat([row_cells(table), found], axis=1)[told]), "", _DIFFERENCE_NOTES, ""]
    beside = published_cells(table)
    if published and not beside.empty:
        told = (beside != "").any(axis=1)
        lines += [f"Beside the paper ({TABLES[published]}):", ""]
        lines += [*table_lines(pd.concat([row_cells(table), beside], axis=1)[told]), "", _PUBLISHED_NOTES]
        lines += _others(published)
        lines.append("")
    masks = ", ".join(f"{name} {value:g}" for name, value in segment.items())
    return "\n".join([*lines, f"Seeds: {', '.join(map(str, seeds))}. Backbone: {backbone}. Masks: {masks}.", ""])
