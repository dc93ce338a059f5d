"""Paired differences: means and intervals that can be counted by hand, and which rows and maps are compared."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objabn.intervals import differences, paired_difference

NAN = float("nan")
ABN, PLAIN = ("abn", False), ("plain", False)


def series(values: list[float]) -> pd.Series:
    """Of the videos a, b, c, ..."""
    return pd.Series(values, index=list("abcdefghij")[: len(values)], dtype=float)


def interval(values: list[float], reference: list[float]) -> list[float]:
    found = paired_difference(series(values), series(reference))
    assert list(found) == ["mean", "low", "high"]
    return list(found.values())


@pytest.mark.parametrize(
    ("values", "reference", "expected"),
    [
        ([3.0, 1.0, 2.0], [1.0, -1.0, 0.0], [2, 2, 2]),  # the same difference everywhere
        ([1.0, 5.0], [1.0, 4.0], [0.5, 0, 1]),  # resampled means 0, 1/2, 1: a quarter, a half, a quarter
        ([0.0, 0.0], [0.0, 4.0], [-2, -4, 0]),
        # one video of ten: the number of its copies is binomial, at most 2 in 93.0 %, at most 3 in 98.7 % of resamples
        ([1.0] + [0.0] * 9, [0.0] * 10, [0.1, 0, 0.3]),
    ],
)
def test_a_difference_and_its_interval_by_hand(values, reference, expected):
    assert interval(values, reference) == pytest.approx(expected)


def test_identical_rows_differ_by_nothing():
    assert interval([0.5, 1.0, 7.0], [0.5, 1.0, 7.0]) == [0, 0, 0]


def test_videos_that_one_side_lacks_are_left_out():
    assert interval([3.0, NAN, 9.0, 2.0], [2.0, 0.0, NAN, 1.0]) == [1, 1, 1]
    values, reference = series([3.0, 4.0, 9.0]), pd.Series({"c": 8.0, "x": 0.0, "b": 3.0})
    assert paired_difference(values, reference) == {"mean": 1, "low": 1, "high": 1}


@pytest.mark.parametrize(
    ("values", "reference"), [([], []), ([1.0], [0.0]), ([NAN, NAN], [1.0, 2.0]), ([1.0, NAN, 2.0], [NAN, 1.0, 1.0])]
)
def test_fewer_than_two_pairs_have_no_interval(values, reference):
    assert paired_difference(series(values), series(reference)) == {}


def test_the_interval_does_not_depend_on_the_state_of_any_generator():
    draw = np.random.default_rng(0)
    values, reference = (pd.Series(draw.random(50)) for _ in range(2))
    found = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        found.append(paired_difference(values, reference))
    assert found[0] == found[1]
    assert found[0]["low"] < found[0]["mean"] < found[0]["high"]


@pytest.mark.parametrize(("num_videos", "mean", "deviation"), [(100, 0.0, 1.0), (400, -3.0, 2.0)])
def test_the_interval_of_a_normal_sample(num_videos, mean, deviation):
    sample = np.random.default_rng(num_videos).normal(mean, deviation, num_videos)
    found = paired_difference(pd.Series(sample), pd.Series(np.zeros(num_videos)))
    error = sample.std() / num_videos**0.5
    assert found["mean"] == pytest.approx(sample.mean())
    assert found["low"] == pytest.approx(sample.mean() - 1.96 * error, abs=0.15 * error)
    assert found["high"] == pytest.approx(sample.mean() + 1.96 * error, abs=0.15 * error)


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=2, max_size=10), st.integers(-4, 4))
def test_a_shift_shifts_the_interval_and_the_interval_holds_the_mean(pairs, shift):
    values, reference = (series([pair[side] for pair in pairs]) for side in (0, 1))
    mean, low, high = paired_difference(values, reference).values()
    assert low <= mean <= high
    assert list(paired_difference(values + shift, reference).values()) == pytest.approx(
        [mean + shift, low + shift, high + shift]
    )


def results(videos: str, **columns: list[float]) -> pd.DataFrame:
    """As `evaluate_run` gives them; a letter is a video."""
    label = {"label": "walk", "predicted": "walk", "top5": 1}
    return pd.DataFrame({"video": list(videos), **label, **columns})


# Two videos: an interval reaches from the smaller difference to the larger one.
REFERENCE = results("ab", top1=[0, 1], entropy_u=[3.0, 2.0])


def difference(name: str, mean: float, low: float, high: float) -> dict[str, float]:
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


@pytest.mark.parametrize(
    ("row", "table", "expected"),
    [
        (PLAIN, results("ab", top1=[1, 1]), difference("top1_vs_abn", 50, 0, 100)),
        (
            ("abn", True),
            results("ab", top1=[0, 0], entropy_u=[2.5, 2.0]),
            difference("top1_vs_abn", -50, -100, 0) | difference("entropy_vs_abn", -0.25, -0.5, 0),
        ),
        (
            ("mask", False),
            results("ab", top1=[0, 1], entropy_o=[1.0, 1.0]),
            difference("top1_vs_abn", 0, 0, 0) | difference("entropy_vs_abn", -1.5, -2, -1),
        ),
        (
            ("mha", True),  # M_o, not M_u and not M_b
            results("ab", top1=[0, 1], entropy_u=[9.0, 9.0], entropy_o=[2.0, 1.0], entropy_b=[7.0, 7.0]),
            difference("top1_vs_abn", 0, 0, 0) | difference("entropy_vs_abn", -1, -1, -1),
        ),
        (
            ("mask", True),  # one map is flat everywhere: a single pair is left
            results("ab", top1=[0, 1], entropy_o=[1.0, NAN]),
            difference("top1_vs_abn", 0, 0, 0),
        ),
    ],
    ids=["plain", "abn + pc", "mask", "mha + pc", "flat maps"],
)
def test_what_a_row_is_compared_in(row, table, expected):
    found = differences({row: table, ABN: REFERENCE})
    assert found == {row: pytest.approx(expected), ABN: {}}
    assert list(found[row]) == list(expected)


def test_without_the_reference_row_there_is_nothing():
    rows = [PLAIN, ("abn", True), ("mask", False)]
    assert differences(dict.fromkeys(rows, REFERENCE)) == {row: {} for row in rows}


def test_a_videos_seeds_are_averaged():
    own = results("abab", top1=[1, 1, 0, 1], entropy_o=[1.0, 1.0, 2.0, NAN], seed=[0, 0, 1, 1])
    reference = results("abab", top1=[0, 1, 0, 1], entropy_u=[3.0, 2.0, 3.0, 4.0], seed=[0, 0, 1, 1])
    # top-1 by video: 1/2, 1 against 0, 1; entropy: 1.5, 1 against 3, 3
    expected = difference("top1_vs_abn", 25, 0, 50) | difference("entropy_vs_abn", -1.75, -2, -1.5)
    assert differences({ABN: reference, ("mask", False): own})["mask", False] == pytest.approx(expected)


def test_the_order_of_the_videos_does_not_matter():
    draw = np.random.default_rng(3)
    names = "abcdefghij"
    own, reference = (
        results(names, top1=draw.integers(0, 2, 10).tolist(), entropy_u=draw.random(10).tolist()) for _ in range(2)
    )
    expected = differences({ABN: reference, ("abn", True): own})
    assert expected["abn", True]["entropy_vs_abn_low"] < expected["abn", True]["entropy_vs_abn_high"]
    for seed, other in ((0, 0), (0, 1), (1, 0)):  # the same other order in both tables, and one in each
        tables = {
            ABN: reference.sample(frac=1, random_state=seed),
            ("abn", True): own.sample(frac=1, random_state=other),
        }
        assert all(table["video"].tolist() != list(names) for table in tables.values())
        assert differences(tables) == expected


def test_numbers_have_six_decimals():
    own = results("abc", top1=[1, 0, 0])
    assert differences({ABN: results("abc", top1=[0, 0, 0]), PLAIN: own})[PLAIN]["top1_vs_abn"] == 33.333333
