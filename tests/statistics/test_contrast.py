"""Differences of rows against values counted by hand, or by another way to the same number."""

import math

import numpy as np
import pytest

from objabn.statistics import contrast as module
from objabn.statistics.contrast import (
    Trainings,
    adjusted,
    contrast,
    contrast_to_zero,
    critical,
    mean_error,
    of_means,
    of_statistic,
)

ALONE = np.arange(8)  # each video its own recording


def rows(seeds: int = 3, videos: int = 8, draw: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(draw)
    own, other = generator.normal(size=(2, seeds, videos)) + generator.normal(size=videos)
    return own + 0.5, other


def test_the_formulas_of_obuchowski_rockette_and_hillis() -> None:
    """Written out with numpy's own covariances: over videos, divided by their number."""
    own, other = rows()
    theta, covariance = np.stack([own.mean(axis=1), other.mean(axis=1)]), np.cov(np.concatenate([own, other])) / 8
    squares = theta.var(axis=1, ddof=1)
    within = [covariance[a, b] for a in range(6) for b in range(6) if a != b and a // 3 == b // 3]
    across = [covariance[a, b] for a in range(3) for b in range(3, 6)]
    cases = max(0, 3 * (np.mean(within) - np.mean(across)))
    assert cases > 0
    found = contrast(of_means(own, ALONE), of_means(other, ALONE))
    assert found.mean == pytest.approx(theta[0].mean() - theta[1].mean())
    assert found.error == pytest.approx(math.sqrt(2 / 3 * (squares.mean() + cases)))
    assert found.df == pytest.approx((squares.mean() + cases) ** 2 / ((squares**2).sum() / 8))
    low, high = found.interval
    assert (low + high) / 2 == pytest.approx(found.mean)
    assert (high - low) / 2 == pytest.approx(critical(found.df) * found.error)


def test_the_interval_excludes_nothing_when_p_says_so() -> None:
    for draw in range(20):
        found = contrast(*[of_means(row, ALONE) for row in rows(draw=draw)])
        low, high = found.interval
        assert (low > 0 or high < 0) == (found.p < 0.05)


def test_trainings_that_agree_leave_the_videos_alone() -> None:
    """The same values in every training: the paired comparison of two columns, by the normal distribution."""
    own, other = (np.tile(row[:1], (3, 1)) for row in rows())
    found = contrast(of_means(own, ALONE), of_means(other, ALONE))
    assert found.error == pytest.approx((own[0] - other[0]).std(ddof=1) / math.sqrt(8))
    assert math.isinf(found.df)


def test_videos_that_agree_leave_the_trainings_alone() -> None:
    """Values of trainings only: Welch's error, its degrees of freedom at equal numbers."""
    own, other = np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.1, 0.3])
    found = contrast(*[of_means(np.repeat(row[:, None], 8, axis=1), ALONE) for row in (own, other)])
    assert found.error == pytest.approx(math.sqrt(own.var(ddof=1) / 3 + other.var(ddof=1) / 3))
    welch = (own.var(ddof=1) + other.var(ddof=1)) ** 2 / ((own.var(ddof=1) ** 2 + other.var(ddof=1) ** 2) / 2)
    assert found.df == pytest.approx(welch)


def test_recordings_are_the_cases() -> None:
    """Four copies of each video are worth as much as one, when they are of one recording."""
    own, other = rows()
    copies = [np.repeat(row, 4, axis=1) for row in (own, other)]
    expected = contrast(of_means(own, ALONE), of_means(other, ALONE))
    clustered = contrast(*[of_means(row, np.repeat(ALONE, 4)) for row in copies])
    assert clustered == pytest.approx(expected)
    assert contrast(*[of_means(row, np.arange(32)) for row in copies]).error < expected.error


def test_recordings_of_different_size_by_hand() -> None:
    """Two videos of one recording, and one: sums 3 + 1 - 2 * 2 = 0 and 2 - 2 = 0 around the mean of 2."""
    row = of_means(np.array([[3.0, 1.0, 2.0]]), np.array([0, 0, 1]))
    assert row.values == pytest.approx([2])
    assert row.parts == pytest.approx(np.zeros((1, 2)))
    row = of_means(np.array([[3.0, 2.0, 1.0]]), np.array([0, 0, 1]))
    assert row.parts == pytest.approx(np.array([[1, -1]]) / 3 * math.sqrt(2))


def test_a_jackknife_of_a_mean_is_nearly_the_mean() -> None:
    """Of recordings of one size it is exactly the same."""
    own, _ = rows()
    recordings = np.repeat(np.arange(4), 2)
    sums = np.stack([own.reshape(3, 4, 2).sum(axis=2), np.full((3, 4), 2.0)], axis=2)
    found = of_statistic(sums, lambda totals: totals[..., 0] / totals[..., 1])
    expected = of_means(own, recordings)
    assert found.values == pytest.approx(expected.values)
    assert found.parts @ found.parts.T == pytest.approx(expected.parts @ expected.parts.T)


@pytest.mark.parametrize(("seeds", "videos"), [(1, 8), (3, module.MIN_RECORDINGS - 1)])
def test_too_few_have_no_interval(seeds: int, videos: int) -> None:
    own, other = rows(seeds, videos)
    found = contrast(*[of_means(row, np.arange(videos)) for row in (own, other)])
    assert found.mean == pytest.approx(own.mean() - other.mean())
    assert (found.error, found.interval, found.p) == (None, None, None)


@pytest.mark.parametrize("shift", [0.0, 0.1, 1e6])
def test_where_nothing_varies_there_is_no_interval(shift: float) -> None:
    own, _ = rows()
    same = np.tile(own[:1], (3, 1))
    found = contrast(of_means(same + shift, ALONE), of_means(same, ALONE))
    assert found.mean == pytest.approx(shift)
    assert found.interval is None


def test_of_one_row_against_nothing() -> None:
    own, _ = rows()
    row, covariance = of_means(own, ALONE), np.cov(own) / 8
    within = (covariance.sum() - np.trace(covariance)) / 6
    ms = own.mean(axis=1).var(ddof=1)
    found = contrast_to_zero(row)
    assert within > 0
    assert found.error == pytest.approx(math.sqrt((ms + 3 * within) / 3))
    assert found.df == pytest.approx((ms + 3 * within) ** 2 / (ms**2 / 2))
    assert mean_error(row) == found.error
    assert mean_error(Trainings(row.values[:1], row.parts[:1])) == pytest.approx(own[0].std(ddof=1) / math.sqrt(8))


def test_holm() -> None:
    assert adjusted([]) == []
    assert adjusted([0.02]) == [0.02]
    assert adjusted([0.01, 0.02, 0.03, 0.5]) == pytest.approx([0.04, 0.06, 0.06, 0.5])
    assert adjusted([0.9, 0.8]) == [1.0, 1.0]
