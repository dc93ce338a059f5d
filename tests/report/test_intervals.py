"""Paired differences: means and intervals that can be counted by hand, which maps are compared, what is noise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objabn.report import intervals
from objabn.report.intervals import MEASURES, Difference, paired_difference, row_difference, scope
from objabn.report.names import Row
from tests.helpers.comparisons import differences_to_abn

NAN = float("nan")
ABN, PLAIN = Row("abn", False), Row("plain", False)


@pytest.fixture(autouse=True)
def few_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of two videos can be counted by hand."""
    monkeypatch.setattr(intervals, "MIN_VIDEOS", 2)


def series(values: list) -> pd.DataFrame:
    """Of the videos a, b, c, ...; a number each, or one for each seed."""
    return pd.DataFrame(values, index=list("abcdefghij")[: len(values)], dtype=float)


def interval(values: list[float], reference: list[float]) -> list[float]:
    found = paired_difference(series(values), series(reference))
    assert found is not None
    assert found.flat == 0
    return list(found[:3])


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


@pytest.mark.parametrize(("num_videos", "told"), [(1, False), (5, False), (6, True)])
def test_of_a_handful_of_videos_nothing_is_told(monkeypatch: pytest.MonkeyPatch, num_videos: int, told: bool):
    monkeypatch.undo()
    assert intervals.MIN_VIDEOS == 6
    own, other = series([1.0] * num_videos + [NAN]), series([0.0] * (num_videos + 1))
    assert (paired_difference(own, other) is not None) == told


def test_identical_rows_differ_by_nothing():
    assert interval([0.5, 1.0, 7.0], [0.5, 1.0, 7.0]) == [0, 0, 0]


def test_videos_that_one_side_lacks_are_left_out():
    assert interval([3.0, NAN, 9.0, 2.0], [2.0, 0.0, NAN, 1.0]) == [1, 1, 1]
    values, reference = series([3.0, 4.0, 9.0]), pd.DataFrame({0: {"c": 8.0, "x": 0.0, "b": 3.0}})
    assert paired_difference(values, reference) == (1, 1, 1, 0)


@pytest.mark.parametrize(
    ("values", "reference"), [([], []), ([1.0], [0.0]), ([NAN, NAN], [1.0, 2.0]), ([1.0, NAN, 2.0], [NAN, 1.0, 1.0])]
)
def test_fewer_than_two_pairs_have_no_interval(values, reference):
    assert paired_difference(series(values), series(reference)) is None


def test_the_interval_does_not_depend_on_the_state_of_any_generator():
    draw = np.random.default_rng(0)
    values, reference = (pd.DataFrame(draw.random((50, 3))) for _ in range(2))
    found = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        found.append(paired_difference(values, reference))
    assert found[0] == found[1]
    assert found[0].low < found[0].mean < found[0].high


@pytest.mark.parametrize(("num_videos", "mean", "deviation"), [(100, 0.0, 1.0), (400, -3.0, 2.0)])
def test_the_interval_of_a_normal_sample(num_videos, mean, deviation):
    sample = np.random.default_rng(num_videos).normal(mean, deviation, num_videos)
    found = paired_difference(pd.DataFrame(sample), pd.DataFrame(np.zeros(num_videos)))
    error = sample.std() / num_videos**0.5
    assert found.mean == pytest.approx(sample.mean())
    assert found.low == pytest.approx(sample.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(sample.mean() + 1.96 * error, abs=0.15 * error)


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=2, max_size=10), st.integers(-4, 4))
def test_a_shift_shifts_the_interval_and_the_interval_holds_the_mean(pairs, shift):
    values, reference = (series([pair[side] for pair in pairs]) for side in (0, 1))
    mean, low, high, _ = paired_difference(values, reference)
    assert low <= mean <= high
    assert list(paired_difference(values + shift, reference)[:3]) == pytest.approx(
        [mean + shift, low + shift, high + shift]
    )


def test_of_three_trainings_that_differ_the_interval_is_their_span():
    """In 1 / 27 = 3.7 % of resamples all three are the lowest seed: more than the 2.5 % left out."""
    values, reference = np.tile([2.0, 5.0, 8.0], (4, 1)), np.tile([1.0, 2.0, 3.0], (4, 1))
    assert interval(values.tolist(), reference.tolist()) == [3, 1, 5]  # the seeds' differences: 1, 3, 5
    assert interval(reference.tolist(), values.tolist()) == [-3, -5, -1]


def test_two_trainings_are_averaged_and_so_are_other_seeds_than_the_references():
    assert interval([[2.0, 8.0]] * 4, [[1.0, 3.0]] * 4) == [3, 3, 3]
    values, reference = series([[2.0, 5.0, 8.0]] * 4), series([[1.0, 2.0, 3.0]] * 4)
    assert paired_difference(values, reference.set_axis([7, 8, 9], axis=1)) == (3, 3, 3, 0)


def test_seeds_and_videos_are_crossed():
    """Each video's and each seed's part: their variances add, those of the seeds' mean as of a sample of five."""
    draw = np.random.default_rng(2)
    videos, seeds = draw.normal(0, 1, (400, 1)), draw.normal(0, 0.1, (1, 5))
    found = paired_difference(pd.DataFrame(videos + seeds), pd.DataFrame(np.zeros((400, 5))))
    error = (videos.var() / 400 + seeds.var() / 5) ** 0.5
    assert videos.std() / 20 < 0.8 * error
    assert found.mean == pytest.approx(videos.mean() + seeds.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_a_seed_that_a_video_lacks_is_left_out_of_its_mean():
    values = [[1.0, 1.0, NAN], [1.0, NAN, 1.0], [1.0, 1.0, 1.0]]
    assert interval(values, [[0.0] * 3] * 3) == [1, 1, 1]
    assert interval([*values, [NAN] * 3], [[0.0] * 3] * 4) == [1, 1, 1]
    only_first = [[1.0, NAN, NAN], [1.0, NAN, NAN]]  # resamples without the first seed have nothing
    assert interval(only_first, [[0.0] * 3] * 2) == [1, 1, 1]


@pytest.mark.parametrize(
    ("low", "high", "flat", "expected"),
    [
        (0.1, 0.3, 0.0, True),
        (-0.3, -0.1, 0.0, True),
        (-0.1, 0.5, 0.0, False),
        (0.0, 0.4, 0.0, False),  # 0 is in the interval
        (-0.4, 0.0, 0.0, False),
        (0.1, 0.3, 0.01, True),
        (0.1, 0.3, 0.011, False),
    ],
)
def test_what_is_beyond_noise(low, high, flat, expected):
    assert Difference((low + high) / 2, low, high, flat).beyond_noise is expected


def test_what_an_interval_covers_in_words():
    assert scope(1) == "One seed: the intervals cover other test videos, not other trainings."
    assert scope(2) == "Means of 2 seeds: the intervals cover other test videos, not other trainings."
    assert scope(3).startswith("The intervals cover other test videos and other trainings: videos and the 3 seeds are")


def results(videos: str, **columns: list[float]) -> pd.DataFrame:
    """As `evaluate_run` gives them; a letter is a video."""
    label = {"label": "walk", "predicted": "walk", "top5": 1}
    return pd.DataFrame({"video": list(videos), **label, **columns})


# Two videos: an interval reaches from the smaller difference to the larger one.
REFERENCE = results("ab", top1=[0, 1], entropy_u=[3.0, 2.0])


def difference(name: str, mean: float, low: float, high: float) -> dict[str, float]:
    found = {name: mean, f"{name}_low": low, f"{name}_high": high}
    return found | {f"{name}_flat": 0.0} if name.startswith("entropy") else found


def of_map(letter: str, entropy: list[float], pointing: list[float], iou: list[float]) -> dict[str, list[float]]:
    return {f"entropy_{letter}": entropy, f"pointing_{letter}": pointing, f"iou_truth_{letter}": iou}


@pytest.mark.parametrize(
    ("row", "table", "expected"),
    [
        (PLAIN, results("ab", top1=[1, 1]), difference("top1_vs_abn", 50, 0, 100)),
        (
            Row("abn", True),
            results("ab", top1=[0, 0], entropy_u=[2.5, 2.0]),
            difference("top1_vs_abn", -50, -100, 0) | difference("entropy_vs_abn", -0.25, -0.5, 0),
        ),
        (
            Row("mask", False),
            results("ab", top1=[0, 1], entropy_o=[1.0, 1.0]),
            difference("top1_vs_abn", 0, 0, 0) | difference("entropy_vs_abn", -1.5, -2, -1),
        ),
        (
            Row("mha", True),  # M_o, not M_u and not M_b
            results("ab", top1=[0, 1], entropy_u=[9.0, 9.0], entropy_o=[2.0, 1.0], entropy_b=[7.0, 7.0]),
            difference("top1_vs_abn", 0, 0, 0) | difference("entropy_vs_abn", -1, -1, -1),
        ),
        (
            Row("mask", True),  # one map is flat everywhere: a single pair is left
            results("ab", top1=[0, 1], entropy_o=[1.0, NAN]),
            difference("top1_vs_abn", 0, 0, 0),
        ),
    ],
    ids=["plain", "abn + pc", "mask", "mha + pc", "flat maps"],
)
def test_what_a_row_is_compared_in(row, table, expected):
    found = differences_to_abn({row: table, ABN: REFERENCE})
    assert found == {row: pytest.approx(expected), ABN: {}}
    assert list(found[row]) == list(expected)


@pytest.mark.parametrize(
    ("row", "maps"),
    [
        (Row("mask", False), of_map("o", [1.0, 1.0], [1.0, 0.5], [0.5, 0.75])),
        (Row("abn", True), of_map("u", [1.0, 1.0], [1.0, 0.5], [0.5, 0.75])),
        (PLAIN, of_map("g", [1.0, 1.0], [1.0, 0.5], [0.5, 0.75])),
        (
            Row("mha", False),
            of_map("u", [9.0, 9.0], [0.0, 0.0], [0.0, 0.0])
            | of_map("o", [1.0, 1.0], [1.0, 0.5], [0.5, 0.75])
            | of_map("b", [9.0, 9.0], [0.0, 0.0], [0.0, 0.0]),
        ),
    ],
)
def test_maps_are_compared_with_the_truth(row, maps):
    reference = results("ab", top1=[0, 1], **of_map("u", [3.0, 2.0], [0.0, 0.5], [0.25, 0.25]))
    found = differences_to_abn({ABN: reference, row: results("ab", top1=[0, 1], **maps)})[row]
    assert found == pytest.approx(
        difference("top1_vs_abn", 0, 0, 0)
        | difference("entropy_vs_abn", -1.5, -2, -1)
        | difference("pointing_vs_abn", 50, 0, 100)
        | difference("iou_truth_vs_abn", 0.375, 0.25, 0.5)
    )


def test_the_larger_share_of_flat_maps_stands_beside_an_entropy():
    reference = results("ab", top1=[0, 1], entropy_u=[3.0, 2.0], flat_share_u=[0.0, 0.03125])
    for row, flat, expected in ((Row("mask", False), [0.0, 0.0], 0.015625), (Row("mask", True), [0.5, 0.25], 0.375)):
        table = results("ab", top1=[0, 1], entropy_o=[1.0, 1.0], flat_share_o=flat, flat_share_u=[1.0, 1.0])
        assert differences_to_abn({ABN: reference, row: table})[row]["entropy_vs_abn_flat"] == expected
        found = row_difference(table, reference, "entropy")
        assert found == (-1.5, -2, -1, expected)
        assert not found.beyond_noise
        assert row_difference(table, reference, "top1").flat == 0


def test_rows_without_a_measure_are_not_compared_in_it():
    assert [row_difference(REFERENCE, REFERENCE, measure) for measure in MEASURES] == [
        (0, 0, 0, 0), (0, 0, 0, 0), None, None,
    ]  # fmt: skip


def test_three_seeds_of_the_results_are_resampled():
    seeds = {"seed": [0, 0, 1, 1, 2, 2]}
    reference = results("ababab", top1=[0] * 6, **seeds)
    own = results("ababab", top1=[1, 1, 1, 1, 0, 0], **seeds)
    found = differences_to_abn({ABN: reference, Row("mask", False): own})[Row("mask", False)]
    assert found == pytest.approx(difference("top1_vs_abn", 66.666667, 0, 100))


def test_without_the_reference_row_there_is_nothing():
    rows = [PLAIN, Row("abn", True), Row("mask", False)]
    assert differences_to_abn(dict.fromkeys(rows, REFERENCE)) == {row: {} for row in rows}


def test_a_videos_seeds_are_averaged():
    own = results("abab", top1=[1, 1, 0, 1], entropy_o=[1.0, 1.0, 2.0, NAN], seed=[0, 0, 1, 1])
    reference = results("abab", top1=[0, 1, 0, 1], entropy_u=[3.0, 2.0, 3.0, 4.0], seed=[0, 0, 1, 1])
    # top-1 by video: 1/2, 1 against 0, 1; entropy: 1.5, 1 against 3, 3
    expected = difference("top1_vs_abn", 25, 0, 50) | difference("entropy_vs_abn", -1.75, -2, -1.5)
    assert differences_to_abn({ABN: reference, Row("mask", False): own})[Row("mask", False)] == pytest.approx(expected)


def test_the_order_of_the_videos_does_not_matter():
    draw = np.random.default_rng(3)
    names = "abcdefghij"
    own, reference = (
        results(names, top1=draw.integers(0, 2, 10).tolist(), entropy_u=draw.random(10).tolist()) for _ in range(2)
    )
    expected = differences_to_abn({ABN: reference, Row("abn", True): own})
    assert expected[Row("abn", True)]["entropy_vs_abn_low"] < expected[Row("abn", True)]["entropy_vs_abn_high"]
    for seed, other in ((0, 0), (0, 1), (1, 0)):  # the same other order in both tables, and one in each
        tables = {
            ABN: reference.sample(frac=1, random_state=seed),
            Row("abn", True): own.sample(frac=1, random_state=other),
        }
        assert all(table["video"].tolist() != list(names) for table in tables.values())
        assert differences_to_abn(tables) == expected
