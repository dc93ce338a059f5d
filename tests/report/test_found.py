"""The sentences of the first screen, on tables that can be counted by hand; yes and no are those of the answers."""

import numpy as np
import pandas as pd
import pytest

from objabn.evaluation.localisation import THRESHOLDS
from objabn.report.answers import answers
from objabn.report.found import fine_print, found
from objabn.report.names import Row
from tests.helpers.comparisons import made_comparison, results

PLAIN, ABN, MASK = Row("plain", False), Row("abn", False), Row("mask", False)
VIDEOS = list("abcdef")
STEP = 0.01  # from training to training; an interval reaches 2.267 steps to each side (test_answers.py)


def table(seeds: int = 3, **measures: float) -> pd.DataFrame:
    """Results of six videos that are all alike, of trainings that lie a step apart."""
    columns = {}
    for name, value in measures.items():
        shape = (len(VIDEOS), len(THRESHOLDS)) if name.startswith("iou_curve") else (len(VIDEOS),)
        columns[name] = [np.full(shape, value + STEP * (seed - 1)) for seed in range(seeds)]
    return results(VIDEOS, **columns)


ROWS = {
    PLAIN: table(top1=0.5, pointing_g=0.5, iou_curve_g=0.25),
    ABN: table(top1=0.5, pointing_u=0.25, iou_curve_u=0.125).assign(top1_even=0.5),
    MASK: table(top1=0.375, pointing_o=0.75, iou_curve_o=0.25).assign(top1_even=0.125),
}
NUMBERS = {
    PLAIN: {"top1": 50.0, "pointing_g": 0.5},
    ABN: {"top1": 50.0, "pointing_u": 0.25},
    MASK: {"top1": 37.5, "pointing_o": 0.75},
}


def of(*rows: Row, seeds: int = 3, **changed: pd.DataFrame) -> list[str]:
    tables = {row: changed.get(row.attention, ROWS[row]) for row in rows}
    tables = {row: each[each["seed"] < seeds] for row, each in tables.items()}
    comparison = made_comparison({row: NUMBERS[row] for row in rows}, per_video=tables, seeds=range(seeds))
    sentences = [each.replace("\xa0", " ") for each in found(comparison)]
    long = answers(comparison)
    for sentence in sentences:  # the same yes or no
        question, _, verdict = sentence.split("**")[1].partition("?")
        [answer] = [each for each in long if each.startswith(f"**{question}?**")]
        said = answer.removeprefix(f"**{question}?** ")
        assert said.startswith(verdict.strip())
        assert verdict or not said.startswith(("Yes", "No", "In part"))
    return sentences


def test_three_sentences_with_their_intervals() -> None:
    assert of(PLAIN, ABN, MASK) == [
        "**Does the mask loss put the map on the object? In part.** The map is highest on the object in 75.0 % of the "
        "frames with the mask loss (row mask), in 25.0 % without it (abn): +50.0 points [+47.7, +52.3].",
        "**Does the answer of mask use its map? Yes.** With the same weight everywhere in place of the map, top-1 "
        "loses 25.0 points [22.5, 27.5]; without the mask loss (abn): 0.0 points [-2.5, 2.5].",
        "**Does the mask loss cost accuracy? Yes.** Top-1 is 37.5 % with the mask loss, 50.0 % without it (abn): -12.5 "
        "points [-14.8, -10.2].",
    ]


def test_without_abn_plain_stands_there() -> None:
    first, second, third = of(PLAIN, MASK)
    assert first.endswith("in 50.0 % with Grad-CAM of a network without a map (plain): +25.0 points [+22.7, +27.3].")
    assert second.endswith("top-1 loses 25.0 points [22.5, 27.5].")
    assert "50.0 % in a network without a map (plain): -12.5 points" in third


def test_a_cost_that_is_not_seen_is_not_said_to_be_none() -> None:
    last = of(ABN, MASK, mask=ROWS[MASK].assign(top1=ROWS[ABN]["top1"]))[-1]
    assert last.startswith("**Does the mask loss cost accuracy? Not beyond noise.** ")
    assert last.endswith(": +0.0 points [-2.3, +2.3]; a cost of less than 3.1 points might not be seen.")


def test_without_truth_it_is_told_how_sharp_the_map_is() -> None:
    sharp = {name: table(top1=0.5, **{f"entropy_object_{letter}": bits}).assign(top1_even=0.25)
             for name, letter, bits in (("abn", "u", 2.5), ("mask", "o", 1.5))}  # fmt: skip
    for own in sharp.values():
        own["flat_share_object_u"] = own["flat_share_object_o"] = 0.0
    first, *others = of(ABN, MASK, **sharp)
    assert first == (
        "**Are the maps sharper with the mask loss? Yes.** Its entropy against abn's: -1.00 bits [-1.02, -0.98]; lower "
        "is sharper. Where it lies is not known: that takes ground truth."
    )
    assert len(others) == 2
    flat = {name: own.assign(flat_share_object_u=0.12, flat_share_object_o=0.12) for name, own in sharp.items()}
    first, *_ = of(ABN, MASK, **flat)
    assert first == (
        "**Are the maps sharper with the mask loss?** No claim can be made of mask and abn: one of them has flat maps "
        "in 12.0 % of the frames. Where it lies is not known: that takes ground truth."
    )


def test_a_bump_in_the_middle_that_does_as_well_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in (PLAIN, ABN, MASK):
        monkeypatch.setitem(NUMBERS, row, NUMBERS[row] | {"pointing_c": 0.875})
    first, *_ = of(PLAIN, ABN, MASK)
    assert first.endswith(" Beware: in pointing the bump in the middle is no worse than mask's map.")


def test_one_training_has_no_interval_and_no_yes() -> None:
    sentences = of(PLAIN, ABN, MASK, seeds=1)
    assert [each.split("** ")[0] for each in sentences] == [
        "**Does the mask loss put the map on the object?", "**Does the answer of mask use its map?",
        "**Does the mask loss cost accuracy?",
    ]  # fmt: skip
    assert not any("[" in each for each in sentences)
    assert fine_print(sentences).startswith("No yes or no and no intervals")
    assert fine_print(of(ABN, MASK)) == (
        "Brackets: 95 % intervals over other trainings and other test recordings, each judged by itself. Yes and no "
        "are of all comparisons of a question, corrected for their number."
    )


def test_without_the_row_there_is_nothing_to_say() -> None:
    assert of(PLAIN, ABN) == []
    assert fine_print([]) == ""
