"""The three sentences that come first: difference, interval and ceiling, on tables that can be counted by hand."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from objabn.evaluation.localisation import THRESHOLDS
from objabn.report.answers import answers
from objabn.report.names import Row
from objabn.report.questions import COSTS, HUMAN, LIES, MASK, NEEDS, PLAIN, Question
from tests.helpers.comparisons import made_comparison, results

ABN = Row("abn", False)
VIDEOS = list("abcdef")
STEP = 0.01  # from training to training; an interval reaches 2.267 steps to each side (test_answers.py)


def table(**measures: float) -> pd.DataFrame:
    """Results of six videos that are all alike, of three trainings that lie a step apart."""
    columns = {}
    for name, value in measures.items():
        shape = (len(VIDEOS), len(THRESHOLDS)) if name.startswith("iou_curve") else (len(VIDEOS),)
        columns[name] = [np.full(shape, value + STEP * (seed - 1)) for seed in range(3)]
    return results(VIDEOS, **columns)


def told(question: Question, rows: Mapping[Row, pd.DataFrame], numbers: Mapping[Row, dict[str, float]]) -> str | None:
    """What stands behind the question; None where nothing does."""
    videos = pd.DataFrame({"label": ["run", "walk", "jump", "wave"]})
    comparison = made_comparison(
        {row: numbers.get(row, {}) for row in rows}, per_video=rows, seeds=range(3), videos=videos
    )
    words = f"**{question.words}** "
    found = [each.removeprefix(words) for each in answers(comparison) if each.startswith(words)]
    return found[0] if found else None


def test_where_the_maps_lie_and_the_ceiling() -> None:
    rows = {
        PLAIN: table(pointing_g=0.5, iou_curve_g=0.25),
        ABN: table(pointing_u=0.25, iou_curve_u=0.125),
        MASK: table(pointing_o=0.75, iou_curve_o=0.25),
        HUMAN: table(pointing_o=0.875, iou_curve_o=0.5),
    }
    of_masks = {"masks_pointing": 0.8125, "masks_iou": 0.375, "masks_energy": 0.5, "masks_missed": 0.0625}
    numbers = {
        PLAIN: {"pointing_g": 0.5, "iou_best_g": 0.25},
        ABN: {"pointing_u": 0.25, "iou_best_u": 0.125, **of_masks},
        MASK: {"pointing_o": 0.75, "iou_best_o": 0.25, **of_masks},
        HUMAN: {"pointing_o": 0.875, "iou_best_o": 0.5},
    }
    assert told(LIES, rows, numbers) == (
        "In part. mask against abn: highest on the truth more often, by 50.0 points [47.7, 52.3], its best IoU with "
        "the truth higher by 0.125 [0.102, 0.148]. mask against the Grad-CAM of plain: highest on the truth more "
        "often, by 25.0 points [22.7, 27.3], in best IoU with the truth nothing beyond noise "
        "(+0.000 [-0.023, +0.023]). Scores: mask pointing 75.0 %, best IoU 0.250; abn pointing 25.0 %, best IoU "
        "0.125; Grad-CAM of plain pointing 50.0 %, best IoU 0.250; human-masks pointing 87.5 %, best IoU 0.500; "
        "segmenter's masks, the ceiling of maps that learn from them, pointing 81.2 %, best IoU 0.375 (none in 6.2 % "
        "of the frames)."
    )


def test_what_the_map_is_worth_and_at_most() -> None:
    """Of four classes: from 75 % an answer can fall by 50 points.

    What the row loses within itself lies a step apart from training to training, too: 2 degrees of freedom and an error
    of sqrt(1 / 3) points, so 4.303 * 0.577 = 2.5 points to each side.
    """
    once = {"insertion_random": 0.0, "insertion_o": 0.5, "insertion_g": 0.25, "deletion_o": 0.25, "deletion_g": 0.25}
    rows = {
        ABN: table(top1=0.75).assign(top1_even=0.75),
        MASK: table(top1=0.75).assign(top1_even=0.5, **once),
    }
    first = rows[MASK]["seed"] == 0
    rows[MASK].loc[~first, list(once)] = np.nan  # one training was ranked: no interval, and no part in the verdict
    found = told(NEEDS, rows, {MASK: {"top1": 75.0}})
    assert found is not None
    assert found.startswith(
        "Yes. mask: one even weight costs 25.0 points [22.5, 27.5], insertion +0.250, deletion +0.000. mask against "
        "abn: its map used more, by 25.0 points [22.7, 27.3]. The ceiling: an answer no better than chance (one of "
        "4) would have lost 50.0 points. Insertion (more is better) and deletion (less) are against the Grad-CAM of "
        "the same network, measured on all 6 test videos, seed 0; "
    )


@pytest.mark.parametrize(
    ("even", "abn_even", "verdict"),
    [
        (0.5, 0.125, "Yes."),  # abn's map is used more: another question
        (0.75, 0.75, "Not beyond noise."),  # insertion beyond Grad-CAM's is no use
    ],
)
def test_an_even_weight_alone_decides_whether_a_map_is_used(even: float, abn_even: float, verdict: str) -> None:
    better = {"insertion_random": 0.0, "insertion_o": 0.5, "insertion_g": 0.25}
    ranked = table(top1=0.75, **better)
    ranked["insertion_o"] = 2 * ranked["insertion_g"]  # a difference that is not the same in all trainings
    rows = {ABN: table(top1=0.75).assign(top1_even=abn_even), MASK: ranked.assign(top1_even=even)}
    found = told(NEEDS, rows, {MASK: {"top1": 75.0}})
    assert found is not None
    assert found.startswith(f"{verdict} mask: ")
    assert "insertion higher by 0.250 [" in found


def test_a_bump_in_the_middle_stands_beside_and_is_a_warning_where_it_is_ahead() -> None:
    rows = {ABN: table(pointing_u=0.25, iou_curve_u=0.25), MASK: table(pointing_o=0.5, iou_curve_o=0.5)}
    bump = {"pointing_c": 0.5, "iou_best_c": 0.25}
    numbers = {
        ABN: {"pointing_u": 0.25, "iou_best_u": 0.25},
        MASK: {"pointing_o": 0.5, "iou_best_o": 0.5, **bump},
    }
    words = told(LIES, rows, numbers)
    assert words is not None
    assert words.endswith(
        "a bump in the middle of all frames pointing 50.0 %, best IoU 0.250. Beware: in pointing the bump in the "
        "middle is no worse than mask's map."
    )
    ahead = told(LIES, rows, {**numbers, MASK: numbers[MASK] | {"pointing_o": 0.75}})
    assert ahead is not None
    assert "Beware" not in ahead


def test_what_it_costs_and_what_could_be_seen() -> None:
    """With 4 degrees of freedom and an error of sqrt(2 / 3) points, 3.76 errors are seen: 3.1 points."""
    rows = {PLAIN: table(top1=0.5), ABN: table(top1=0.5), MASK: table(top1=0.375)}
    numbers = {PLAIN: {"top1": 50.0}, ABN: {"top1": 50.0}, MASK: {"top1": 37.5}}
    assert told(COSTS, rows, numbers) == (
        "Yes. mask against abn: less accurate by 12.5 points [10.2, 14.8]. mask against plain: less accurate by 12.5 "
        "points [10.2, 14.8]. Top-1: mask 37.5 %, abn 50.0 %, plain 50.0 %, chance 25.0 %. This design would see, in "
        "80 % of its repetitions, a cost from 3.1 points against abn and 3.1 points against plain on, each judged "
        "by itself."
    )
    without = told(COSTS, {ABN: rows[ABN], MASK: rows[MASK]}, numbers)
    assert without is not None
    assert "plain" not in without


@pytest.mark.parametrize(
    ("rows", "answered"),
    [
        ({ABN: table(top1=0.5), Row("mha", False): table(top1=0.5)}, []),
        ({ABN: table(top1=0.5), MASK: table(top1=0.5)}, [COSTS]),  # no truth, nothing replaced
        ({MASK: table(top1=0.5, flicker_o=0.5).assign(top1_even=0.25)}, [NEEDS]),
        ({ABN: table(pointing_u=0.5), MASK: table(pointing_o=0.5)}, [LIES]),
    ],
    ids=["no mask", "no truth", "mask alone", "truth alone"],
)
def test_what_has_no_answer_is_not_there(rows: dict[Row, pd.DataFrame], answered: list[Question]) -> None:
    assert [question for question in (LIES, NEEDS, COSTS) if told(question, rows, {})] == answered
    comparison = made_comparison({row: {} for row in rows}, per_video=rows, seeds=range(3))
    untold = [each for each in answers(comparison) if each.startswith("**Not answered here:**")]
    assert not any(question.words in each for each in untold for question in (LIES, NEEDS, COSTS))
