"""The questions that the table is made for, answered in words from the rows that are there."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from objabn.report.comparison import Comparison
from objabn.report.intervals import MAX_FLAT, Difference, scope
from objabn.report.names import Row
from objabn.report.published import published_difference
from objabn.statistics.contrast import LEVEL, adjusted

TRUTH = ("pointing", "iou_truth")
UNANSWERED = "**Not answered here:**"


class Wording(NamedTuple):
    """How a measure's differences are told."""

    less: str
    more: str
    name: str
    unit: str
    decimals: int


WORDING = {
    "top1": Wording("less accurate by", "more accurate by", "top-1", " points", 1),
    "entropy": Wording("sharper by", "less sharp by", "entropy", " bits", 2),
    "pointing": Wording("highest on the truth less often, by", "highest on the truth more often, by", "pointing",
                        " points", 1),
    "iou_truth": Wording("its IoU with the truth lower by", "its IoU with the truth higher by", "IoU with the truth",
                         "", 3),
}  # fmt: skip


class Asked(NamedTuple):
    """A row against another in a measure of `intervals.MEASURES`."""

    row: Row
    reference: Row
    measure: str
    wanted: int  # the sign of the difference that says yes to the question; 0: it is not one of yes and no


class Question(NamedTuple):
    """Words and what answers them. Comparisons whose rows are not there are left out."""

    words: str
    comparisons: tuple[Asked, ...]


def _asked(words: str, *comparisons: tuple[Row, Row, str, int]) -> Question:
    return Question(words, tuple(Asked(*comparison) for comparison in comparisons))


def _with_pc(name: str) -> Row:
    return Row(name, True)


def _without(name: str) -> Row:
    """A loss configuration without PC, or a control."""
    return Row(name, False)


ABN, MASK, MHA, PLAIN = map(_without, ("abn", "mask", "mha", "plain"))
SHIFTED, OTHERS = map(_without, ("shifted-masks", "other-masks"))


# A row, the row it is compared with, the measure, the sign of the difference that says yes (0: no such question). Names
# other than those of the table's own rows are controls'.
QUESTIONS = (
    _asked(
        "Are the maps sharper with the mask loss?",
        (MASK, ABN, "entropy", -1),
        (MHA, ABN, "entropy", -1),
    ),
    _asked(
        "Do the sharp maps lie on the figure?",
        *((row, ABN, measure, 1) for row in (MASK, MHA) for measure in TRUTH),
        *((row, PLAIN, measure, 1) for row in (MASK, MHA) for measure in TRUTH),
        *((MASK, wrong, measure, 1) for wrong in (SHIFTED, OTHERS) for measure in TRUTH),
    ),
    _asked(
        "Are the maps sharper with wrong masks, too?",
        (SHIFTED, ABN, "entropy", -1),
        (OTHERS, ABN, "entropy", -1),
    ),
    _asked(
        "Are the maps sharper with PC?",
        *((_with_pc(row.attention), row, "entropy", -1) for row in (ABN, MASK, MHA)),
    ),
    _asked(
        "Are the answers more accurate with PC?",
        *((_with_pc(row.attention), row, "top1", 1) for row in (ABN, MASK, MHA)),
    ),
    _asked(
        "Is mha less accurate?",
        (MHA, ABN, "top1", -1),
        (MHA, MASK, "top1", -1),
        (_with_pc("mha"), _with_pc("abn"), "top1", -1),
        (_with_pc("mha"), _with_pc("mask"), "top1", -1),
    ),
    _asked(
        "Is mha better when it starts as the identity?",
        (MHA, _without("mha-default"), "top1", 1),
        (MHA, _without("mha-default"), "entropy", -1),
        (_without("mha-identity"), MHA, "top1", 1),
        (_without("mha-identity"), MHA, "entropy", -1),
    ),
    _asked(
        "What does another way of resizing the masks change?",
        *(
            (_without(f"mask-{resize}"), MASK, measure, 0)
            for resize in ("area", "max", "nearest")
            for measure in ("entropy", "iou_truth", "top1")
        ),
    ),
)
_HOLM = (
    f"Within a question the comparisons are corrected for their number (Holm, {100 - 100 * LEVEL:g} %); the brackets "
    f"are plain {100 * LEVEL:g} % intervals."
)


def answers(comparison: Comparison) -> list[str]:
    """Answer QUESTIONS, a paragraph each; then say what is not answered and what the intervals cover."""
    published = comparison.params.published
    told, untold = [], []
    answered: list[Difference] = []
    for question in QUESTIONS:
        found = {asked: comparison.difference(*asked[:3]) for asked in question.comparisons}
        known = {each: difference for each, difference in found.items() if difference is not None}
        if known:
            signs = _signs(known)
            answered += known.values()
            told.append(
                " ".join([f"**{question.words}**", *_verdict(known, signs), *_sentences(known, signs, published)])
            )
        else:
            untold.append(f"{question.words} {_missing(comparison, question)}")
    if untold:
        told.append(f"{UNANSWERED} {' '.join(untold)}")
    in_words = any(each.low is not None for each in answered)
    reach = scope(len(comparison.seeds), comparison.num_recordings, in_words or comparison.has_intervals)
    return [*told, f"{reach} {_HOLM}" if in_words else reach]


def _signs(known: Mapping[Asked, Difference]) -> dict[Asked, int]:
    """The sign of each difference that is beyond noise when all of a question are judged together, else 0."""
    tested = [asked for asked, found in known.items() if found.p is not None]
    p_values = dict(zip(tested, adjusted([known[asked].p or 0.0 for asked in tested]), strict=True))
    return {
        asked: (1 if found.mean > 0 else -1) if found.beyond_noise and p_values.get(asked, 1.0) <= 1 - LEVEL else 0
        for asked, found in known.items()
    }


def _verdict(known: Mapping[Asked, Difference], signs: Mapping[Asked, int]) -> list[str]:
    """Yes or no, of all comparisons together; nothing where that was not asked, or where no interval is known."""
    if not all(asked.wanted for asked in known) or all(found.low is None for found in known.values()):
        return []
    if all(found.flat > MAX_FLAT for found in known.values()):
        return []
    wanted = {sign * asked.wanted for asked, sign in signs.items()}
    if len(wanted) == 1:
        return [{1: "Yes.", 0: "Not beyond noise.", -1: "No, the opposite."}[wanted.pop()]]
    if 1 in wanted:
        return ["Yes and no." if -1 in wanted else "In part."]
    return ["Not beyond noise; in part the opposite."]


def _sentences(known: Mapping[Asked, Difference], signs: Mapping[Asked, int], published: str | None) -> list[str]:
    """One for each pair of rows."""
    pairs: dict[tuple[Row, Row], list[str]] = {}
    for asked, found in known.items():
        pairs.setdefault(asked[:2], []).append(_claim(asked, found, signs[asked]) + _papers(asked, published))
    return [f"{row.name} against {_other(other)}: {', '.join(claims)}." for (row, other), claims in pairs.items()]


def _other(row: Row) -> str:
    """The row that another one is compared with."""
    return "the Grad-CAM of plain" if row == PLAIN else row.name


def _claim(asked: Asked, found: Difference, sign: int) -> str:
    """One difference: its size when it is beyond noise, with its sign when it is not."""
    less, more, name, unit, decimals = WORDING[asked.measure]
    if found.low is None or found.high is None:
        return f"{name} {found.mean:+z.{decimals}f}{unit}"
    if sign:
        sizes = found[:3] if sign > 0 else (-found.mean, -found.high, -found.low)
        return f"{less if sign < 0 else more} {_interval(sizes, unit, f'.{decimals}f')}"
    numbers = _interval((found.mean, found.low, found.high), unit, f"+z.{decimals}f")
    if found.flat > MAX_FLAT:
        limit = (
            f"maps of one of them are flat in {100 * found.flat:.1f} % of the frames, {100 * MAX_FLAT:g} % is the limit"
        )
        return f"in {name} no claim, {limit} ({numbers})"
    if found.beyond_noise:
        return f"in {name} nothing beyond noise among so many comparisons ({numbers})"
    return f"in {name} nothing beyond noise ({numbers})"


def _interval(numbers: Sequence[float | None], unit: str, form: str) -> str:
    mean, low, high = (format(each, form) for each in numbers)
    return f"{mean}{unit} [{low}, {high}]"


def _papers(asked: Asked, published: str | None) -> str:
    """The paper's own difference, if it has both rows."""
    found = published_difference(published, asked.row, asked.reference, asked.measure)
    if found is None:
        return ""
    wording = WORDING[asked.measure]
    size = f"{abs(found):.{wording.decimals}f}{wording.unit}"
    return f" (the paper: {size} {'lower' if found < 0 else 'higher'})"


def _missing(comparison: Comparison, question: Question) -> str:
    """What an answer would take."""
    known = set(comparison.rows)
    rows = {row: None for asked in question.comparisons for row in (asked.row, asked.reference) if row not in known}
    there = [asked for asked in question.comparisons if {asked.row, asked.reference} <= known]
    if not there:
        return f"It takes rows that are not in the table ({', '.join(row.name for row in rows)})."
    if all(asked.measure in TRUTH for asked in there):
        return "It takes ground truth; IoU fit is agreement with the segmenter's masks."
    return "It takes test videos of which both rows have such numbers in all trainings."
