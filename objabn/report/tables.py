"""The comparison tables of all rows of a data set."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from objabn.report.cells import difference_text, number_text, table_lines
from objabn.report.comparison import Comparison
from objabn.report.intervals import MAX_FLAT, power_sentence, scope, smallest_words
from objabn.report.names import MAP_NAMES
from objabn.report.published import OTHERS, REMARKS, TABLES

# Measure and letter of the map -> heading and decimals, in the table's order; the first five are the paper's.
COLUMNS = {
    ("top1", ""): ("top-1 %", 2),
    ("top5", ""): ("top-5 %", 2),
    **{("entropy", letter): (f"entropy {name}", 3) for letter, name in MAP_NAMES.items()},
}
# What is measured of a map -> heading, decimals and what the notes say of it.
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
# Difference to the row abn -> heading, decimals and unit.
DIFFERENCES = {
    "top1": ("top-1 - abn", 1, " points"),
    "entropy": ("entropy - abn", 2, " bits"),
    "pointing": ("pointing - abn", 1, " points"),
    "iou_truth": ("IoU truth - abn", 3, ""),
    "iou_best": ("IoU best - abn", 3, ""),
}
_NOTES = [
    "top-1, top-5: share of the test videos whose class is the most probable one, or among five.",
    "entropy: bits, at most log2 10 = 3.32, lower is sharper; it knows nothing of place, the table of maps does.",
    "plain: the X3D without an attention branch; its map is Grad-CAM's, of the predicted class.",
]
_FEW_CLASSES = 5  # so many or fewer: every answer is among the five most probable ones
_FEW_CLASSES_NOTE = "top-5 of five classes or fewer is 100 % of any network, so it is not shown."
_MAP_NOTE = "M_b is compared with the inverse masks."
_DIFFERENCE_NOTE = (
    "Differences to the row abn without PC on the same videos: top-1 and pointing in points, entropy in bits; of M_o "
    "where the row has it, else of M_u, for plain of Grad-CAM, against abn's M_u."
)
_INTERVAL_NOTES = [
    "Brackets: 95 % intervals over trainings and recordings (Obuchowski and Rockette, seeds nested in rows, degrees of "
    "freedom by Hillis). A star says that the interval excludes 0. Each difference is judged by itself here; in words, "
    "the comparisons of a question are corrected for their number.",
    f"An entropy gets no star where maps of either row are flat in over {100 * MAX_FLAT:g} % of the frames.",
]
_PUBLISHED_NOTE = (
    "Ours, the paper's and the difference, ours - the paper's. SE: standard error of the difference of two such "
    "systems, in points, over test recordings{trainings}. That both were tested on the same videos would make it "
    "smaller, but the paper's answers to them are not known."
)


def row_cells(comparison: Comparison) -> pd.DataFrame:
    """Name the rows: attention and PC."""
    return pd.DataFrame(
        {"attention": [row.attention for row in comparison.rows], "PC": ["yes" * row.pc for row in comparison.rows]}
    )


def _is_empty_of_meaning(comparison: Comparison, measure: str) -> bool:
    """Whether a measure is the same for every network: top-5 of few classes."""
    return measure == "top5" and comparison.num_classes is not None and comparison.num_classes <= _FEW_CLASSES


def main_cells(comparison: Comparison) -> pd.DataFrame:
    """Write accuracy and entropies, a line a row; a column that no row has is left out, what means nothing is "-"."""
    cells = row_cells(comparison)
    for (measure, letter), (heading, decimals) in COLUMNS.items():
        texts = [number_text(comparison.number(row, measure, letter), decimals) for row in comparison.rows]
        if _is_empty_of_meaning(comparison, measure):
            texts = ["-" if text else "" for text in texts]
        if any(texts):
            cells[heading] = texts
    return cells


def map_cells(comparison: Comparison) -> pd.DataFrame:
    """Write what is measured of each map, a line a row and map, under the row's number; empty when no row has a map."""
    lines, index = [], []
    for at, row in enumerate(comparison.rows):
        for letter, name in MAP_NAMES.items():
            cells = {}
            for measure, (heading, decimals, _) in MEASURES.items():
                scale = 100 if heading.endswith("%") else 1
                text = number_text(number := comparison.number(row, measure, letter), decimals, scale)
                if measure == "iou_best" and number is not None:
                    threshold = comparison.number(row, "best_threshold", letter)
                    text += f" ({threshold.mean:.2f})" if threshold else ""
                cells[heading] = text
            if any(cells.values()):
                lines.append({"attention": row.attention, "PC": "yes" * row.pc, "map": name, **cells})
                index.append(at)
    measured = pd.DataFrame(lines, index=index)
    shown = [heading for heading in measured if heading in ("attention", "PC", "map") or measured[heading].any()]
    return measured[shown]


def difference_cells(comparison: Comparison) -> pd.DataFrame:
    """Write differences to abn, `mean [low, high]` and a star if beyond noise; no columns without any."""
    cells = pd.DataFrame(index=range(len(comparison.rows)))
    for measure, (heading, decimals, _) in DIFFERENCES.items():
        texts = [difference_text(comparison.differences[row].get(measure), decimals) for row in comparison.rows]
        if any(texts):
            cells[heading] = texts
    return cells


def difference_notes(comparison: Comparison) -> list[str]:
    """What is needed to read the differences: what they are, why they have no interval, what the design can see."""
    if not comparison.has_intervals:
        return [_DIFFERENCE_NOTE, scope(len(comparison.seeds), comparison.num_recordings, has_intervals=False)]
    seen = []
    for measure, (heading, decimals, unit) in DIFFERENCES.items():
        of_rows = [each[measure] for each in comparison.differences.values() if measure in each]
        if words := smallest_words(of_rows, f".{decimals}f"):
            seen.append(f"{heading.removesuffix(' - abn')} {words}{unit}")
    return [_DIFFERENCE_NOTE, *_INTERVAL_NOTES, f"{power_sentence()}: {', '.join(seen)}."]


def published_cells(comparison: Comparison) -> pd.DataFrame:
    """Write our numbers beside the paper's; no columns when the paper has none of the rows."""
    cells = pd.DataFrame(index=range(len(comparison.rows)))
    for (measure, letter), (heading, decimals) in COLUMNS.items():
        pairs = [(row, comparison.published[row].get((measure, letter))) for row in comparison.rows]
        if not any(published for _, published in pairs) or _is_empty_of_meaning(comparison, measure):
            continue
        name, form = heading.removesuffix(" %"), f"{{:.{decimals}f}}"
        ours = [comparison.numbers[row][measure, letter].mean if published else None for row, published in pairs]
        cells[heading] = ["" if mean is None else form.format(mean) for mean in ours]
        cells[f"{name}: paper"] = [form.format(published.value) if published else "" for _, published in pairs]
        differences = [f"{published.difference:+z.{decimals}f}" if published else "" for _, published in pairs]
        errors = [published.error if published else None for _, published in pairs]
        if any(error is not None for error in errors):
            cells[f"{name}: difference ± SE"] = [
                text if error is None else f"{text} ± {error:.{decimals}f}"
                for text, error in zip(differences, errors, strict=True)
            ]
        else:
            cells[f"{name}: difference"] = differences
    return cells


def _chance(comparison: Comparison) -> list[str]:
    areas = [number.mean for row in comparison.rows if (number := comparison.number(row, "truth_area"))]
    if not areas:
        return []
    area = sum(areas) / len(areas)
    return [f"Chance, the truth's area: {area:.2f} of a frame that has one; {1 - area:.2f} for M_b."]


def measure_notes(maps: pd.DataFrame) -> dict[str, str]:
    """What the headings of `map_cells` mean, of those that are there."""
    return {heading: note for heading, _, note in MEASURES.values() if note and heading in maps}


def _others(published: str | None) -> list[str]:
    """The other methods' results that the paper quotes, a sentence."""
    if published not in OTHERS:
        return []
    others = ", ".join(f"{name} {value:g}" for name, value in OTHERS[published].items())
    return [f"Others, top-1 % as the paper quotes them: {others}."]


def _main_notes(comparison: Comparison) -> list[str]:
    """What is needed to read the first table, sentences."""
    return [*_NOTES, *[_FEW_CLASSES_NOTE] * _is_empty_of_meaning(comparison, "top5"), *_chosen_epoch(comparison)]


def _chosen_epoch(comparison: Comparison) -> list[str]:
    """What chose the weights, where it was not the end of the training, and of which rows if not of all."""
    early = [row.name for row, notes in comparison.trainings.items() if _is_early(notes)]
    if comparison.params.train.report == "last" and not early:
        return []
    of = "" if comparison.params.train.report == "best" else f" of {', '.join(early)}"
    chosen = f"Weights{of}: those of the epoch with the highest top-1"
    if any(notes.get("validated_on", "test") == "test" for notes in comparison.trainings.values()):
        return [
            f"{chosen} on the test videos themselves, so accuracies are too high; a split `val` would choose fairly."
        ]
    return [f"{chosen} on the split `val`."]


def _is_early(notes: Mapping[str, Any]) -> bool:
    """Whether a training of a row has the weights of another epoch than its last."""
    return any(epoch < notes["curves"][seed]["epoch"][-1] for seed, epoch in notes.get("epochs", {}).items())


def notes(comparison: Comparison) -> dict[str, list[str]]:
    """Collect what is needed to read the tables, sentences by table: main, maps, differences, published."""
    return {
        "main": _main_notes(comparison),
        "maps": [*_chance(comparison), _MAP_NOTE],
        "differences": difference_notes(comparison),
        "published": _published_notes(comparison),
    }


def to_markdown(comparison: Comparison, words: Sequence[str] = ()) -> str:
    """Write the tables as Markdown, with what is needed to read them.

    Args:
        words: what the rows say, a paragraph each (`answers.answers`).
    """
    lines = [
        f"# {comparison.name}: comparison of loss configurations",
        "",
        *table_lines(main_cells(comparison)),
        "",
    ]
    if words:
        lines += ["In words:", "", *[f"- {paragraph}" for paragraph in words], ""]
    lines += [*[f"- {note}" for note in _main_notes(comparison)], ""]
    maps = map_cells(comparison)
    if not maps.empty:
        noted = [f"{heading}: {note}." for heading, note in measure_notes(maps).items()]
        lines += ["Maps:", "", *table_lines(maps), ""]
        lines += [*[f"- {note}" for note in (*noted, *_chance(comparison), _MAP_NOTE)], ""]
    for title, cells, below in (
        ([], difference_cells(comparison), difference_notes(comparison)),
        _beside_the_paper(comparison),
    ):
        shown = (cells != "").any(axis=1)
        if shown.any():
            lines += [*title, *table_lines(pd.concat([row_cells(comparison), cells], axis=1)[shown]), ""]
            lines += [*[f"- {note}" for note in below], ""]
    masks = ", ".join(f"{name} {value:g}" for name, value in comparison.masks.quality.items())
    backbone = comparison.params.model.pretrained or "from scratch"
    seeds = ", ".join(map(str, comparison.seeds))
    return "\n".join([*lines, f"Seeds: {seeds}. Backbone: {backbone}. Masks: {masks}.", ""])


def _beside_the_paper(comparison: Comparison) -> tuple[list[str], pd.DataFrame, list[str]]:
    """What stands above the table, the table, and what stands below."""
    published = comparison.params.published
    title = [f"Beside the paper ({TABLES[published]}):", ""] if published else []
    return title, published_cells(comparison), _published_notes(comparison)


def _published_notes(comparison: Comparison) -> list[str]:
    published = comparison.params.published
    trainings = (
        " and trainings" if len(comparison.seeds) > 1 else " alone: with one seed, another training is not in it"
    )
    remarks = [REMARKS[published]] if published in REMARKS else []
    return [_PUBLISHED_NOTE.format(trainings=trainings), *remarks, *_others(published)]
