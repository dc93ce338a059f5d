"""The questions that the table is made for, answered in words from the rows that are there."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from objabn.config.rows import LOSSES
from objabn.report.comparison import Comparison
from objabn.report.first_answers import ceiling_words, first_remarks
from objabn.report.gradients import pc_warning
from objabn.report.intervals import MAX_FLAT, Difference, scope
from objabn.report.map_table import has_two_entropies
from objabn.report.method_table import ranked_words
from objabn.report.names import MAP_NAMES, REFERENCE, Row
from objabn.report.published import published_difference
from objabn.report.questions import (
    PLACED,
    PLAIN,
    QUESTIONS,
    RANKED,
    TRUTH,
    USED,
    WITH_PC,
    WITHIN_WORDING,
    WORDING,
    Asked,
    Question,
)
from objabn.statistics.contrast import LEVEL, adjusted

UNANSWERED = "**Not answered here:**"
_USED = "Used means: the answer gets worse when only the place is taken away."
HARDLY = 5.0  # points: a map is not shown to be used where an even weight costs less in every training
_HOLM = (
    f"Within a question the comparisons are corrected for their number (Holm, {100 - 100 * LEVEL:g} %); the brackets "
    f"are plain {100 * LEVEL:g} % intervals."
)


def answers(comparison: Comparison) -> list[str]:
    """Answer QUESTIONS, a paragraph each; then say what is not answered and what the intervals cover."""
    told, untold = [], []
    answered: list[Difference] = []
    of_pc = pc_warning(comparison)
    for question in QUESTIONS:
        known, signs, verdict = judge(comparison, question)
        if known:
            answered += known.values()
            sentences = [*verdict, *_sentences(comparison, known, signs)]
            remarks = _remarks(comparison, question)
            if of_pc and _is_of_pc(question):
                remarks, of_pc = [of_pc], None  # once
            told.append(" ".join([f"**{question.words}**", *sentences, *remarks]))
        elif _is_missed(comparison, question):
            untold.append(f"{question.words} {_missing(comparison, question)}")
    if untold:
        told.append(f"{UNANSWERED} {' '.join(untold)}")
    in_words = any(each.low is not None for each in answered)
    elsewhere = [row.name for row in comparison.elsewhere]
    has_intervals = in_words or comparison.has_intervals
    reach = scope(len(comparison.seeds), comparison.num_recordings, has_intervals, elsewhere)
    return [*told, f"{reach} {_HOLM}" if in_words else reach]


class Judged(NamedTuple):
    """The differences that answer a question, their signs where they are beyond noise, and yes or no."""

    known: dict[Asked, Difference]
    signs: dict[Asked, int]
    verdict: list[str]  # one, or none where no comparison that decides has an interval


def judge(comparison: Comparison, question: Question) -> Judged:
    """Judge the comparisons of a question together, corrected for their number."""
    known = _known(comparison, question)
    signs = _signs(known)
    return Judged(known, signs, _verdict(known, signs))


def _is_missed(comparison: Comparison, question: Question) -> bool:
    """Whether it is worth saying that a question has no answer, and what it would take."""
    if question.rare:
        return bool({asked.row for asked in question.comparisons} & set(comparison.rows))
    return not question.first


def _known(comparison: Comparison, question: Question) -> dict[Asked, Difference]:
    """The differences that answer a question, of those rows that have them."""
    asked = list(question.comparisons)
    for row in _judged(comparison):
        if question.map in ("", *comparison.own_maps(row)):
            asked += [Asked(row, None, measure, wanted) for measure, wanted in question.within]
    found = {each: _difference(comparison, each) for each in asked}
    return {each: difference for each, difference in found.items() if difference is not None}


def _judged(comparison: Comparison) -> list[Row]:
    """The rows of which is told what they are within themselves; a control may be there to fail, and has its tables."""
    return [row for row in comparison.rows if row.attention in LOSSES]


def _difference(comparison: Comparison, asked: Asked) -> Difference | None:
    if asked.row not in comparison.per_video:
        return None
    if asked.reference is None:
        return comparison.within(asked.row, asked.measure)
    return comparison.difference(asked.row, asked.reference, asked.measure)


def _remarks(comparison: Comparison, question: Question) -> list[str]:
    """What has to be known beside an answer."""
    if question.first:
        return first_remarks(comparison, question)
    if question is USED:
        return [*_by_training(comparison), *_hardly_used(comparison), _USED]
    if question is PLACED and (ceiling := ceiling_words(comparison)):
        return [f"For comparison: {ceiling}."]
    measured = ranked_words(comparison) if question is RANKED else None
    if measured is None:
        return []
    return [f"Insertion: more is better; deletion: less. Measured on {measured}.", *_of_the_centre(comparison)]


def _of_the_centre(comparison: Comparison) -> list[str]:
    """What a map that knows nothing of the network has, where that is more than what the rows' own maps have."""
    pairs = {
        row: (comparison.number(row, "insertion", "c"), comparison.number(row, "insertion", "o"))
        for row in _judged(comparison)
    }
    better = [row.name for row, (centre, own) in pairs.items() if centre and own and centre.mean > own.mean]
    if not better:
        return []
    return [
        f"In {', '.join(better)} the centre prior, which knows nothing of the network, has more insertion than M_o: "
        "insertion rewards cells side by side, so it alone is no proof of a good map."
    ]


def _by_training(comparison: Comparison) -> list[str]:
    """From where to where an even weight's costs go in the trainings of a row."""
    told = []
    for row in _judged(comparison):
        costs = comparison.by_training(row, "even")
        if len(costs) > 1:
            told.append(f"{row.name} {min(costs):z.1f} to {max(costs):z.1f}")
    return [f"From training to training: {', '.join(told)} points."] if told else []


def _is_of_pc(question: Question) -> bool:
    """Whether a question compares rows with PC with the same rows without."""
    return any(
        asked.row == WITH_PC or (asked.row.pc and asked.reference == Row(asked.row.attention, False))
        for asked in question.comparisons
    )


def _hardly_used(comparison: Comparison) -> list[str]:
    """Name the rows whose map is sharper than abn's, while its place is worth next to nothing in every training."""
    rows = []
    for row in _judged(comparison):
        sharper = comparison.difference(row, REFERENCE, "entropy_object")
        if row == REFERENCE or sharper is None or not sharper.beyond_noise or sharper.mean > 0:
            continue
        costs = comparison.by_training(row, "even")
        if costs and max(costs) < HARDLY:
            rows.append(f"{MAP_NAMES[comparison.compared_map(row, 'entropy_object') or 'o']} of {row.name}")
    if not rows:
        return []
    they, their = ("they are", "their") if len(rows) > 1 else ("it is", "its")
    return [
        f"Sharp, and not shown to be used: {', '.join(rows)}; {they} sharper than abn's map, and yet an even weight in "
        f"{their} place costs less than {HARDLY:g} points in every training."
    ]


def _signs(known: Mapping[Asked, Difference]) -> dict[Asked, int]:
    """The sign of each difference that is beyond noise, else 0.

    Those of a question that decide on yes and no are judged together, and so are those that do not.
    """
    passed = set()
    for decides in (True, False):
        judged = {asked: found for asked, found in known.items() if found.p is not None and found.grids is None}
        tested = [asked for asked in judged if bool(asked.wanted) == decides]
        p_values = adjusted([known[asked].p or 0.0 for asked in tested])
        passed |= {asked for asked, p in zip(tested, p_values, strict=True) if p <= 1 - LEVEL}
    return {
        asked: (1 if found.mean > 0 else -1) if found.beyond_noise and asked in passed else 0
        for asked, found in known.items()
    }


def _verdict(known: Mapping[Asked, Difference], signs: Mapping[Asked, int]) -> list[str]:
    """Yes or no, of the comparisons that decide and have an interval; nothing where there is none."""
    deciding = {asked: found for asked, found in known.items() if asked.wanted and found.low is not None}
    if not any(found.comparable for found in deciding.values()):
        return []
    wanted = {signs[asked] * asked.wanted for asked in deciding}
    if len(wanted) == 1:
        return [{1: "Yes.", 0: "Not beyond noise.", -1: "No, the opposite."}[wanted.pop()]]
    if 1 in wanted:
        return ["Yes and no." if -1 in wanted else "In part."]
    return ["Not beyond noise; in part the opposite."]


def _sentences(comparison: Comparison, known: Mapping[Asked, Difference], signs: Mapping[Asked, int]) -> list[str]:
    """One for each pair of rows."""
    pairs: dict[tuple[Row, str], list[str]] = {}
    for asked, found in known.items():
        claim = _claim(asked, found, signs[asked]) + _papers(comparison, asked)
        pairs.setdefault((asked.row, _other(asked)), []).append(claim)
    return [f"{row.name}{other}: {', '.join(claims)}." for (row, other), claims in pairs.items()]


def _other(asked: Asked) -> str:
    """The row that another one is compared with, if it is one; of plain the map that it is compared by."""
    if asked.reference is None:
        return ""
    of_map = asked.reference == PLAIN and asked.measure != "top1"
    return f" against {'the Grad-CAM of plain' if of_map else asked.reference.name}"


def _claim(asked: Asked, found: Difference, sign: int) -> str:
    """One difference: its size when it is beyond noise, with its sign when it is not."""
    wording = (WORDING if asked.reference else WITHIN_WORDING)[asked.measure]
    less, more, name, unit, decimals, nothing = wording
    if found.low is None or found.high is None:
        return f"{name} {found.mean:+z.{decimals}f}{unit}"
    if sign:
        sizes = found[:3] if sign > 0 else (-found.mean, -found.high, -found.low)
        return f"{less if sign < 0 else more} {_interval(sizes, unit, f'.{decimals}f')}"
    numbers = _interval((found.mean, found.low, found.high), unit, f"+z.{decimals}f")
    if found.grids:
        cells = " and ".join(f"{side} x {side}" for side in found.grids)
        return f"in {name} no claim, the maps have other grids, {cells} cells ({numbers})"
    if found.flat > MAX_FLAT:
        limit = (
            f"maps of one of them are flat in {100 * found.flat:.1f} % of the frames, {100 * MAX_FLAT:g} % is the limit"
        )
        return f"in {name} no claim, {limit} ({numbers})"
    among = " among so many comparisons" if found.beyond_noise else ""
    return f"{nothing or f'in {name} nothing beyond noise'}{among} ({numbers})"


def _interval(numbers: Sequence[float | None], unit: str, form: str) -> str:
    mean, low, high = (format(each, form) for each in numbers)
    return f"{mean}{unit} [{low}, {high}]"


def _papers(comparison: Comparison, asked: Asked) -> str:
    """The paper's own difference, if it has both rows."""
    if asked.reference is None:
        return ""
    found = published_difference(comparison.params.published, asked.row, asked.reference, asked.measure)
    if found is None:
        return ""
    wording = WORDING[asked.measure]
    size = f"{abs(found):.{wording.decimals}f}{wording.unit}"
    frames = ", of all frames" * bool(asked.measure == "entropy_object" and has_two_entropies(comparison))
    return f" (the paper{frames}: {size} {'lower' if found < 0 else 'higher'})"


def _missing(comparison: Comparison, question: Question) -> str:
    """What an answer would take."""
    if question.missing:
        return question.missing
    known = set(comparison.rows)
    rows = {row: None for asked in question.comparisons for row in asked[:2] if row and row not in known}
    there = [asked for asked in question.comparisons if set(asked[:2]) <= known]
    if not there:
        return f"It takes rows that are not in the table ({', '.join(row.name for row in rows)})."
    if all(asked.measure in TRUTH for asked in there):
        return "It takes ground truth; IoU fit is agreement with the segmenter's masks."
    return "It takes test videos of which both rows have such numbers in all trainings."
