"""Compare two rows of which each was trained several times and measured on the same videos.

Obuchowski and Rockette (1995) with the degrees of freedom of Hillis (2007), made for several readers who judge the same
cases by two tests. Here a row of the table is a test, a training (seed) is a reader, and a video is a case. Trainings
are nested in rows: seed 0 of two rows is not the same training. Videos that are cut from one recording are not
independent, so a recording is the unit that is drawn.

With theta_rs the measure of row r and seed s, S seeds, and over both rows

    MS    mean of the variances of theta over the seeds of a row
    Cov2  mean covariance, over recordings, between two seeds of a row
    Cov3  mean covariance, over recordings, between seeds of different rows
    C     max(0, S (Cov2 - Cov3))

    Var(difference of the means) = 2 / S (MS + C)
    df = (MS + C)^2 / ((MS_1^2 + MS_2^2) / (4 (S - 1)))

MS holds how trainings differ and what they see differently in the videos; C is what two rows see differently in the
videos in every training. `tests/statistics/test_false_stars.py` simulates how often this finds what is not there.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95
MIN_SEEDS = 2  # of fewer no spread over trainings is known
MIN_RECORDINGS = 6  # of fewer no 95 % can be told: five of a kind come up one time in sixteen where nothing differs


class Trainings(NamedTuple):
    """A measure of the trainings of a row.

    Attributes:
        values: float (S,), of each training.
        parts: float (S, G), what each recording adds to a value's error: the covariance of two values over recordings
            is the sum of the products of their parts.
    """

    values: np.ndarray
    parts: np.ndarray


class Contrast(NamedTuple):
    """The difference of two rows' means.

    Attributes:
        mean: of the first row minus that of the second.
        error: its standard error; None where it is not known (`contrast`).
        df: its degrees of freedom; infinite where all trainings of a row agree.
    """

    mean: float
    error: float | None = None
    df: float = math.inf

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the difference, or None where there is none."""
        if self.error is None:
            return None
        half = self.error * critical(self.df)
        return self.mean - half, self.mean + half

    @property
    def p(self) -> float | None:
        """The two-sided p-value of no difference, or None where there is none."""
        return None if self.error is None else float(2 * stats.t.sf(abs(self.mean) / self.error, self.df))


def critical(df: float) -> float:
    """Return how many standard errors the 95 % interval reaches to each side.

    >>> round(critical(4), 3), round(critical(math.inf), 3)
    (2.776, 1.96)
    """
    return float(stats.t.ppf((1 + LEVEL) / 2, df))


def of_means(values: np.ndarray, recordings: np.ndarray) -> Trainings:
    """Take a measure that is a mean over videos.

    Args:
        values: float (S, N), of each training and video.
        recordings: int (N,), numbers from 0 without gaps.
    """
    means = values.mean(axis=1)
    sums = np.stack([np.bincount(recordings, each) for each in values - means[:, None]])
    groups = sums.shape[1]
    return Trainings(means, sums / values.shape[1] * math.sqrt(groups / max(groups - 1, 1)))


def of_statistic(sums: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> Trainings:
    """Take a measure that is no mean over videos, by a jackknife over recordings.

    Args:
        sums: float (S, G, K), whatever the measure is made of, added up over the videos of each recording.
        statistic: of totals float (S, B, K) the measure float (S, B), for each of B sets of recordings.
    """
    totals = sums.sum(axis=1, keepdims=True)
    without = statistic(totals - sums)
    groups = sums.shape[1]
    parts = (without - without.mean(axis=1, keepdims=True)) * math.sqrt((groups - 1) / groups)
    return Trainings(statistic(totals)[:, 0], parts)


def contrast(own: Trainings, other: Trainings) -> Contrast:
    """Compare two rows that have the same number of seeds and were measured on the same recordings.

    The error is None, so that there is no interval, with fewer than MIN_SEEDS seeds or MIN_RECORDINGS recordings, and
    where nothing varies at all.
    """
    seeds, groups = own.parts.shape
    assert own.parts.shape == other.parts.shape, "rows of other seeds or recordings"
    mean = float(own.values.mean() - other.values.mean())
    if seeds < MIN_SEEDS or groups < MIN_RECORDINGS:
        return Contrast(mean)
    squares = [float(row.values.var(ddof=1)) for row in (own, other)]
    within = np.mean([_between_seeds(row.parts) for row in (own, other)])
    across = float((own.parts @ other.parts.T).mean())
    ms, cases = sum(squares) / 2, seeds * (float(within) - across)
    if cases <= 1e-12 * float((own.parts**2).sum() + (other.parts**2).sum()):  # below 0, or nothing but rounding
        cases = 0.0
    spread = sum(each**2 for each in squares) / (4 * (seeds - 1))
    return _with_error(mean, 2 / seeds * (ms + cases), ms, cases, spread)


def contrast_to_zero(row: Trainings) -> Contrast:
    """Compare the mean of one row with 0, as for a loss within the row: Var = (MS + max(0, S Cov2)) / S."""
    seeds, groups = row.parts.shape
    mean = float(row.values.mean())
    if seeds < MIN_SEEDS or groups < MIN_RECORDINGS:
        return Contrast(mean)
    ms, cases = _of_row(row)
    return _with_error(mean, (ms + cases) / seeds, ms, cases, ms**2 / (seeds - 1))


def mean_error(row: Trainings) -> float:
    """Return the standard error of the mean of a row's trainings; of one training that of its recordings alone."""
    seeds = len(row.values)
    return math.sqrt(float((row.parts**2).sum()) if seeds < MIN_SEEDS else sum(_of_row(row)) / seeds)


def _of_row(row: Trainings) -> tuple[float, float]:
    """MS of one row, and what is the same in all its trainings, S Cov2."""
    return float(row.values.var(ddof=1)), max(0.0, len(row.values) * _between_seeds(row.parts))


def _with_error(mean: float, variance: float, ms: float, cases: float, spread: float) -> Contrast:
    """Add the standard error, unless nothing varies, and df = (MS + cases)^2 / spread."""
    if variance <= (1e-9 * max(abs(mean), 1e-9)) ** 2:  # nothing but rounding
        return Contrast(mean)
    if ms <= 1e-18 * (ms + cases):
        return Contrast(mean, math.sqrt(variance))
    return Contrast(mean, math.sqrt(variance), (ms + cases) ** 2 / spread)


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm 1979): that of any false rejection among them stays below a level.

    >>> [round(p, 3) for p in adjusted([0.04, 0.01, 0.03])]
    [0.06, 0.03, 0.06]
    """
    order, largest = sorted(range(len(p_values)), key=p_values.__getitem__), 0.0
    result = [0.0] * len(p_values)
    for rank, at in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[at]))
        result[at] = largest
    return result


def _between_seeds(parts: np.ndarray) -> float:
    """Mean covariance over recordings of two different trainings of a row."""
    products = parts @ parts.T
    seeds = len(parts)
    return float((products.sum() - np.trace(products)) / (seeds * (seeds - 1)))
