"""What stands beside the three sentences that come first: scores, their ceiling, and what the design could see."""

from objabn.report.comparison import Comparison
from objabn.report.intervals import smallest_words
from objabn.report.map_table import MASKS, MISSED, ceiling
from objabn.report.method_table import ranked_words
from objabn.report.names import CENTRE, GRAD_CAM, Row
from objabn.report.questions import ABN, COSTS, HUMAN, LIES, MASK, NEEDS, PLAIN, Question
from objabn.statistics.power import POWER

_PLACED = {"pointing": ("pointing", 100, 1, " %"), "iou_best": ("best IoU", 1, 3, "")}  # words, scale, decimals, unit


def first_remarks(comparison: Comparison, question: Question) -> list[str]:
    """What has to be known beside one of the three sentences; nothing of other questions."""
    if question is LIES:
        return _scores(comparison)
    if question is NEEDS:
        return [*_worth_at_most(comparison), *_equal_footing(comparison)]
    return [*_accuracies(comparison), *_seen(comparison)] if question is COSTS else []


def ceiling_words(comparison: Comparison) -> str | None:
    """Write what the segmenter's masks score against the truth; None where there is no truth."""
    known = ceiling(comparison)
    if not _placed(known):
        return None
    missed = known.get(MISSED, 0.0)
    found = f" (none in {100 * missed:.1f} % of the frames)" * (missed > 0)
    return f"{MASKS}, the ceiling of maps that learn from them, {_placed(known)}{found}"


def _scores(comparison: Comparison) -> list[str]:
    """How each row's map lies on the truth, and how the segmenter's masks do."""
    found = {}
    for row in (MASK, ABN, PLAIN, HUMAN):
        if row not in comparison.numbers:
            continue
        numbers = {measure: score_of(comparison, row, measure) for measure in _PLACED}
        found[row] = _placed({measure: value for measure, value in numbers.items() if value is not None})
    told = [f"{_named(comparison, row)} {words}" for row, words in found.items() if words]
    told += filter(None, [ceiling_words(comparison)])
    centre = _centre(comparison)
    told += [f"a bump in the middle of all frames {_placed(centre)}"] if centre else []
    return [f"Scores: {'; '.join(told)}.", *beware_of_the_centre(comparison)] if told else []


def beware_of_the_centre(comparison: Comparison) -> list[str]:
    """Warn where a bump that knows neither the network nor the clip scores no less than the mask loss's map."""
    ahead = [
        _PLACED[measure][0]
        for measure, value in _centre(comparison).items()
        if (own := score_of(comparison, MASK, measure)) is not None and value >= own
    ]
    return [f"Beware: in {' and '.join(ahead)} the bump in the middle is no worse than mask's map."] if ahead else []


def _centre(comparison: Comparison) -> dict[str, float]:
    """Return what the bump in the middle of all frames scores."""
    return comparison.shared({measure: (measure, CENTRE) for measure in _PLACED})


def score_of(comparison: Comparison, row: Row, measure: str) -> float | None:
    """Return a measure of the map that the row is compared by; None where there is no such row, map or measure."""
    letter = comparison.compared_map(row, measure) if row in comparison.numbers else None
    number = comparison.number(row, measure, letter) if letter else None
    return number.mean if number else None


def _named(comparison: Comparison, row: Row) -> str:
    return f"Grad-CAM of {row.name}" if comparison.compared_map(row, "pointing") == GRAD_CAM else row.name


def _placed(scores: dict[str, float]) -> str:
    """Write scores against the truth, as in "pointing 71.2 %, best IoU 0.352"; nothing where there are none."""
    return ", ".join(
        f"{words} {scale * scores[measure]:.{decimals}f}{unit}"
        for measure, (words, scale, decimals, unit) in _PLACED.items()
        if measure in scores
    )


def _worth_at_most(comparison: Comparison) -> list[str]:
    """The ceiling of what an even weight can cost: the answer can fall to chance."""
    top1, classes = comparison.number(MASK, "top1"), comparison.num_classes
    if top1 is None or not classes or comparison.within(MASK, "even") is None:
        return []
    most = f"{max(top1.mean - 100 / classes, 0):.1f} points"
    return [f"The ceiling: an answer no better than chance (one of {classes}) would have lost {most}."]


def _equal_footing(comparison: Comparison) -> list[str]:
    """Say how Grad-CAM can be compared with a map that the network multiplies."""
    ranked = ranked_words(comparison)
    if ranked is None or comparison.within(MASK, "insertion") is None:
        return []
    return [
        "Insertion (more is better) and deletion (less) are against the Grad-CAM of the same network, measured on "
        f"{ranked}; an even weight cannot stand in Grad-CAM's place, since no answer goes through it."
    ]


def _accuracies(comparison: Comparison) -> list[str]:
    told = [
        f"{row.name} {number.mean:.1f} %"
        for row in (MASK, ABN, PLAIN)
        if row in comparison.numbers and (number := comparison.number(row, "top1"))
    ]
    if comparison.num_classes:
        told.append(f"chance {100 / comparison.num_classes:.1f} %")
    return [f"Top-1: {', '.join(told)}."] if told else []


def _seen(comparison: Comparison) -> list[str]:
    """The smallest cost that this design could have seen."""
    told = []
    for other in (ABN, PLAIN):
        difference = comparison.difference(MASK, other, "top1")
        if difference and (words := smallest_words([difference], ".1f")):
            told.append(f"{words} points against {other.name}")
    if not told:
        return []
    each = ", each judged by itself" * (len(told) > 1)
    seen = f"This design would see, in {100 * POWER:g} % of its repetitions, a cost from {' and '.join(told)} on{each}"
    return [f"{seen}."]
