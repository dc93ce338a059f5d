"""The first table, how right, how sharp and whether used, and the table of differences to abn."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from objabn.report.cells import difference_text, number_text, short_difference
from objabn.report.comparison import Comparison
from objabn.report.intervals import MAX_FLAT, SHARPNESS, power_sentence, scope, smallest_words
from objabn.report.map_table import has_two_entropies
from objabn.report.names import KEPT, MAP_NAMES
from objabn.report.within import WITHIN

# Measure and letter of the map -> heading and decimals, in the table's order. Entropies are the paper's, of all frames.
COLUMNS = {
    ("top1", ""): ("top-1 %", 2),
    ("top5", ""): ("top-5 %", 2),
    ("ece", ""): ("ECE", 3),
    **{("entropy", letter): (f"entropy {MAP_NAMES[letter]}", 3) for letter in KEPT},
}
USED = "used, points"  # heading
# Difference to the row abn -> heading, decimals and unit.
DIFFERENCES = {
    "top1": ("top-1 - abn", 1, " points"),
    "lost_even": ("used - abn", 1, " points"),
    "entropy_object": ("entropy - abn", 2, " bits"),
    "pointing": ("pointing - abn", 1, " points"),
    "iou_truth": ("IoU truth - abn", 3, ""),
    "iou_best": ("IoU best - abn", 3, ""),
}
_NOTES = [
    "top-1, top-5: share of the test videos whose class is the most probable one, or among five.",
    "entropy: bits, at most log2 10 = 3.32, lower is sharper; it knows nothing of place, the table of maps does.",
    "plain: the backbone without an attention branch; its map is Grad-CAM's, of the predicted class.",
]
_ECE_NOTE = (
    "ECE: how far the probability of the predicted class is from the share of right answers, the mean over 15 bins of "
    "that probability."
)
_USED_NOTE = (
    "used: points of top-1 that are lost when one even weight, of the same energy, stands in the place of the row's "
    "maps; the table below tells more."
)
_FEW_CLASSES = 5  # so many or fewer: every answer is among the five most probable ones
_FEW_CLASSES_NOTE = "top-5 of five classes or fewer is 100 % of any network, so it is not shown."
_DIFFERENCE_NOTE = (
    "Differences to the row abn without PC on the same videos: top-1, used and pointing in points, entropy in bits; of "
    "M_o where the row has it, else of M_u, for plain of Grad-CAM, against abn's M_u."
)
_INTERVAL_NOTES = [
    "Brackets: 95 % intervals over trainings and recordings (Obuchowski and Rockette, seeds nested in rows, degrees of "
    "freedom by Hillis). A star says that the interval excludes 0. Each difference is judged by itself here; in words, "
    "the comparisons of a question are corrected for their number.",
    f"An entropy gets no star where maps of either row are flat in over {100 * MAX_FLAT:g} % of the frames.",
]


def row_cells(comparison: Comparison) -> pd.DataFrame:
    """Name the rows: attention and PC."""
    return pd.DataFrame(
        {"attention": [row.attention for row in comparison.rows], "PC": ["yes" * row.pc for row in comparison.rows]}
    )


def with_differences(cells: pd.DataFrame, comparison: Comparison, headings: Mapping[str, str]) -> pd.DataFrame:
    """Add differences within the rows to a line a row; keep the lines that have one, and columns that some row has.

    Args:
        headings: by measure of `within.WITHIN`, in the order of the columns.
    """
    lost = pd.DataFrame(index=cells.index)
    for measure, heading in headings.items():
        found = [difference_text(comparison.within(row, measure), WITHIN[measure].decimals) for row in comparison.rows]
        if any(found):
            lost[heading] = found
    return pd.concat([cells, lost], axis=1)[(lost != "").any(axis=1)]


def is_empty_of_meaning(comparison: Comparison, measure: str) -> bool:
    """Whether a measure is the same for every network: top-5 of few classes."""
    return measure == "top5" and comparison.num_classes is not None and comparison.num_classes <= _FEW_CLASSES


def main_cells(comparison: Comparison) -> pd.DataFrame:
    """Write accuracy, what the map is worth, and entropies, a line a row.

    A column that no row has is left out; what means nothing is "-". Grad-CAM's entropy is that of rows without maps of
    their own; the table of methods has it of all rows.
    """
    cells = row_cells(comparison)
    kept = {row: comparison.kept_maps(row) for row in comparison.rows}
    for (measure, letter), (heading, decimals) in COLUMNS.items():
        texts = [
            number_text(comparison.number(row, measure, letter), decimals) if letter in ("", *kept[row]) else ""
            for row in comparison.rows
        ]
        if is_empty_of_meaning(comparison, measure):
            texts = ["-" if text else "" for text in texts]
        if measure == "entropy" and USED not in cells:
            cells[USED] = [short_difference(comparison.within(row, "even"), 1) for row in comparison.rows]
        if any(texts):
            cells[heading] = texts
    return cells if any(cells[USED]) else cells.drop(columns=USED)


def main_notes(comparison: Comparison) -> list[str]:
    """What is needed to read the first table, sentences."""
    has_ece = any(("ece", "") in numbers for numbers in comparison.numbers.values())
    is_used = any(comparison.within(row, "even") for row in comparison.rows)
    return [
        *_NOTES[:1],
        *_folds(comparison),
        *[_FEW_CLASSES_NOTE] * is_empty_of_meaning(comparison, "top5"),
        *[f"{_ECE_NOTE}{_ece_by_chance(comparison)}"] * has_ece,
        *[_USED_NOTE] * is_used,
        *_NOTES[1:],
        *_elsewhere(comparison),
        *_chosen_epoch(comparison),
    ]


def _ece_by_chance(comparison: Comparison) -> str:
    """What ECE calibrated answers would have, of the same probabilities and as many videos."""
    known = [number.mean for row in comparison.rows if (number := comparison.number(row, "ece_by_chance"))]
    if not known:
        return ""
    least, most = f"{min(known):.3f}", f"{max(known):.3f}"
    reach = least if least == most else f"{least} to {most}"
    return f" Calibrated answers with these rows' probabilities would have {reach} by chance, of as many videos."


def _folds(comparison: Comparison) -> list[str]:
    """Of a cross-validation: which network tests which video."""
    number = _networks(comparison)
    if number == 1:
        return []
    return [
        f"Cross-validation: a training is {number} networks, one a fold. Every video is a test video, tested by the "
        "network that has seen nothing of its recording. Intervals cover other trainings on these videos and other "
        "test recordings; neither training on other recordings nor another deal of the folds is in them."
    ]


def _networks(comparison: Comparison) -> int:
    """How many networks a training is: one a fold."""
    return max((notes.get("networks", 1) for notes in comparison.trainings.values()), default=1)


def _elsewhere(comparison: Comparison) -> list[str]:
    """Rows that were not trained here: which networks they are, and what their seeds and intervals mean."""
    if not comparison.elsewhere:
        return []
    told = ", ".join(f"{row.name}: {network['spec']}" for row, network in comparison.elsewhere.items())
    several = len(comparison.seeds) > 1
    seeds = (
        " The seeds of such a row are one network, on the same clips or on those that a seed draws, so it has no ±; an "
        "interval of a difference covers other trainings of the other row, and other test recordings, but no other "
        "training of it."
    )
    return [
        f"Not trained here: {told}. A map is Grad-CAM's, of the predicted class; an entropy depends on the grid, so "
        f"compare networks' entropies where their splits have the same.{seeds if several else ''}"
    ]


def _chosen_epoch(comparison: Comparison) -> list[str]:
    """What chose the weights, where it was not the end of the training, and of which rows if not of all."""
    early = [row.name for row, notes in comparison.trainings.items() if _is_early(notes)]
    if comparison.params.train.report == "last" and not early:
        return []
    of = "" if comparison.params.train.report == "best" else f" of {', '.join(early)}"
    chosen = f"Weights{of}: those of the epoch with the highest top-1"
    trained = [notes for row, notes in comparison.trainings.items() if row not in comparison.elsewhere]
    if any(notes.get("validated_on", "test") == "test" for notes in trained):
        has_folds = _networks(comparison) > 1
        fair = "with folds `train.report: last` alone is fair" if has_folds else "a split `val` would choose fairly"
        return [f"{chosen} on the test videos themselves, so accuracies are too high; {fair}."]
    return [f"{chosen} on the split `val`."]


def _is_early(notes: Mapping[str, Any]) -> bool:
    """Whether a training of a row has the weights of another epoch than its last."""
    return any(epoch < notes["curves"][seed]["epoch"][-1] for seed, epoch in notes.get("epochs", {}).items())


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
    told = [_DIFFERENCE_NOTE]
    if has_two_entropies(comparison):
        told.append("Entropies here are those of frames with an object whose map is not flat.")
    if not comparison.has_intervals:
        return [*told, scope(len(comparison.seeds), comparison.num_recordings, has_intervals=False)]
    seen = []
    for measure, (heading, decimals, unit) in DIFFERENCES.items():
        of_rows = [each[measure] for each in comparison.differences.values() if measure in each]
        of_rows = [each for each in of_rows if each.grids is None]
        if words := smallest_words(of_rows, f".{decimals}f"):
            seen.append(f"{heading.removesuffix(' - abn')} {words}{unit}")
    return [*told, *_INTERVAL_NOTES, *_other_grids(comparison), f"{power_sentence()}: {', '.join(seen)}."]


def _other_grids(comparison: Comparison) -> list[str]:
    """Which entropies have no star, since the maps have another grid than abn's."""
    found = {row.name: each.get(SHARPNESS) for row, each in comparison.differences.items()}
    grids = {name: each.grids for name, each in found.items() if each and each.grids}
    if not grids:
        return []
    own = ", ".join(f"{name} {side} x {side}" for name, (side, _) in grids.items())
    abn = next(side for _, side in grids.values())
    return [
        f"An entropy gets no star where the maps have another grid than abn's, {abn} x {abn} cells: {own}. "
        "`eval.entropy_size` measures all maps on one grid."
    ]
