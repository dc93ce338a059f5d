"""The table of the rows' maps: what is measured of each, and how to read it."""

import pandas as pd

from objabn.evaluation.metrics import FLAT_RANGES
from objabn.evaluation.numbers import Number
from objabn.report.cells import number_text
from objabn.report.comparison import Comparison
from objabn.report.names import MAP_NAMES, Row

# What is measured of a map -> heading, decimals and what the notes say of it.
MEASURES: dict[str, tuple[str, int, str | None]] = {
    "entropy": ("entropy", 3, None),
    "entropy_object": ("entropy, object", 3, "of the frames with an object alone; differences and stars are of these"),
    "flat_share_object": (
        "flat",
        3,
        "share of the frames with an object whose map has a range below {flat_range:g}; "
        "the entropy of frames with an object leaves them out",
    ),
    "pointing": ("pointing %", 1, "frames whose map is highest on the truth; a flat map scores the truth's area"),
    "energy": ("energy inside", 3, "share of the map's sum that lies on the truth; a flat map scores the truth's area"),
    "iou_truth": ("IoU truth", 3, "of the cells where the map is at least 0.5 with the truth"),
    "iou_best": (
        "IoU best (at)",
        3,
        "of each frame's map, scaled to [0, 1], with the truth, at the one threshold that is best over all videos",
    ),
    "iou_fit": ("IoU fit", 3, "as IoU truth, but with the masks used for training: fit to the segmenter, not truth"),
    "range": ("range", 3, "the map's highest value minus its lowest, in frames with an object"),
    "lit_empty": ("lit where empty", 3, "mean of the map in frames without an object; 0 would be right, 1 for M_b"),
    "flicker": ("flicker", 3, "mean change of a cell from one frame to the next"),
}
MASKS = "segmenter's masks"  # the line below the rows
MISSED = "missed"  # share of the frames with a score in which no cell is the segmenter's
# What is measured of a map -> of the segmenter's masks (`targets.target_measures`).
_OF_MASKS = {
    "pointing": "masks_pointing", "energy": "masks_energy", "iou_truth": "masks_iou", "iou_best": "masks_iou",
    MISSED: "masks_missed",
}  # fmt: skip
_MASKS_NOTE = (
    "segmenter's masks: the ceiling, what the masks themselves score against the same truth, on the same frames and "
    "grid. A frame in which no cell is the segmenter's ({missed:.1f} % of those with a score) scores 0; a map points "
    "somewhere in all frames, so it may score more. Pointing is of a mask's innermost cells, since it has no highest "
    "one; its IoU knows no threshold. A frame whose truth fills no cell by half has no score, as for maps."
)
_MEANS = ("range", "lit_empty", "flicker", "entropy_native")  # their spread over seeds is not shown
_OF_OBJECTS = "entropy_object"
_INVERSE_NOTE = "M_b is compared with the inverse masks."
_TRUTHS = "the truth's mask is"
_ALL_NOTE = "Every frame has an object: "
_TWO_NOTE = "the paper's entropy, of all frames, differs from that beside it by flat frames alone."
_ONE_NOTE = "the paper's entropy, of all frames, is that of frames with one, too; no flat frame changes it."


def measure_text(comparison: Comparison, row: Row, measure: str, letter: str, heading: str, decimals: int) -> str:
    """Write a measure of a map, in percent where the heading says so, the best threshold behind the best IoU."""
    number = comparison.number(row, measure, letter)
    if number is not None and measure in _MEANS:
        number = number._replace(std=None)
    text = number_text(number, decimals, _scale(heading))
    threshold = comparison.number(row, "best_threshold", letter) if measure == "iou_best" else None
    return f"{text} ({threshold.mean:.2f})" if text and threshold else text


def _scale(heading: str) -> float:
    return 100 if heading.endswith("%") else 1


def ceiling(comparison: Comparison) -> dict[str, float]:
    """What the segmenter's masks score against the truth, by measure of a map, and MISSED; nothing without a truth.

    All are shares.
    """
    return comparison.shared({measure: (name, "") for measure, name in _OF_MASKS.items()})


def map_cells(comparison: Comparison) -> pd.DataFrame:
    """Write what is measured of each row's own maps, Grad-CAM's where it has none, under the row's number.

    Empty when no row has a map. Below them the segmenter's masks, where there is truth to compare them with. Where all
    frames have an object and no flat one makes a difference, there is one column of entropy.
    """
    lines, index = [], []
    for at, row in enumerate(comparison.rows):
        for letter in comparison.kept_maps(row):
            cells = {
                heading: measure_text(comparison, row, measure, letter, heading, decimals)
                for measure, (heading, decimals, _) in MEASURES.items()
            }
            if any(cells.values()):
                lines.append({"attention": row.attention, "PC": "yes" * row.pc, "map": MAP_NAMES[letter], **cells})
                index.append(at)
    if lines and (known := ceiling(comparison)):
        cells = {
            heading: number_text(Number(known[measure]), decimals, _scale(heading)) if measure in known else ""
            for measure, (heading, decimals, _) in MEASURES.items()
        }
        lines.append({"attention": MASKS, "PC": "", "map": "", **cells})
        index.append(len(comparison.rows))
    measured = pd.DataFrame(lines, index=index)
    all_frames, of_objects = (MEASURES[measure][0] for measure in ("entropy", _OF_OBJECTS))
    if lines and not comparison.empty_share and measured[all_frames].equals(measured[of_objects]):
        measured = measured.drop(columns=of_objects)
    shown = [heading for heading in measured if heading in ("attention", "PC", "map") or measured[heading].any()]
    return measured[shown]


def has_two_entropies(comparison: Comparison) -> bool:
    """Whether the entropy of frames with an object, of which differences are, is another than the paper's."""
    return MEASURES[_OF_OBJECTS][0] in map_cells(comparison)


def measure_notes(comparison: Comparison, cells: pd.DataFrame) -> list[str]:
    """Say what the headings mean, of those of MEASURES that are there."""
    flat_range = comparison.params.eval.flat_range
    noted = {heading: note for heading, _, note in MEASURES.values() if note and heading in cells}
    return [f"{heading}: {note.format(flat_range=flat_range)}." for heading, note in noted.items()]


def map_notes(comparison: Comparison) -> list[str]:
    """What else is needed to read the table of maps: frames without an object, how much truth there is, chance."""
    notes = [*_empty_frames(comparison), *_other_ranges(comparison), *_truth(comparison), *_chance(comparison)]
    notes += _repeated(comparison)
    known = ceiling(comparison)
    return [*notes, *[_MASKS_NOTE.format(missed=100 * known.get(MISSED, 0))] * bool(known), _INVERSE_NOTE]


def _repeated(comparison: Comparison) -> list[str]:
    """Which rows have maps that are the same in several frames, and so no flicker, which others have."""
    of_rows = {row.name: (comparison.numbers[row], comparison.kept_maps(row)[0]) for row in comparison.rows}
    flickers = {name: ("flicker", letter) in numbers for name, (numbers, letter) in of_rows.items()}
    measured = [name for name, (numbers, letter) in of_rows.items() if ("range", letter) in numbers]
    names = [name for name in measured if not flickers[name]]
    if not names or not any(flickers.values()):
        return []
    whose = "their networks have" if len(names) > 1 else "its network has"
    why = f"{whose} fewer steps in time than a clip has frames, and several frames share a map"
    return [f"{', '.join(names)}: no flicker; {why}."]


def _other_ranges(comparison: Comparison) -> list[str]:
    """The entropies of frames with an object when other ranges than `eval.flat_range` were flat."""
    told, known = [], False
    for row in comparison.rows:
        for letter in comparison.kept_maps(row):
            at = [comparison.number(row, f"{_OF_OBJECTS}_at_{least:g}", letter) for least in FLAT_RANGES]
            texts = [f"{number.mean:.3f}" if number else "-" for number in at]  # -: all are flat
            known = known or any(at)
            if len(set(texts)) > 1:
                told.append(f"{row.name} {MAP_NAMES[letter]} {', '.join(texts)}")
    if not known:
        return []
    ranges = ", ".join(f"{least:g}" for least in FLAT_RANGES)
    others = f"{'; '.join(told)}; no other changes" if told else "none changes"
    return [f"Entropy of frames with an object, were a range below {ranges} flat: {others}."]


def _empty_frames(comparison: Comparison) -> list[str]:
    if not any(comparison.number(row, "empty_share") for row in comparison.rows):
        return []
    if not comparison.empty_share:
        return [_ALL_NOTE + (_TWO_NOTE if has_two_entropies(comparison) else _ONE_NOTE)]
    by = "the segmenter's masks are"
    if comparison.params.truth:
        by = (
            "the truth's mask or, where a frame is not annotated, the segmenter's is" if _truth(comparison) else _TRUTHS
        )
    return [
        f"{100 * comparison.empty_share:.1f} % of the frames have no object, since {by} empty there. The entropy of "
        "all frames is the paper's; there a dark map's noise counts as if it were a shape. Pointing, energy and IoU "
        "are of frames whose mask fills at least one cell by half."
    ]


def _truth(comparison: Comparison) -> list[str]:
    """Over how many videos and frames the truth's scores are, where not over all."""
    for row in comparison.losses_first:
        videos, share = comparison.number(row, "truth_videos"), comparison.number(row, "truth_share")
        if videos is None or share is None:
            continue
        total = comparison.num_videos(row)
        if videos.mean < total or share.mean < 1:
            return [
                f"Truth: {videos.mean:,.0f} of {total:,} test videos have annotated frames, {100 * share.mean:.1f} % "
                "of all frames. Scores against the truth are of these frames alone."
            ]
    return []


def _chance(comparison: Comparison) -> list[str]:
    area = comparison.shared({"area": ("truth_area", "")}).get("area")
    if area is None:
        return []
    return [f"Chance, the truth's area: {area:.2f} of a frame that has one; {1 - area:.2f} for M_b."]
