"""The answers in words: one test a verdict, on tables whose differences and intervals can be counted by hand."""

import pandas as pd
import pytest

from objabn.config.rows import MAPS
from objabn.report import intervals
from objabn.report.answers import QUESTIONS, answers
from objabn.report.intervals import LUCK, MEASURES, scope
from objabn.report.names import Row
from tests.helpers.comparisons import made_comparison


@pytest.fixture(autouse=True)
def few_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of two videos can be counted by hand."""
    monkeypatch.setattr(intervals, "MIN_VIDEOS", 2)


def table(top1: tuple[int, int] = (1, 0), **columns: float | tuple[float, float]) -> pd.DataFrame:
    """Results of two videos: an interval reaches from the smaller difference to the larger one."""
    given = {name: value if isinstance(value, tuple) else (value, value) for name, value in columns.items()}
    return pd.DataFrame({"video": ["x", "y"], "seed": 0, "top1": top1, **given})


def of(rows: dict[str, pd.DataFrame]) -> dict[Row, pd.DataFrame]:
    return {Row(name.removesuffix(" + PC"), name.endswith(" + PC")): each for name, each in rows.items()}


def answers_to(rows: dict[str, pd.DataFrame], num_seeds: int = 1, published: str | None = None) -> list[str]:
    tables = of(rows)
    seeds = list(range(num_seeds))
    return answers(made_comparison({row: {} for row in tables}, per_video=tables, seeds=seeds, published=published))


def answer(words: str, rows: dict[str, pd.DataFrame], published: str | None = None) -> str:
    """What stands behind the question."""
    [found] = [each for each in answers_to(rows, 1, published) if each.startswith(f"**{words}** ")]
    return found.removeprefix(f"**{words}** ")


ABN = table(entropy_u=(3.0, 2.5), flat_share_u=0.0)
SHARPEN = "Did the mask loss sharpen the maps?"


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ((1.75, 1.0), "Yes. mask against abn: sharper by 1.38 bits [1.25, 1.50]."),
        ((3.25, 3.0), "No, the opposite. mask against abn: less sharp by 0.38 bits [0.25, 0.50]."),
        (
            (2.5, 2.75),
            "Not beyond noise. mask against abn: in entropy nothing beyond noise (-0.12 bits [-0.50, +0.25]).",
        ),
        (
            (3.0, 2.5),
            "Not beyond noise. mask against abn: in entropy nothing beyond noise (+0.00 bits [+0.00, +0.00]).",
        ),
    ],
    ids=["sharper", "less sharp", "noise", "the same"],
)
def test_each_verdict_of_one_comparison(mask: tuple[float, float], expected: str) -> None:
    assert answer(SHARPEN, {"abn": ABN, "mask": table(entropy_o=mask)}) == expected


SHARP, BLURRED, ALIKE = table(entropy_o=1.0), table(entropy_o=3.5), table(entropy_o=(2.5, 2.75))


@pytest.mark.parametrize(
    ("mask", "mha", "expected"),
    [
        (SHARP, SHARP, "Yes."),
        (SHARP, ALIKE, "In part."),
        (SHARP, BLURRED, "Yes and no."),
        (ALIKE, ALIKE, "Not beyond noise."),
        (ALIKE, BLURRED, "No."),
        (BLURRED, BLURRED, "No, the opposite."),
    ],
)
def test_the_verdict_of_two_comparisons(mask: pd.DataFrame, mha: pd.DataFrame, expected: str) -> None:
    found = answer(SHARPEN, {"abn": ABN, "mask": mask, "mha": mha})
    assert found.startswith(f"{expected} mask against abn: ")
    assert ". mha against abn: " in found


@pytest.mark.parametrize("flat_row", ["abn", "mask"])
def test_flat_maps_are_no_claim(flat_row: str) -> None:
    shares = {"abn": 0.0, "mask": 0.0, flat_row: 0.03125}
    rows = {
        "abn": table(entropy_u=3.0, flat_share_u=shares["abn"]),
        "mask": table(entropy_o=1.0, flat_share_o=shares["mask"]),
    }
    assert answer(SHARPEN, rows) == (
        "Not beyond noise. mask against abn: in entropy no claim, maps of one of them are flat in 3.1 % of the frames, "
        "1 % is the limit (-2.00 bits [-2.00, -2.00])."
    )


def test_whether_the_map_is_right_is_told_by_the_truth() -> None:
    rows = {
        "plain": table(pointing_g=(0.5, 0.25), iou_truth_g=0.125),
        "abn": table(pointing_u=0.5, iou_truth_u=0.5),
        "mask": table(pointing_o=(1.0, 0.5), iou_truth_o=0.25),
        "shifted-masks": table(pointing_o=0.0, iou_truth_o=0.0),
    }
    assert answer("Is the sharp map also right?", rows) == (
        "Yes and no. mask against abn: in pointing nothing beyond noise (+25.0 points [+0.0, +50.0]), "
        "its IoU with the truth lower by 0.250 [0.250, 0.250]. "
        "mask against the Grad-CAM of plain: highest on the truth more often, by 37.5 points [25.0, 50.0], "
        "its IoU with the truth higher by 0.125 [0.125, 0.125]. "
        "mask against shifted-masks: highest on the truth more often, by 75.0 points [50.0, 100.0], "
        "its IoU with the truth higher by 0.250 [0.250, 0.250]."
    )


def test_pc_is_judged_row_by_row() -> None:
    rows = {
        "abn": ABN,
        "abn + PC": table(top1=(0, 0), entropy_u=(2.5, 2.0)),
        "mask": table(entropy_o=1.0),
        "mask + PC": table(top1=(1, 1), entropy_o=1.0),
    }
    assert answer("Did PC help?", rows) == (
        "In part. abn + PC against abn: sharper by 0.50 bits [0.50, 0.50], "
        "in top-1 nothing beyond noise (-50.0 points [-100.0, +0.0]). "
        "mask + PC against mask: in entropy nothing beyond noise (+0.00 bits [+0.00, +0.00]), "
        "in top-1 nothing beyond noise (+50.0 points [+0.0, +100.0])."
    )


def test_the_papers_own_answer_stands_beside_ours() -> None:
    rows = {"abn": table(top1=(1, 1)), "mha": table(top1=(0, 0)), "mha-default": table(top1=(0, 0))}
    own = "Yes. mha against abn: less accurate by 100.0 points [100.0, 100.0]"
    assert answer("Did mha cost accuracy?", rows) == f"{own}."
    assert answer("Did mha cost accuracy?", rows, "ucf101") == f"{own} (the paper: 5.0 points lower)."
    assert answer("Did mha cost accuracy?", rows, "ssv2") == f"{own}."  # it has no row mha there
    start = answer("Is mha better when it starts as the identity?", rows, "ucf101")
    assert "paper" not in start


def test_a_question_without_yes_and_no_has_no_verdict() -> None:
    rows = {"mask": table(entropy_o=1.5), "mask-area": table(entropy_o=1.75), "mask-max": table(entropy_o=(1.0, 1.25))}
    same = "in top-1 nothing beyond noise (+0.0 points [+0.0, +0.0])"
    assert answer("What does another way of resizing the masks change?", rows) == (
        f"mask-area against mask: less sharp by 0.25 bits [0.25, 0.25], {same}. "
        f"mask-max against mask: sharper by 0.38 bits [0.25, 0.50], {same}."
    )


def test_what_is_not_answered_says_what_it_takes() -> None:
    found = answers_to({"abn": ABN, "mask": table(entropy_o=1.0), "plain": table()})
    assert [each.split("**")[1] for each in found[:-1]] == [SHARPEN, "Not answered here:"]
    for text in (
        "Is the sharp map also right? It takes ground truth; IoU fit is agreement with the segmenter's masks.",
        "Do wrong masks sharpen the maps as well? It takes rows that are not in the table (shifted-masks, other-",
        "Did mha cost accuracy? It takes rows that are not in the table (mha, mha + PC, abn + PC, mask + PC).",
    ):
        assert text in found[-2]
    assert SHARPEN not in found[-2]
    one_video = {"abn": ABN[:1], "mask": table(entropy_o=1.0)}
    assert f"{SHARPEN} It takes 6 test videos of which both rows have such numbers." in answers_to(one_video)[-2]


@pytest.mark.parametrize("num_seeds", [1, 2, 3])
def test_the_last_paragraph_says_what_the_intervals_cover(num_seeds: int) -> None:
    assert answers_to({"abn": ABN}, num_seeds)[-1] == f"{scope(num_seeds)} {LUCK}"


def test_questions_ask_for_what_there_is() -> None:
    """A misspelt row or measure would never be answered."""
    own = {(name, pc) for name in MAPS for pc in (False, True)}
    controls = {"shifted-masks", "other-masks", "mha-default", "mha-identity", "mask-area", "mask-max", "mask-nearest"}
    for question in QUESTIONS:
        for row, reference, measure, wanted in question.comparisons:
            assert {row, reference} <= own | {(name, False) for name in controls}
            assert measure in MEASURES
            assert wanted in (-1, 0, 1)
            assert row != reference
