"""Differences between rows: means by hand, intervals by another computation, which maps and videos are compared."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from objabn.report.intervals import (
    MAX_FLAT,
    MEASURES,
    Difference,
    count_recordings,
    loss_within,
    row_difference,
    scope,
    smallest_words,
    trainings_of,
)
from objabn.statistics.contrast import mean_error
from tests.helpers.comparisons import results

NAN = float("nan")
NAMES = [f"v{number:02d}" for number in range(24)]


def in_fours() -> pd.Series:
    """Four videos of each recording."""
    return pd.Series([f"r{at // 4}" for at in range(len(NAMES))], NAMES)


def drawn(seeds: int = 3, shift: float = 0.0, draw: int = 0) -> np.ndarray:
    """Entropies (S, N) of which recordings of four share a part, as trainings do."""
    generator = np.random.default_rng(draw)
    recordings = np.repeat(generator.normal(0, 0.4, len(NAMES) // 4), 4)
    noise = generator.normal(0, 0.2, (seeds, len(NAMES)))
    return 2 + shift + recordings + generator.normal(0, 0.1, (seeds, 1)) + noise


def by_hand(own: np.ndarray, other: np.ndarray, groups: list[str]) -> tuple[float, float, float, float]:
    """Mean, low, high and p of Obuchowski and Rockette, from the covariances of values' sums over recordings."""
    seeds, videos = own.shape
    theta = np.concatenate([own, other]).mean(axis=1)
    residuals = np.concatenate([own, other]) - theta[:, None]
    names = sorted(set(groups))
    sums = np.array([[sum(r for r, g in zip(line, groups, strict=True) if g == name) for name in names]
                     for line in residuals])  # fmt: skip
    covariance = sums @ sums.T / videos**2 * len(names) / (len(names) - 1)
    within = [
        covariance[a, b] for a in range(2 * seeds) for b in range(2 * seeds) if a != b and a // seeds == b // seeds
    ]
    across = covariance[:seeds, seeds:]
    squares = np.array([theta[:seeds].var(ddof=1), theta[seeds:].var(ddof=1)])
    cases = max(0.0, seeds * (np.mean(within) - across.mean()))
    error = math.sqrt(2 / seeds * (squares.mean() + cases))
    df = (squares.mean() + cases) ** 2 / ((squares**2).sum() / (4 * (seeds - 1)))
    mean = theta[:seeds].mean() - theta[seeds:].mean()
    half = stats.t.ppf(0.975, df) * error
    return mean, mean - half, mean + half, 2 * stats.t.sf(abs(mean) / error, df)


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("fours", [False, True], ids=["videos", "recordings"])
def test_intervals_are_those_of_another_computation(seeds: int, fours: bool) -> None:
    own, other = drawn(seeds, 0.3, draw=1), drawn(seeds, draw=2)
    recordings = in_fours() if fours else None
    found = row_difference(
        results(NAMES, entropy_object_o=own), results(NAMES, entropy_object_u=other), "entropy_object", recordings
    )
    expected = by_hand(own, other, recordings.to_list() if fours else NAMES)
    assert found[:4] == pytest.approx(expected)
    assert found.low < found.mean < found.high
    assert found.smallest > (found.high - found.low) / 2  # less than 80 % see what the interval just reaches


def test_top_1_and_pointing_are_in_points() -> None:
    own, other = (np.random.default_rng(draw).integers(0, 2, (3, 24)).astype(float) for draw in (1, 2))
    for measure, names in (("top1", ("top1", "top1")), ("pointing", ("pointing_g", "pointing_u"))):
        tables = results(NAMES, **{names[0]: own}), results(NAMES, **{names[1]: other})
        assert row_difference(*tables, measure)[:4] == pytest.approx(by_hand(100 * own, 100 * other, NAMES)), measure


def test_recordings_of_four_videos_widen_the_interval() -> None:
    """Here the videos of a recording share a part, another one in each row."""
    own, other = drawn(draw=1), drawn(draw=2)
    tables = results(NAMES, entropy_object_o=own), results(NAMES, entropy_object_u=other)
    alone, fours = (row_difference(*tables, "entropy_object", recordings) for recordings in (None, in_fours()))
    assert alone.mean == fours.mean
    assert fours.high - fours.low > 1.3 * (alone.high - alone.low)
    assert fours.p > alone.p
    assert fours.smallest > alone.smallest


def test_a_video_without_a_recording_is_its_own() -> None:
    tables = results(NAMES, entropy_object_o=drawn(draw=1)), results(NAMES, entropy_object_u=drawn(draw=2))
    known = in_fours()[:8]
    groups = [*known, *NAMES[8:]]
    expected = by_hand(drawn(draw=1), drawn(draw=2), groups)
    assert row_difference(*tables, "entropy_object", known)[:4] == pytest.approx(expected)
    assert count_recordings(NAMES, known) == 2 + 16
    assert count_recordings(NAMES, None) == 24
    assert count_recordings(NAMES[:6], in_fours()) == 2
    assert count_recordings([], None) == 0


def test_one_seed_has_a_mean_and_no_more() -> None:
    own, other = results(list("abcdefgh"), top1=[[1, 1, 1, 1, 1, 1, 0, 0]]), results(list("abcdefgh"), top1=[[0] * 8])
    assert row_difference(own, other, "top1") == Difference(75)
    without_seed = own.drop(columns="seed"), other.drop(columns="seed")
    assert row_difference(*without_seed, "top1") == Difference(75)
    assert not row_difference(own, other, "top1").beyond_noise


@pytest.mark.parametrize(("num_videos", "told"), [(1, False), (5, False), (6, True)])
def test_fewer_than_six_recordings_have_no_interval(num_videos: int, told: bool) -> None:
    own, other = drawn(draw=1)[:, :num_videos], drawn(draw=2)[:, :num_videos]
    tables = results(NAMES[:num_videos], entropy_object_o=own), results(NAMES[:num_videos], entropy_object_u=other)
    found = row_difference(*tables, "entropy_object")
    assert found.mean == pytest.approx(own.mean() - other.mean())
    assert [each is not None for each in found[1:5]] == [told] * 4
    assert row_difference(*tables, "entropy_object", in_fours()).low is None  # two recordings


def test_where_nothing_varies_there_is_no_interval() -> None:
    same = results(NAMES, top1=np.ones((3, 24)))
    assert row_difference(same, same, "top1") == Difference(0)
    none = results(NAMES, top1=np.zeros((3, 24)))
    assert row_difference(same, none, "top1") == Difference(100)


def test_rows_with_the_same_answers_in_all_trainings_have_no_interval() -> None:
    """The covariances cancel but for rounding, which is no spread."""
    for wrong in range(1, 12):
        same = results(NAMES, top1=np.tile(np.arange(24) >= wrong, (3, 1)))
        assert row_difference(same, same, "top1", in_fours()) == Difference(0), wrong


def test_a_video_that_lacks_a_measure_in_any_seed_is_left_out_of_both_rows() -> None:
    own, other = drawn(draw=1), drawn(draw=2)
    own[1, 3], other[0, 7], other[2, 8] = NAN, NAN, NAN
    kept = [at for at in range(24) if at not in (3, 7, 8)]
    found = row_difference(
        results(NAMES, entropy_object_o=own), results(NAMES, entropy_object_u=other), "entropy_object"
    )
    assert found[:4] == pytest.approx(by_hand(own[:, kept], other[:, kept], [NAMES[at] for at in kept]))
    fewer = results(NAMES, entropy_object_u=other)
    fewer = fewer[~((fewer["video"] == "v05") & (fewer["seed"] == 1))]  # a line that is not there
    kept.remove(5)
    found = row_difference(results(NAMES, entropy_object_o=own), fewer, "entropy_object")
    assert found[:4] == pytest.approx(by_hand(own[:, kept], other[:, kept], [NAMES[at] for at in kept]))


def test_what_an_even_weight_costs_is_compared_between_rows() -> None:
    """As if the loss were a column."""
    top1 = np.random.default_rng(3).integers(0, 2, (4, 3, 24)).astype(float)
    own, other = (results(NAMES, top1=top1[at], top1_even=top1[at + 1]) for at in (0, 2))
    found = row_difference(own, other, "lost_even", in_fours())
    groups = in_fours().to_list()
    assert found is not None
    assert found[:4] == pytest.approx(by_hand(100 * (top1[0] - top1[1]), 100 * (top1[2] - top1[3]), groups))
    assert row_difference(own, other.drop(columns="top1_even"), "lost_even") is None


def test_rows_that_share_no_video_or_have_other_numbers_of_seeds_are_not_compared() -> None:
    own = results(NAMES[:12], entropy_object_o=drawn()[:, :12])
    assert row_difference(own, results(NAMES[12:], entropy_object_u=drawn()[:, 12:]), "entropy_object") is None
    assert row_difference(own, results(NAMES[:12], entropy_object_u=drawn(2)[:, :12]), "entropy_object") is None
    flat = results(NAMES[:12], entropy_object_u=np.full((3, 12), NAN))
    assert row_difference(own, flat, "entropy_object") is None
    assert row_difference(flat, own, "entropy_object") is None


def test_seeds_are_not_paired() -> None:
    """Seed 0 of two rows is not the same training: seeds may be swapped within a row, and have other names."""
    tables = results(NAMES, entropy_object_o=drawn(draw=1)), results(NAMES, entropy_object_u=drawn(draw=2))
    expected = row_difference(*tables, "entropy_object")
    swapped = tables[0].assign(seed=tables[0]["seed"].map({0: 9, 1: 7, 2: 8}))
    assert row_difference(swapped, tables[1], "entropy_object") == pytest.approx(expected)


def test_the_order_of_the_lines_does_not_matter() -> None:
    tables = results(NAMES, entropy_object_o=drawn(draw=1)), results(NAMES, entropy_object_u=drawn(draw=2))
    expected = row_difference(*tables, "entropy_object", in_fours())
    for own, other in ((0, 0), (0, 1), (1, 0)):
        mixed = tables[0].sample(frac=1, random_state=own), tables[1].sample(frac=1, random_state=other)
        assert mixed[0]["video"].tolist() != tables[0]["video"].tolist()
        assert row_difference(*mixed, "entropy_object", in_fours().sample(frac=1, random_state=3)) == expected


@pytest.mark.parametrize(
    ("letters", "compared"), [("o", "o"), ("u", "u"), ("g", "g"), ("uob", "o"), ("ug", "u"), ("b", None)]
)
def test_which_map_of_a_row_is_compared(letters: str, compared: str | None) -> None:
    """M_o, else M_u, else Grad-CAM; the others are far off."""
    bits = {letter: 1.0 if letter == compared else 9.0 for letter in letters}
    maps = {
        f"{measure}_{letter}": np.full((1, 8), value)
        for letter, value in bits.items()
        for measure in ("entropy_object", "pointing", "iou_truth")
    }
    maps |= {f"iou_curve_{letter}": np.full((1, 8, 3), value) for letter, value in bits.items()}
    reference = results(
        NAMES[:8],
        **{f"{measure}_u": np.full((1, 8), 3.0) for measure in ("entropy_object", "pointing", "iou_truth")},
        iou_curve_u=np.full((1, 8, 3), 3.0),
    )
    for measure in ("entropy_object", "pointing", "iou_truth", "iou_best"):
        found = row_difference(results(NAMES[:8], **maps), reference, measure)
        assert (found and found.mean) == (None if compared is None else -2.0 * MEASURES[measure]), measure


def test_rows_without_a_measure_are_not_compared_in_it() -> None:
    table = results(NAMES, top1=np.ones((1, 24)), entropy_object_u=np.ones((1, 24)))
    found = [row_difference(table, table, measure) for measure in MEASURES]
    assert [each is not None for each in found] == [True, False, True, False, False, False]
    assert row_difference(table, results(NAMES, top1=np.ones((1, 24))), "entropy_object") is None


def leave_one_out(curves: list[np.ndarray], groups: list[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of each row IoU at its best threshold by seed, and the jackknife's parts, one loop a recording."""

    def best(row: np.ndarray) -> np.ndarray:  # (S, N, K) -> (S,)
        return row.mean(axis=1)[:, row.reshape(-1, row.shape[2]).mean(axis=0).argmax()]

    names = sorted(set(groups))
    values, parts = [], []
    for row in curves:
        without = np.stack([best(row[:, [at for at, group in enumerate(groups) if group != name]]) for name in names])
        values.append(best(row))
        parts.append(((without - without.mean(axis=0)) * math.sqrt((len(names) - 1) / len(names))).T)
    return values, parts


@pytest.mark.parametrize("fours", [False, True], ids=["videos", "recordings"])
def test_iou_best_is_of_curves_and_leaves_out_one_recording_at_a_time(fours: bool) -> None:
    draw = np.random.default_rng(0)
    peak = np.array([0.2, 0.5, 0.49, 0.1])  # so near that the best threshold changes with what is left out
    own, other = (peak + shift + draw.normal(0, 0.1, (3, 24, 4)) for shift in (0.2, 0.0))
    groups = in_fours().to_list() if fours else NAMES
    values, parts = leave_one_out([own, other], groups)
    tables = results(NAMES, iou_curve_o=own), results(NAMES, iou_curve_u=other)
    found = row_difference(*tables, "iou_best", in_fours() if fours else None)
    products = [[parts[a] @ parts[b].T for b in range(2)] for a in range(2)]
    within = np.mean([(products[a][a].sum() - products[a][a].trace()) / 6 for a in range(2)])
    squares = np.array([each.var(ddof=1) for each in values])
    cases = max(0.0, 3 * (within - products[0][1].mean()))
    error, df = math.sqrt(2 / 3 * (squares.mean() + cases)), (squares.mean() + cases) ** 2 / ((squares**2).sum() / 8)
    mean, half = values[0].mean() - values[1].mean(), stats.t.ppf(0.975, df) * error
    assert found[:3] == pytest.approx((mean, mean - half, mean + half))
    assert found.beyond_noise


def test_the_threshold_is_one_for_all_videos_and_seeds_of_a_row() -> None:
    """Seed 0 is best at the first threshold, seed 1 at the second; together the second."""
    curves = np.stack([np.tile([0.5, 0.4], (6, 1)), np.tile([0.1, 0.4], (6, 1))])
    own, other = results(NAMES[:6], iou_curve_o=curves), results(NAMES[:6], iou_curve_u=np.zeros((2, 6, 2)))
    assert row_difference(own, other, "iou_best").mean == pytest.approx(0.4)


def test_videos_without_a_truth_have_no_curve() -> None:
    own = np.full((2, 7, 3), 0.75)
    own[0, 2] = NAN
    own[:, 2, 1] = NAN
    found = row_difference(
        results(NAMES[:7], iou_curve_o=own), results(NAMES[:7], iou_curve_u=np.full((2, 7, 3), 0.5)), "iou_best"
    )
    assert found.mean == pytest.approx(0.25)


def test_the_larger_share_of_flat_maps_stands_beside_an_entropy() -> None:
    other = results(
        NAMES, entropy_object_u=drawn(draw=2), flat_share_object_u=np.full((3, 24), 1 / 64), top1=drawn(draw=3)
    )
    for flat, expected in ((0.0, 1 / 64), (0.375, 0.375)):
        shares = {"flat_share_object_o": np.full((3, 24), flat), "flat_share_object_u": np.ones((3, 24))}
        own = results(NAMES, entropy_object_o=drawn(shift=-2, draw=1), top1=drawn(draw=4), **shares)
        found = row_difference(own, other, "entropy_object")
        assert found.flat == expected > MAX_FLAT
        assert found.high < 0
        assert not found.beyond_noise
        assert row_difference(own, other, "top1").flat == 0


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
        (None, None, 0.0, False),
    ],
)
def test_what_is_beyond_noise(low: float | None, high: float | None, flat: float, expected: bool) -> None:
    assert Difference(0.2, low, high, flat=flat).beyond_noise is expected


def test_a_loss_within_a_row_by_hand() -> None:
    """Own and other are trainings of one row here: the mean of each video's loss, whose trainings differ."""
    whole, less = drawn(draw=1), drawn(draw=2)
    table = results(NAMES, whole=whole, less=less)
    lost = 100 * (whole - less)
    theta = lost.mean(axis=1)
    covariance = np.cov(lost) / 24
    cases = max(0.0, 3 * covariance[~np.eye(3, dtype=bool)].mean())
    error = math.sqrt((theta.var(ddof=1) + cases) / 3)
    df = (theta.var(ddof=1) + cases) ** 2 / (theta.var(ddof=1) ** 2 / 2)
    half = stats.t.ppf(0.975, df) * error
    expected = theta.mean(), theta.mean() - half, theta.mean() + half
    assert loss_within(table, "whole", "less", None, 100)[:3] == pytest.approx(expected)
    assert loss_within(table, "whole", "none", None) is None
    assert loss_within(table.assign(less=NAN), "whole", "less", None) is None
    one_seed = loss_within(table[table["seed"] == 0], "whole", "less", None)
    assert one_seed == Difference(pytest.approx(theta[0] / 100))


def test_a_rows_own_error() -> None:
    """Of one training: the standard error of a mean over videos."""
    values = drawn(1)
    row = trainings_of(results(NAMES, entropy_object_o=values), "entropy_object_o", None)
    assert mean_error(row) == pytest.approx(values.std(ddof=1) / math.sqrt(24))


def test_of_no_video_in_all_trainings_there_are_no_parts() -> None:
    values = drawn(2)
    values[1] = NAN
    row = trainings_of(results(NAMES, entropy_object_o=values), "entropy_object_o", None)
    assert np.isnan(row.values).tolist() == [True, True]
    assert row.parts.shape == (2, 0)


def test_what_intervals_cover_in_words() -> None:
    assert scope(1, 100).startswith("One seed: no star and no yes or no, since another training of the same row may ")
    assert scope(1, 3) == scope(1, 100)
    assert scope(3, 1) == "1 test recording: no star and no yes or no; it takes 6 of which both rows have the number."
    assert scope(3, 5).startswith("5 test recordings: no star")
    assert scope(3, 1284) == (
        "The intervals (95 %) cover other trainings and other test recordings: each row was trained 3 times, and 1,284 "
        "recordings were tested."
    )
    assert scope(3, 1284, has_intervals=False).startswith("Nothing here has an interval: that takes 6 test recordings")


def test_the_smallest_differences_in_words() -> None:
    sizes = [Difference(0.0, -1, 1, 1.0, size) for size in (2.5, 0.123, 1.0)]
    assert smallest_words(sizes, ".1f") == "0.1 to 2.5"
    assert smallest_words([*sizes[:1], Difference(3.0)], ".1f") == "2.5"
    assert smallest_words([Difference(3.0)], ".1f") is None
    assert smallest_words([], ".1f") is None


def test_two_curves_of_a_row_are_compared_each_at_its_own_best_threshold() -> None:
    draw = np.random.default_rng(0)
    own = np.array([0.2, 0.5, 0.49, 0.1]) + draw.normal(0, 0.1, (3, 24, 4))
    other = np.array([0.4, 0.1, 0.2, 0.39]) + draw.normal(0, 0.1, (3, 24, 4))
    groups = in_fours()
    values, parts = leave_one_out([own, other], groups.to_list())
    differences, parted = values[0] - values[1], parts[0] - parts[1]
    products = parted @ parted.T
    ms, cov2 = differences.var(ddof=1), products[~np.eye(3, dtype=bool)].mean()
    error, df = math.sqrt((ms + max(0.0, 3 * cov2)) / 3), (ms + max(0.0, 3 * cov2)) ** 2 / (ms**2 / 2)
    half = stats.t.ppf(0.975, df) * error
    table = results(NAMES, iou_curve_o=own, iou_curve_g=other)
    found = loss_within(table, "iou_curve_o", "iou_curve_g", groups)
    mean = differences.mean()
    assert found is not None
    assert found[:3] == pytest.approx((mean, mean - half, mean + half))
    own[1, 3] = NAN  # a video without truth
    kept = [at for at in range(24) if at != 3]
    found = loss_within(results(NAMES, iou_curve_o=own, iou_curve_g=other), "iou_curve_o", "iou_curve_g", None)
    (first, second), _ = leave_one_out([own[:, kept], other[:, kept]], [NAMES[at] for at in kept])
    assert found is not None
    assert found.mean == pytest.approx((first - second).mean())


def test_a_loss_that_one_training_knows_has_a_mean_and_no_interval() -> None:
    """Of its eight videos two were measured."""
    whole, less = np.full((3, 24), NAN), np.full((3, 24), NAN)
    whole[0, :2], less[0, :2] = (0.5, 0.75), (0.25, 0.25)
    table = results(NAMES, insertion_o=whole, insertion_g=less)
    assert loss_within(table, "insertion_o", "insertion_g", None, 100) == Difference(37.5)
    assert loss_within(table.assign(insertion_g=NAN), "insertion_o", "insertion_g", None) is None
    assert loss_within(table.drop(columns="seed"), "insertion_o", "insertion_x", None) is None


def test_scope_names_the_rows_that_were_not_trained_here() -> None:
    told = scope(3, 40, elsewhere=["r3d", "s3d"])
    assert "each row but r3d, s3d was trained 3 times" in told
    assert told.endswith(" r3d, s3d were not trained here: each is one network, and no interval covers another of it.")
    assert scope(3, 40, elsewhere=["r3d"]).endswith(" r3d was not trained here: it is one network, and no interval "
                                                    "covers another of it.")  # fmt: skip
    assert "r3d" not in scope(1, 40, elsewhere=["r3d"])  # nothing is said of intervals


def test_entropies_of_other_grids_are_not_beyond_noise() -> None:
    found = Difference(-1.0, -1.5, -0.5, 0.001)
    assert (found.beyond_noise, found._replace(grids=(7, 14)).beyond_noise) == (True, False)
