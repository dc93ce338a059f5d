"""The questions that the table is made for, and how the measures that answer them are told in words."""

from typing import NamedTuple

from objabn.report.names import Row

TRUTH = ("pointing", "iou_truth", "iou_best")


class Wording(NamedTuple):
    """How a measure's differences are told.

    Attributes:
        nothing: what is said of a difference that is not beyond noise, where that is not "in `name` nothing ...".
    """

    less: str
    more: str
    name: str
    unit: str
    decimals: int
    nothing: str = ""


# Between rows.
WORDING = {
    "top1": Wording("less accurate by", "more accurate by", "top-1", " points", 1),
    "lost_even": Wording("its map used less, by", "its map used more, by", "what one even weight costs", " points", 1),
    "entropy_object": Wording("sharper by", "less sharp by", "entropy", " bits", 2),
    "pointing": Wording("highest on the truth less often, by", "highest on the truth more often, by", "pointing",
                        " points", 1),
    "iou_truth": Wording("its IoU with the truth lower by", "its IoU with the truth higher by", "IoU with the truth",
                         "", 3),
    "iou_best": Wording("its best IoU with the truth lower by", "its best IoU with the truth higher by",
                        "best IoU with the truth", "", 3),
}  # fmt: skip
# Within a row (`within.WITHIN`).
WITHIN_WORDING = {
    "even": Wording("one even weight gains", "one even weight costs", "one even weight costs", " points", 1,
                    "what one even weight costs is not beyond noise"),
    "pointing": Wording("highest on the truth less often, by", "highest on the truth more often, by", "pointing",
                        " points", 1),
    "iou_best": Wording("its best IoU with the truth lower by", "its best IoU with the truth higher by",
                        "best IoU with the truth", "", 3),
    "insertion": Wording("insertion lower by", "insertion higher by", "insertion", "", 3),
    "deletion": Wording("deletion lower by", "deletion higher by", "deletion", "", 3),
}  # fmt: skip


class Asked(NamedTuple):
    """A row against another in a measure of `intervals.MEASURES`, or within itself in one of `within.WITHIN`."""

    row: Row
    reference: Row | None  # None: within the row
    measure: str
    wanted: int  # the sign of the difference that says yes to the question; 0: it does not decide on yes and no


class Question(NamedTuple):
    """Words and what answers them. Comparisons whose rows are not there are left out.

    Attributes:
        within: measures of `within.WITHIN` that are asked of every row with the map, and the sign that says yes.
        map: letter of the map that a row has to have for these; "": any of its own.
        missing: what an answer takes where no row has these measures.
        rare: whether nothing is said of it where its rows are not there.
        first: whether it is one of the sentences that come first; nothing is said of one without an answer, since the
            questions below say what it takes.
    """

    words: str
    comparisons: tuple[Asked, ...] = ()
    within: tuple[tuple[str, int], ...] = ()
    map: str = ""
    missing: str = ""
    rare: bool = False
    first: bool = False


def _asked(words: str, *comparisons: tuple[Row, Row, str, int], rare: bool = False) -> Question:
    return Question(words, tuple(Asked(*comparison) for comparison in comparisons), rare=rare)


def _with_pc(name: str) -> Row:
    return Row(name, True)


def _without(name: str) -> Row:
    """A loss configuration without PC, or a control."""
    return Row(name, False)


ABN, MASK, MHA, PLAIN = map(_without, ("abn", "mask", "mha", "plain"))
SHIFTED, OTHERS = map(_without, ("shifted-masks", "other-masks"))
HUMAN, MOTION, WITH_PC = map(_without, ("human-masks", "motion-masks", "mask-pc"))
SHARPER, ON_TRUTH = ("entropy_object", -1), ("pointing", "iou_truth")
USED = Question(
    "Is the map used?",
    within=(("even", 1),),
    missing="It takes rows with maps of their own.",
)
PLACED = Question(
    "Does M_o lie on the object better than Grad-CAM on the same network?",
    within=(("pointing", 1), ("iou_best", 1)),
    map="o",
    missing="It takes ground truth and rows with M_o.",
)
RANKED = Question(
    "Does M_o rank evidence better than Grad-CAM on the same network?",
    within=(("insertion", 1), ("deletion", -1)),
    map="o",
    missing="It takes insertion and deletion (`eval.ranking_videos`) and rows with M_o.",
)
# What the study is for, in three sentences: where the mask loss's maps lie, whether they are used, what they cost.
LIES = Question(
    "Does the mask loss put the map on the object?",
    tuple(Asked(MASK, other, measure, 1) for other in (ABN, PLAIN) for measure in ("pointing", "iou_best")),
    first=True,
)
NEEDS = Question(
    "Does the answer of mask use its map?",
    (  # the first alone says yes or no; the others, how much beside abn's map, and beside Grad-CAM
        Asked(MASK, None, "even", 1),
        Asked(MASK, ABN, "lost_even", 0),
        Asked(MASK, None, "insertion", 0),
        Asked(MASK, None, "deletion", 0),
    ),
    first=True,
)
COSTS = Question(
    "Does the mask loss cost accuracy?",
    (Asked(MASK, ABN, "top1", -1), Asked(MASK, PLAIN, "top1", -1)),
    first=True,
)
SHARPNESS_ASKED = _asked(
    "Are the maps sharper with the mask loss?",
    (MASK, ABN, *SHARPER),
    (MHA, ABN, *SHARPER),
)
# What better, worse and wrong masks change; of controls with human masks what a dose of error changes.
_CHANGED = ("pointing", "iou_best", "top1", "lost_even")
_DOSES = ("human-shift-10", "human-shift-20", "human-shift-40", "human-drop-25", "human-drop-50")
# Controls that read PC in another way, and those whose training or network is to make the map needed.
_READINGS = ("pc-max", "pc-flatten", "pc-apart", "pc-squared", "pc-released", "pc-two", "pc-strong",
             "pc-released-strong")  # fmt: skip
_NEEDED = {
    ABN: ("abn-even",),
    MASK: ("mask-even-weak", "mask-even", "mask-even-strong", "mask-residual", "mask-energy"),
    MHA: ("mha-even-weak", "mha-even", "mha-even-strong", "mha-object", "mha-object-even", "mha-no-bias", "mha-energy"),
}

# A row, the row it is compared with, the measure, the sign of the difference that says yes (0: no such question). Names
# other than those of the table's own rows are controls'.
QUESTIONS = (
    LIES,
    NEEDS,
    COSTS,
    _asked(
        "How good must the masks be?",
        *((row, MASK, measure, 0) for row in (HUMAN, MOTION) for measure in _CHANGED),
        *((HUMAN, SHIFTED, measure, 0) for measure in _CHANGED),
        rare=True,
    ),
    _asked(
        "How much error do the masks bear?",
        *((_without(name), HUMAN, measure, 0) for name in _DOSES for measure in _CHANGED),
        rare=True,
    ),
    _asked(
        "Are the answers worse after a training with fewer clips?",
        (_without("plain-half"), PLAIN, "top1", -1),
        (_without("plain-quarter"), _without("plain-half"), "top1", -1),
        rare=True,
    ),
    SHARPNESS_ASKED,
    _asked(
        "Do the sharp maps lie on the object?",
        *((row, ABN, measure, 1) for row in (MASK, MHA) for measure in ON_TRUTH),
        *((row, PLAIN, measure, 1) for row in (MASK, MHA) for measure in ON_TRUTH),
        *((MASK, wrong, measure, 1) for wrong in (SHIFTED, OTHERS) for measure in ON_TRUTH),
    ),
    USED,
    PLACED,
    RANKED,
    _asked(
        "Are the maps sharper with wrong masks, too?",
        (SHIFTED, ABN, *SHARPER),
        (OTHERS, ABN, *SHARPER),
    ),
    _asked(
        "Are the maps sharper with PC?",
        *((_with_pc(row.attention), row, *SHARPER) for row in (ABN, MASK, MHA)),
        (WITH_PC, MASK, *SHARPER),
    ),
    _asked(
        "Are the answers more accurate with PC?",
        *((_with_pc(row.attention), row, "top1", 1) for row in (ABN, MASK, MHA)),
        (WITH_PC, MASK, "top1", 1),
    ),
    _asked(
        "Are the maps sharper with another reading of PC?",
        *((_without(name), MASK, *SHARPER) for name in _READINGS),
        rare=True,
    ),
    _asked(
        "Is the map used more where the training asks for it?",
        *((_without(name), row, "lost_even", 1) for row, names in _NEEDED.items() for name in names),
        rare=True,
    ),
    _asked(
        "Does that cost accuracy?",
        *((_without(name), row, "top1", -1) for row, names in _NEEDED.items() for name in names),
        rare=True,
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
        (MHA, _without("mha-default"), *SHARPER),
        (_without("mha-identity"), MHA, "top1", 1),
        (_without("mha-identity"), MHA, *SHARPER),
    ),
    _asked(
        "What does another way of resizing the masks change?",
        *(
            (_without(f"mask-{resize}"), MASK, measure, 0)
            for resize in ("area", "max", "nearest")
            for measure in ("entropy_object", "iou_truth", "top1")
        ),
    ),
)
