"""How far rows differ on the same videos: paired differences with bootstrap intervals, and which are beyond noise.

The test videos are the sample: an interval says how the difference would move with other videos; with at least
MIN_SEEDS seeds also how it would move with other trainings. `scope` says it in words.
"""

from collections.abc import Container
from typing import NamedTuple

import numpy as np
import pandas as pd

from objabn.config.rows import GRAD_CAM
from objabn.evaluation.numbers import column

MEASURES = {"top1": 100, "entropy": 1, "pointing": 100, "iou_truth": 1}  # what is compared -> scale; 100: to points
COMPARED = ("o", "u", GRAD_CAM)  # a row is compared by the first of these maps that it has
COLUMNS = (  # what is read of a row's results
    "video", "seed", "top1",
    *(column(measure, letter) for measure in ("entropy", "flat_share", "pointing", "iou_truth") for letter in COMPARED),
)  # fmt: skip
RESAMPLES = 9999
LEVEL = 0.95
MIN_SEEDS = 3  # so many can be resampled
MIN_VIDEOS = 6  # of fewer no 95 % can be told: five of a kind come up one time in sixteen where nothing differs
MAX_FLAT = 0.01  # share of flat frames beyond which no map is called sharper
LUCK = "Each is judged by itself: of twenty comparisons in which nothing differs, about one looks like a difference."
_BATCH = 100  # so many resamples in memory at once


class Difference(NamedTuple):
    """A row's mean minus another's, with the ends of its interval."""

    mean: float
    low: float
    high: float
    flat: float = 0.0  # of entropies: the larger share of flat frames of the two rows

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval excludes 0, and for entropies both rows have maps to speak of."""
        return (self.low > 0 or self.high < 0) and self.flat <= MAX_FLAT


def scope(num_seeds: int) -> str:
    """What the intervals cover, a sentence."""
    if num_seeds < MIN_SEEDS:
        seeds = "One seed" if num_seeds == 1 else f"Means of {num_seeds} seeds"
        return f"{seeds}: the intervals cover other test videos, not other trainings."
    return (
        f"The intervals cover other test videos and other trainings: videos and the {num_seeds} seeds are resampled. "
        "Of few seeds they are too narrow: where trainings differ more than videos, an interval of three seeds reaches "
        "from the lowest to the highest, and holds the true difference three times in four."
    )


def paired_difference(values: pd.DataFrame, reference: pd.DataFrame) -> Difference | None:
    """Mean of values - reference over the videos that have both, with its 95 % percentile bootstrap interval.

    A video counts with its mean over the seeds, without NaN. Videos are resampled; when both have the same seeds, at
    least MIN_SEEDS of them, so are the seeds, independently of the videos and alike on both sides (a crossed
    bootstrap), since two rows' trainings of a seed see the same clips in the same order. The resampling is seeded.

    Args:
        values, reference: float, a line a video, a column a seed; NaN where a video has none.

    Returns:
        None when fewer than MIN_VIDEOS videos have both.
    """
    both = (values.mean(axis=1) - reference.mean(axis=1)).dropna()
    if len(both) < MIN_VIDEOS:
        return None
    sides = [each.loc[both.index].to_numpy(np.float64) for each in (values, reference)]
    num_seeds = values.shape[1]
    cross = num_seeds >= MIN_SEEDS and list(values) == list(reference)
    draw_videos, draw_seeds = np.random.default_rng(0), np.random.default_rng(1)
    means = []
    for start in range(0, RESAMPLES, _BATCH):
        number = min(_BATCH, RESAMPLES - start)
        videos = draw_videos.integers(0, len(both), (number, len(both)))
        if cross:
            counts = draw_seeds.multinomial(num_seeds, [1 / num_seeds] * num_seeds, number)
            own, other = (_means_by_video(side, counts) for side in sides)
            means.append(_mean(np.take_along_axis(own - other, videos, axis=1)))
        else:
            means.append(both.to_numpy()[videos].mean(axis=1))
    ends = np.nanpercentile(np.concatenate(means), [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Difference(float(both.mean()), float(ends[0]), float(ends[1]))


def _means_by_video(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means over resampled seeds without NaN, (R, V): values (V, S), how often each seed was drawn (R, S)."""
    known = ~np.isnan(values)
    drawn = counts.astype(np.float64)  # products of integers are slow
    with np.errstate(invalid="ignore"):  # a video may have none of the drawn seeds
        return (drawn @ np.where(known, values, 0.0).T) / (drawn @ known.T.astype(np.float64))


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the last axis without NaN; NaN where there is nothing else."""
    with np.errstate(invalid="ignore"):
        return np.nansum(values, axis=-1) / (~np.isnan(values)).sum(axis=-1)


def row_difference(own: pd.DataFrame, other: pd.DataFrame, measure: str) -> Difference | None:
    """How far two rows differ in one of MEASURES; None where one of them lacks it.

    In points for top-1 and pointing, bits for the entropy. Of a map: of M_o where a row has it, else of M_u, else of
    Grad-CAM.

    Args:
        own, other: results as `evaluate.evaluate_run` gives them, with `seed` where there are several.
    """
    columns = [_column(table, measure) for table in (own, other)]
    if None in columns:
        return None
    tables = [_by_seed(table, str(column)) for table, column in zip((own, other), columns, strict=True)]
    found = paired_difference(*[MEASURES[measure] * table for table in tables])
    if found is None or measure != "entropy":
        return found
    shares = [_column(table, "flat_share") for table in (own, other)]
    flat = [float(table[name].mean()) for table, name in zip((own, other), shares, strict=True) if name]
    return found._replace(flat=max(flat, default=0.0))


def compared_map(names: Container[str], measure: str) -> str | None:
    """Choose the map that a row is compared by: the first of COMPARED of which there is the measure.

    Args:
        names: columns of the results of a row.

    >>> compared_map(["entropy_u", "entropy_o"], "entropy")
    'o'
    """
    return next((letter for letter in COMPARED if column(measure, letter) in names), None)


def _column(table: pd.DataFrame, measure: str) -> str | None:
    if measure == "top1":
        return measure if measure in table else None
    letter = compared_map(table.columns, measure)
    return column(measure, letter) if letter else None


def _by_seed(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A line a video, a column a seed."""
    seeds = table.get("seed", 0)
    return table.assign(seed=seeds).pivot(index="video", columns="seed", values=column)
