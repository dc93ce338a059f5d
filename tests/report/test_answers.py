"""The answers in words: one test a verdict, on tables whose differences and intervals can be counted by hand."""

from pathlib import Path

import pandas as pd
import pytest

from objabn.config.file import load_params
from objabn.config.rows import MAPS
from objabn.report.answers import QUESTIONS, answers
from objabn.report.intervals import MEASURES, scope
from objabn.report.names import Row
from objabn.report.tables import to_markdown
from objabn.report.within import WITHIN
from tests.helpers.comparisons import made_comparison, results

VIDEOS = list("abcdef")
# How far each measure's three trainings lie apart.
STEPS = {"top1": 0.01, "entropy_object": 0.1, "pointing": 0.01, "iou_truth": 0.01, "flat_share_object": 0.0}


def table(seeds: int = 3, **measures: float) -> pd.DataFrame:
    """Results of six videos that are all alike: the value, less a step in seed 0, and more by it in seed 2.

    The difference of two such rows has 4 degrees of freedom and an error of sqrt(2 / 3) steps, so its interval reaches
    2.776 * 0.8165 = 2.267 steps to each side: 2.3 points, 0.23 bits, 0.023 of an IoU.
    """
    columns = {}
    for name, value in {"top1": 0.5, **measures}.items():
        step = STEPS[name] if name in STEPS else STEPS[name.rpartition("_")[0]]
        columns[name] = [[value + step * (seed - (seeds - 1) / 2)] * len(VIDEOS) for seed in range(seeds)]
    return results(VIDEOS, **columns)


def of(rows: dict[str, pd.DataFrame]) -> dict[Row, pd.DataFrame]:
    return {Row(name.removesuffix(" + PC"), name.endswith(" + PC")): each for name, each in rows.items()}


def answers_to(rows: dict[str, pd.DataFrame], published: str | None = None) -> list[str]:
    tables = of(rows)
    seeds = sorted(next(iter(tables.values()))["seed"].unique())
    return answers(made_comparison({row: {} for row in tables}, per_video=tables, seeds=seeds, published=published))


def answer(words: str, rows: dict[str, pd.DataFrame], published: str | None = None) -> str:
    """What stands behind the question."""
    [found] = [each for each in answers_to(rows, published) if each.startswith(f"**{words}** ")]
    return found.removeprefix(f"**{words}** ")


ABN = table(entropy_object_u=2.5, flat_share_object_u=0.0)
SHARPEN = "Are the maps sharper with the mask loss?"
PLACE = "Do the sharp maps lie on the object?"
COST = "Does the mask loss cost accuracy?"
WRONG = "Are the maps sharper with wrong masks, too?"
PC_SHARPER, PC_RIGHTER = "Are the maps sharper with PC?", "Are the answers more accurate with PC?"
MHA = "Is mha less accurate?"


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (1.125, "Yes. mask against abn: sharper by 1.38 bits [1.15, 1.60]."),
        (3.0, "No, the opposite. mask against abn: less sharp by 0.50 bits [0.27, 0.73]."),
        (2.375, "Not beyond noise. mask against abn: in entropy nothing beyond noise (-0.12 bits [-0.35, +0.10])."),
        (2.5, "Not beyond noise. mask against abn: in entropy nothing beyond noise (+0.00 bits [-0.23, +0.23])."),
    ],
    ids=["sharper", "less sharp", "noise", "the same"],
)
def test_each_verdict_of_one_comparison(mask: float, expected: str) -> None:
    assert answer(SHARPEN, {"abn": ABN, "mask": table(entropy_object_o=mask)}) == expected


SHARP, BLURRED, ALIKE = table(entropy_object_o=1.0), table(entropy_object_o=3.5), table(entropy_object_o=2.5)


@pytest.mark.parametrize(
    ("mask", "mha", "expected"),
    [
        (SHARP, SHARP, "Yes."),
        (SHARP, ALIKE, "In part."),
        (SHARP, BLURRED, "Yes and no."),
        (ALIKE, ALIKE, "Not beyond noise."),
        (ALIKE, BLURRED, "Not beyond noise; in part the opposite."),
        (BLURRED, BLURRED, "No, the opposite."),
    ],
)
def test_the_verdict_of_two_comparisons(mask: pd.DataFrame, mha: pd.DataFrame, expected: str) -> None:
    found = answer(SHARPEN, {"abn": ABN, "mask": mask, "mha": mha})
    assert found.startswith(f"{expected} mask against abn: ")
    assert ". mha against abn: " in found


def test_what_is_beyond_noise_alone_is_not_so_among_many() -> None:
    """0.25 bits are 3.06 errors, p 0.038 with 4 degrees of freedom: below 0.05, twice that is not (Holm)."""
    near, sharp = table(entropy_object_o=2.25), table(entropy_object_o=0.5)
    assert answer(SHARPEN, {"abn": ABN, "mask": near}) == (
        "Yes. mask against abn: sharper by 0.25 bits [0.02, 0.48]."
    )  # fmt: skip
    noise = "in entropy nothing beyond noise among so many comparisons (-0.25 bits [-0.48, -0.02])"
    assert answer(SHARPEN, {"abn": ABN, "mask": near, "mha": near}) == (
        f"Not beyond noise. mask against abn: {noise}. mha against abn: {noise}."
    )
    # The other one is surer than the half of 0.05, so this one is judged alone.
    assert answer(SHARPEN, {"abn": ABN, "mask": near, "mha": sharp}) == (
        "Yes. mask against abn: sharper by 0.25 bits [0.02, 0.48]. mha against abn: sharper by 2.00 bits [1.77, 2.23]."
    )
    # Another question has its own comparisons.
    own = answer(SHARPEN, {"abn": ABN, "mask": near, "shifted-masks": near})
    assert own.startswith("Yes. ")


@pytest.mark.parametrize("flat_row", ["abn", "mask"])
def test_flat_maps_are_no_claim(flat_row: str) -> None:
    shares = {"abn": 0.0, "mask": 0.0, flat_row: 0.03125}
    rows = {
        "abn": table(entropy_object_u=3.0, flat_share_object_u=shares["abn"]),
        "mask": table(entropy_object_o=1.0, flat_share_object_o=shares["mask"]),
    }
    assert answer(SHARPEN, rows) == (
        "mask against abn: in entropy no claim, maps of one of them are flat in 3.1 % of the frames, "
        "1 % is the limit (-2.00 bits [-2.23, -1.77])."
    )


def test_whether_the_map_is_right_is_told_by_the_truth() -> None:
    rows = {
        "plain": table(pointing_g=0.375, iou_truth_g=0.125),
        "abn": table(pointing_u=0.75, iou_truth_u=0.5),
        "mask": table(pointing_o=0.75, iou_truth_o=0.25),
        "shifted-masks": table(pointing_o=0.0, iou_truth_o=0.0),
    }
    assert answer(PLACE, rows) == (
        "Yes and no. mask against abn: in pointing nothing beyond noise (+0.0 points [-2.3, +2.3]), "
        "its IoU with the truth lower by 0.250 [0.227, 0.273]. "
        "mask against the Grad-CAM of plain: highest on the truth more often, by 37.5 points [35.2, 39.8], "
        "its IoU with the truth higher by 0.125 [0.102, 0.148]. "
        "mask against shifted-masks: highest on the truth more often, by 75.0 points [72.7, 77.3], "
        "its IoU with the truth higher by 0.250 [0.227, 0.273]."
    )


def test_pc_is_judged_row_by_row() -> None:
    rows = {
        "abn": ABN,
        "abn + PC": table(top1=0.49, entropy_object_u=2.0),
        "mask": table(entropy_object_o=1.0),
        "mask + PC": table(top1=0.51, entropy_object_o=1.0),
    }
    assert answer(PC_SHARPER, rows) == (
        "In part. abn + PC against abn: sharper by 0.50 bits [0.27, 0.73]. "
        "mask + PC against mask: in entropy nothing beyond noise (+0.00 bits [-0.23, +0.23])."
    )
    assert answer(PC_RIGHTER, rows) == (
        "Not beyond noise. abn + PC against abn: in top-1 nothing beyond noise (-1.0 points [-3.3, +1.3]). "
        "mask + PC against mask: in top-1 nothing beyond noise (+1.0 points [-1.3, +3.3])."
    )


def test_the_papers_own_answer_stands_beside_ours() -> None:
    rows = {"abn": table(top1=0.875), "mha": table(top1=0.5), "mha-default": table(top1=0.25)}
    own = "Yes. mha against abn: less accurate by 37.5 points [35.2, 39.8]"
    assert answer(MHA, rows) == f"{own}."
    assert answer(MHA, rows, "ucf101") == f"{own} (the paper: 5.0 points lower)."
    assert answer(MHA, rows, "ssv2") == f"{own}."  # it has no row mha there
    start = answer("Is mha better when it starts as the identity?", rows, "ucf101")
    assert "paper" not in start


def test_a_question_without_yes_and_no_has_no_verdict() -> None:
    rows = {
        "mask": table(entropy_object_o=1.5),
        "mask-area": table(entropy_object_o=2.0),
        "mask-max": table(entropy_object_o=1.0),
    }
    same = "in top-1 nothing beyond noise (+0.0 points [-2.3, +2.3])"
    assert answer("What does another way of resizing the masks change?", rows) == (
        f"mask-area against mask: less sharp by 0.50 bits [0.27, 0.73], {same}. "
        f"mask-max against mask: sharper by 0.50 bits [0.27, 0.73], {same}."
    )


ONE_SEED = {
    "abn": table(1, top1=0.875, entropy_object_u=2.5, pointing_u=0.5),
    "mask": table(1, entropy_object_o=1.125, pointing_o=0.75),
    "mha": table(1, entropy_object_o=2.5, pointing_o=0.25),
}


def test_one_seed_gives_numbers_and_no_verdict() -> None:
    assert answer(SHARPEN, ONE_SEED) == "mask against abn: entropy -1.38 bits. mha against abn: entropy +0.00 bits."
    assert answer(PLACE, ONE_SEED) == "mask against abn: pointing +25.0 points. mha against abn: pointing -25.0 points."
    assert answer(MHA, ONE_SEED, "ucf101") == (
        "mha against abn: top-1 -37.5 points (the paper: 5.0 points lower). mha against mask: top-1 +0.0 points "
        "(the paper: 4.7 points lower)."
    )


def test_one_seed_says_once_why_there_is_no_verdict() -> None:
    found = answers_to(ONE_SEED)
    assert found[-1] == scope(1, 6)
    text = " ".join(found)
    assert text.count("One seed: no star and no yes or no") == 1
    assert not any(word in text for word in ("Yes", "No,", "No.", "In part", "noise", "[", "Holm"))


def test_few_recordings_give_no_verdict() -> None:
    rows = {"abn": ABN, "mask": table(entropy_object_o=1.125)}
    tables = {row: each[each["video"] != "f"] for row, each in of(rows).items()}
    found = answers(made_comparison({row: {} for row in tables}, per_video=tables, seeds=[0, 1, 2]))
    assert found[1] == f"**{SHARPEN}** mask against abn: entropy -1.38 bits."
    assert found[-1] == scope(3, 5)
    pairs = pd.Series(["one", "one", *"cdef"], VIDEOS)
    tables = of(rows)
    found = answers(made_comparison({row: {} for row in tables}, per_video=tables, seeds=[0, 1, 2], recordings=pairs))
    assert found[-1] == scope(3, 5)


def test_where_nothing_varies_it_says_so() -> None:
    alike = {
        name: table(3, entropy_object_u=2.5).assign(top1=0.5, entropy_object_u=2.5) for name in ("abn", "abn + PC")
    }
    found = answers_to(alike)
    assert found[:2] == [
        f"**{PC_SHARPER}** abn + PC against abn: entropy +0.00 bits.",
        f"**{PC_RIGHTER}** abn + PC against abn: top-1 +0.0 points.",
    ]
    assert found[-1] == scope(3, 6, has_intervals=False)


def test_intervals_of_the_table_count_where_no_question_is_answered() -> None:
    found = answers_to({"abn": ABN, "mha + PC": table(entropy_object_o=1.0)})
    assert found[0].startswith("**Not answered here:** ")
    assert found[1:] == [scope(3, 6)]


def test_what_is_not_answered_says_what_it_takes() -> None:
    found = answers_to({"abn": ABN, "mask": table(entropy_object_o=1.0), "plain": table()})
    assert [each.split("**")[1] for each in found[:-1]] == [COST, SHARPEN, "Not answered here:"]
    for text in (
        f"{PLACE} It takes ground truth; IoU fit is agreement with the segmenter's masks.",
        f"{WRONG} It takes rows that are not in the table (shifted-masks, other-",
        f"{MHA} It takes rows that are not in the table (mha, mha + PC, abn + PC, mask + PC).",
    ):
        assert text in found[-2]
    assert SHARPEN not in found[-2]
    other_videos = {"abn": ABN.assign(video=ABN["video"] + "x"), "mask": table(entropy_object_o=1.0)}
    missing = f"{SHARPEN} It takes test videos of which both rows have such numbers in all trainings."
    assert missing in answers_to(other_videos)[-2]


def test_the_last_paragraph_says_what_the_intervals_cover() -> None:
    rows = {"abn": ABN, "mask": table(entropy_object_o=1.0)}
    assert answers_to(rows)[-1] == (
        f"{scope(3, 6)} Within a question the comparisons are corrected for their number (Holm, 5 %); the brackets are "
        "plain 95 % intervals."
    )


@pytest.mark.parametrize("seeds", [1, 3])
def test_nothing_is_said_of_one_in_twenty(seeds: int) -> None:
    tables = of({"abn": table(seeds, entropy_object_u=2.5), "mask": table(seeds, entropy_object_o=1.0)})
    written = {
        Row("abn", False): {"top1": 50.0, "entropy_u": 2.5},
        Row("mask", False): {"top1": 50.0, "entropy_o": 1.0},
    }
    comparison = made_comparison(written, per_video=tables, seeds=range(seeds))
    text = to_markdown(comparison, answers(comparison))
    assert "top-1 - abn" in text
    assert not any(word in text for word in ("twenty", "bootstrap", "resampl", "luck"))


def test_rows_whose_training_asks_for_the_map() -> None:
    """Losses of 0.1 and 0.4, and of the answers a step each: the intervals reach 2.3 points to each side."""
    rows = {
        "mask": table(top1=0.875).assign(top1_even=0.75),
        "mask-even": table(top1=0.75).assign(top1_even=0.25),
        "mask-energy": table(top1=0.875).assign(top1_even=0.75),
    }
    assert answer("Is the map used more where the training asks for it?", rows) == (
        "In part. mask-even against mask: its map used more, by 37.5 points [35.2, 39.8]. mask-energy against mask: in "
        "what one even weight costs nothing beyond noise (+0.0 points [-2.3, +2.3])."
    )
    assert answer("Does that cost accuracy?", rows) == (
        "In part. mask-even against mask: less accurate by 12.5 points [10.2, 14.8]. mask-energy against mask: in "
        "top-1 nothing beyond noise (+0.0 points [-2.3, +2.3])."
    )
    without = " ".join(answers_to({"mask": rows["mask"]}))
    assert "asks for it" not in without
    assert "another reading" not in without


def test_how_good_masks_must_be() -> None:
    """Told only where such a row is there; a dose is one of the human masks' own."""
    rows = {
        "mask": table(top1=0.5, pointing_o=0.5),
        "human-masks": table(top1=0.5, pointing_o=0.75),
        "shifted-masks": table(top1=0.5, pointing_o=0.25),
        "human-drop-50": table(top1=0.375, pointing_o=0.75),
    }
    same = "in top-1 nothing beyond noise (+0.0 points [-2.3, +2.3])"
    assert answer("How good must the masks be?", rows) == (
        f"human-masks against mask: highest on the truth more often, by 25.0 points [22.7, 27.3], {same}. human-masks "
        f"against shifted-masks: highest on the truth more often, by 50.0 points [47.7, 52.3], {same}."
    )
    assert answer("How much error do the masks bear?", rows) == (
        "human-drop-50 against human-masks: in pointing nothing beyond noise (+0.0 points [-2.3, +2.3]), less accurate "
        "by 12.5 points [10.2, 14.8]."
    )
    without = " ".join(answers_to({name: rows[name] for name in ("mask", "shifted-masks")}))
    assert "masks be?" not in without
    assert "masks bear?" not in without


def test_what_fewer_clips_cost() -> None:
    rows = {"plain": table(top1=0.5), "plain-half": table(top1=0.375), "plain-quarter": table(top1=0.375)}
    words = "Are the answers worse after a training with fewer clips?"
    assert answer(words, rows) == (
        "In part. plain-half against plain: less accurate by 12.5 points [10.2, 14.8]. plain-quarter against "
        "plain-half: in top-1 nothing beyond noise (+0.0 points [-2.3, +2.3])."
    )
    assert words not in " ".join(answers_to({"plain": rows["plain"]}))


def test_questions_ask_for_what_there_is() -> None:
    """A misspelt row or measure would never be answered."""
    own = {(name, pc) for name in MAPS for pc in (False, True)}
    shipped = load_params(Path(__file__).parents[2] / "params.yaml").controls
    controls = {*shipped, "mha-identity", "mask-nearest"}  # two of other data sets' defaults
    for question in QUESTIONS:
        for row, reference, measure, wanted in question.comparisons:
            assert {row, reference} - {None} <= own | {(name, False) for name in controls}
            assert measure in (MEASURES if reference else WITHIN)
            assert wanted in (-1, 0, 1)
            assert row != reference
