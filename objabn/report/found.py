"""What was found, in three short sentences: the first screen of the report.

They are the first answers (`answers`), with the same yes or no, but for a reader who does not know the rows yet, and of
each question one comparison alone.
"""

from collections.abc import Sequence

from objabn.report.answers import judge
from objabn.report.comparison import Comparison
from objabn.report.first_answers import beware_of_the_centre, score_of
from objabn.report.intervals import Difference
from objabn.report.names import Row
from objabn.report.questions import ABN, COSTS, LIES, MASK, NEEDS, PLAIN, SHARPNESS_ASKED, Question
from objabn.statistics.contrast import LEVEL

_HARDLY_SEEN = "a cost of less than {:.1f} points might not be seen"
_WITHOUT = {ABN: "without it (abn)", PLAIN: "in a network without a map (plain)"}


def found(comparison: Comparison) -> list[str]:
    """Tell where the mask loss's map lies, whether the answer uses it, and what it costs: a sentence each.

    Without truth the first one tells how sharp the map is. Questions whose rows are not there have no sentence; with
    one training there is no yes or no, and no interval.

    Returns:
        sentences, each with its question and verdict as `**strong**`.
    """
    where = _lies(comparison) or _sharper(comparison)
    return [each for each in (where, _needs(comparison), _costs(comparison)) if each]


def fine_print(sentences: Sequence[str]) -> str:
    """Say what the brackets of `found` are, or why there are none; nothing without a sentence."""
    if any("]" in sentence for sentence in sentences):
        return (
            f"Brackets: {100 * LEVEL:g} % intervals over other trainings and other test recordings, each judged by "
            "itself. Yes and no are of all comparisons of a question, corrected for their number."
        )
    return "No yes or no and no intervals: that takes several trainings and test recordings." if sentences else ""


def _lies(comparison: Comparison) -> str | None:
    """How often the map is highest on the object, with the mask loss and without it."""
    for other in (ABN, PLAIN):
        difference = _difference(comparison, MASK, other, "pointing")
        own, theirs = score_of(comparison, MASK, "pointing"), score_of(comparison, other, "pointing")
        if difference and own is not None and theirs is not None:
            without = _WITHOUT[other] if other == ABN else "with Grad-CAM of a network without a map (plain)"
            return (
                f"{_asked(comparison, LIES)} The map is highest on the object in {100 * own:.1f} % of the frames with "
                f"the mask loss (row mask), in {100 * theirs:.1f} % {without}: {_points(difference)}."
            ) + "".join(f" {warning}" for warning in beware_of_the_centre(comparison))
    return None


def _sharper(comparison: Comparison) -> str | None:
    """How much sharper the map is, where there is no truth to tell where it lies."""
    difference = _difference(comparison, MASK, ABN, "entropy_object")
    if difference is None:
        return None
    size = f"{difference.mean:+z.2f} bits{_interval(difference, '+z.2f')}"
    untold = "Where it lies is not known: that takes ground truth."
    if not difference.comparable:
        flat = f"one of them has flat maps in {100 * difference.flat:.1f} % of the frames"
        why = "they have other grids" if difference.grids else flat
        return f"**{SHARPNESS_ASKED.words}** No claim can be made of mask and abn: {why}. {untold}"
    return f"{_asked(comparison, SHARPNESS_ASKED)} Its entropy against abn's: {size}; lower is sharper. {untold}"


def _needs(comparison: Comparison) -> str | None:
    """What top-1 loses when one even weight takes the map's place."""
    costs = comparison.within(MASK, "even") if MASK in comparison.per_video else None
    if costs is None:
        return None
    other = comparison.within(ABN, "even") if ABN in comparison.per_video else None
    beside = f"; without the mask loss (abn): {_points(other, signed=False)}" if other else ""
    return (
        f"{_asked(comparison, NEEDS)} With the same weight everywhere in place of the map, top-1 loses "
        f"{_points(costs, signed=False)}{beside}."
    )


def _costs(comparison: Comparison) -> str | None:
    """Top-1 with the mask loss and without it."""
    for other in (ABN, PLAIN):
        difference = _difference(comparison, MASK, other, "top1")
        own, theirs = _top1(comparison, MASK), _top1(comparison, other)
        if difference is None or own is None or theirs is None:
            continue
        seen = ""
        if difference.smallest is not None and not difference.beyond_noise:
            seen = f"; {_HARDLY_SEEN.format(difference.smallest)}"
        return (
            f"{_asked(comparison, COSTS)} Top-1 is {own:.1f} % with the mask loss, {theirs:.1f} % {_WITHOUT[other]}: "
            f"{_points(difference)}{seen}."
        )
    return None


def _asked(comparison: Comparison, question: Question) -> str:
    """The question and its verdict, where there is one."""
    return f"**{' '.join([question.words, *judge(comparison, question).verdict])}**"


def _difference(comparison: Comparison, row: Row, other: Row, measure: str) -> Difference | None:
    known = row in comparison.per_video and other in comparison.per_video
    return comparison.difference(row, other, measure) if known else None


def _top1(comparison: Comparison, row: Row) -> float | None:
    number = comparison.number(row, "top1") if row in comparison.numbers else None
    return number.mean if number else None


def _points(difference: Difference, *, signed: bool = True) -> str:
    """A difference of points with its interval."""
    form = "+z.1f" if signed else "z.1f"
    return f"{difference.mean:{form}} points{_interval(difference, form)}"


def _interval(difference: Difference, form: str) -> str:
    if difference.low is None or difference.high is None:
        return ""
    return f" [{difference.low:{form}},\N{NO-BREAK SPACE}{difference.high:{form}}]"
