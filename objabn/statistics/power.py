"""Say how small a difference a design can see."""

import math
from collections.abc import Container
from typing import NamedTuple

from scipy import optimize, stats

from objabn.statistics.contrast import critical

POWER = 0.8  # share of repetitions in which a difference of that size gets its star


class Spread(NamedTuple):
    """How a measure varies.

    With folds a training is several networks; it is taken to vary as one network does.

    Attributes:
        seeds: standard deviation over the trainings of a row, were there endless test videos.
        rows: standard deviation over videos of what two rows see differently in every training.
        rest: standard deviation over videos of what two trainings of a row see differently.
        decimals, unit: of its differences.
    """

    seeds: float
    rows: float
    rest: float
    decimals: int
    unit: str


TOP1 = "top-1"
# Of the embedded data, its rows against abn, over the seeds 0 to 5; of other data these are a guess.
MEASURED = {
    TOP1: Spread(0.0, 0.0, 18.9, 1, " points"),
    "entropy": Spread(0.054, 0.22, 0.16, 2, " bits"),
    "pointing": Spread(15.2, 7.5, 13.2, 0, " points"),
    "IoU truth": Spread(0.017, 0.035, 0.046, 3, ""),
}
OF_TRUTH = ("pointing", "IoU truth")


def smallest_difference(error: float, df: float = math.inf) -> float:
    """Return the smallest difference that gets a star in POWER of all repetitions.

    Args:
        error: standard error of the difference.
        df: its degrees of freedom.

    >>> round(smallest_difference(1.0), 2), round(smallest_difference(1.0, df=4), 2)
    (2.8, 3.76)
    """
    limit = critical(df)
    if math.isinf(df):
        return error * (limit + float(stats.norm.ppf(POWER)))
    return error * float(optimize.brentq(lambda shift: stats.nct.sf(limit, df, shift) - POWER, 0, 4 * limit + 4))


def expected_error(seed_std: float, row_std: float, seeds: int, videos: float) -> tuple[float, float]:
    """Return the standard error and the degrees of freedom that a design will have.

    Args:
        seed_std: standard deviation of the measure over trainings of a row.
        row_std: standard deviation over videos of what two rows see differently in every training: Cov2 - Cov3 is
            row_std^2 / videos.
        seeds: trainings of each row, at least 2.
        videos: how many independent videos the test videos are worth.

    >>> [round(each, 2) for each in expected_error(1.0, 0.0, seeds=3, videos=100)]
    [0.82, 4.0]
    """
    squares, cases = seed_std**2, seeds * row_std**2 / videos
    if squares == 0:
        return math.sqrt(2 / seeds * cases), math.inf
    return math.sqrt(2 / seeds * (squares + cases)), 2 * (seeds - 1) * (1 + cases / squares) ** 2


def binomial_spread(accuracy: float) -> Spread:
    """Return how top-1 varies where each training answers each video right with the same chance, by itself.

    Trainings that are right on the same videos differ less. Rows that are right on other videos in every training
    differ more: that is `rows`, which is 0 here, as it was measured to be on the embedded data.

    Args:
        accuracy: that chance, 0-1.

    >>> round(binomial_spread(0.5).rest, 1), round(binomial_spread(0.98).rest, 1)
    (50.0, 14.0)
    """
    return Spread(0.0, 0.0, 100 * math.sqrt(accuracy * (1 - accuracy)), 1, " points")


def smallest_of(spread: Spread, seeds: int, recordings: int) -> float:
    """Return the smallest difference that a design will see, of a measure that varies like this."""
    seed_std = math.hypot(spread.seeds, spread.rest / math.sqrt(recordings))
    return smallest_difference(*expected_error(seed_std, spread.rows, seeds=seeds, videos=recordings))


def design_words(seeds: int, recordings: int, *, truth: bool = True, leave_out: Container[str] = ()) -> str:
    """Write the smallest differences that a design will see, by the spreads MEASURED.

    Args:
        truth: whether there is ground truth, without which some measures cannot be had.
        leave_out: measures that nothing is said of.

    >>> design_words(3, 128).split(", ")[1]
    'entropy 0.17 bits'
    """
    seen = []
    for name, spread in MEASURED.items():
        if name in leave_out or (name in OF_TRUTH and not truth):
            continue
        smallest = smallest_of(spread, seeds, recordings)
        seen.append(f"{name} {smallest:.{spread.decimals}f}{spread.unit}")
    return ", ".join(seen)
