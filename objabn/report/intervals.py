"""How far rows differ on the same test videos, and which differences would be there again after another training.

The trainings of a row and the recordings of the test videos are the sample (`statistics.contrast`). With one training a
difference is a number and no more: it has no interval and no star.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from objabn.evaluation.localisation import best_threshold
from objabn.evaluation.numbers import column
from objabn.evaluation.results import CURVE
from objabn.report.elsewhere import no_trainings
from objabn.report.names import COMPARED, compared_map
from objabn.statistics.contrast import (
    LEVEL,
    MIN_RECORDINGS,
    MIN_SEEDS,
    Contrast,
    Trainings,
    contrast,
    contrast_to_zero,
    of_means,
    of_statistic,
)
from objabn.statistics.power import POWER, smallest_difference

# What is compared -> its scale; 100: to points.
MEASURES = {"top1": 100, "lost_even": 100, "entropy_object": 1, "pointing": 100, "iou_truth": 1, "iou_best": 1}
_LOST = "lost_even"  # top-1 that one even weight in the place of the maps costs: how much the map is used
SHARPNESS = "entropy_object"  # of frames with an object: in all others a map has nothing to be sharp about
_OF_CURVES = "iou_best"  # at the threshold that is best over all videos and seeds: no mean over videos
COLUMNS = (  # what is read of a row's results
    "video", "seed", "top1",
    *(
        column(measure, letter)
        for measure in (SHARPNESS, "flat_share_object", "pointing", "iou_truth")
        for letter in COMPARED
    ),
    *(f"{CURVE}{letter}" for letter in COMPARED),
)  # fmt: skip
_BOTH = f"{CURVE}both"  # two curves of a video, one behind the other
MAX_FLAT = 0.01  # share of flat frames beyond which no map is called sharper


class Difference(NamedTuple):
    """A row's mean minus another's.

    Attributes:
        low, high: ends of the 95 % interval; None where there is none.
        p: two-sided p-value of no difference; None where there is no interval.
        smallest: the smallest difference that this design would see; None where there is no interval.
        flat: of entropies the larger share of flat frames, of those with an object, of the two rows.
        grids: of entropies the cells a side of each row's maps, where these are others: of more cells an entropy is
            another measure. None: they are the same.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    smallest: float | None = None
    flat: float = 0.0
    grids: tuple[int, int] | None = None

    @property
    def comparable(self) -> bool:
        """Whether both rows have maps to speak of, on one grid, where it is of entropies."""
        return self.flat <= MAX_FLAT and self.grids is None

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval excludes 0, and for entropies both rows have maps to speak of."""
        if self.low is None or self.high is None:
            return False
        return (self.low > 0 or self.high < 0) and self.comparable


def scope(num_seeds: int, num_recordings: int, has_intervals: bool = True, elsewhere: Sequence[str] = ()) -> str:
    """Say what the intervals cover, or why there are none.

    Args:
        elsewhere: names of rows that were not trained here.
    """
    if num_seeds < MIN_SEEDS:
        return (
            "One seed: no star and no yes or no, since another training of the same row may differ by more than these "
            "rows do; `table.seeds` with three seeds tells."
        )
    if num_recordings < MIN_RECORDINGS:
        few = f"{num_recordings} test recording{'s' * (num_recordings != 1)}"
        return f"{few}: no star and no yes or no; it takes {MIN_RECORDINGS} of which both rows have the number."
    if not has_intervals:
        return (
            f"Nothing here has an interval: that takes {MIN_RECORDINGS} test recordings of which both rows have the "
            "number in all trainings, and numbers that vary."
        )
    return (
        f"The intervals ({100 * LEVEL:g} %) cover other trainings and other test recordings: each row"
        f"{' but ' * bool(elsewhere)}{', '.join(elsewhere)} was trained {num_seeds} times, and {num_recordings:,} "
        f"recordings were tested.{no_trainings(elsewhere)}"
    )


def row_difference(
    own: pd.DataFrame, other: pd.DataFrame, measure: str, recordings: pd.Series | None = None
) -> Difference | None:
    """Tell how far two rows differ in one of MEASURES; None where one of them lacks it.

    In points for top-1, for what of it one even weight costs, and for pointing, bits for the entropy of frames with an
    object. Of a map: of M_o where a row has it, else of M_u, else of Grad-CAM. A video that lacks the measure in any
    training of either row is left out.

    Args:
        own, other: results as `evaluate.evaluate_run` gives them, with `seed` where there are several.
        recordings: of each video (index) the recording that it is cut from; None: each is its own.
    """
    own, other = (_with_lost(table) for table in (own, other)) if measure == _LOST else (own, other)
    names = [_column(table, measure) for table in (own, other)]
    if names[0] is None or names[1] is None:
        return None
    sides = [_by_video(own, names[0]), _by_video(other, names[1])]
    if len(sides[0].columns) != len(sides[1].columns):
        return None
    videos = sides[0].index.intersection(sides[1].index).sort_values()
    if videos.empty:
        return None
    numbers = _recording_numbers(videos, recordings)
    scale = MEASURES[measure]
    of = _at_best_threshold(scale) if measure == _OF_CURVES else scale
    difference = _told(contrast(*[_trainings(side.loc[videos], numbers, of) for side in sides]))
    if measure != SHARPNESS:
        return difference
    shares = [_column(table, "flat_share_object") for table in (own, other)]
    flat = [float(table[name].mean()) for table, name in zip((own, other), shares, strict=True) if name]
    return difference._replace(flat=max(flat, default=0.0))


def loss_within(
    table: pd.DataFrame, whole: str, less: str, recordings: pd.Series | None, scale: float = 1.0
) -> Difference | None:
    """Tell how far a measure of a row is above another one of it, `whole` - `less`; None where it lacks one.

    Of two curves: each at its own best threshold. Where no video has both measures in all trainings, it is the mean of
    those trainings that have them, without an interval.
    """
    if whole not in table or less not in table:
        return None
    if whole.startswith(CURVE):
        both = pd.Series([np.concatenate(pair) for pair in zip(table[whole], table[less], strict=True)], table.index)
        values = _by_video(table.assign(**{_BOTH: both}), _BOTH)
        found = _trainings(values, _recording_numbers(values.index, recordings), _difference_of_best(scale))
        return _told(contrast_to_zero(found)) if found.parts.size else None
    lost = table.assign(lost=table[whole] - table[less], seed=table.get("seed", 0))
    found = trainings_of(lost, "lost", recordings, scale)
    if found.parts.size:
        return _told(contrast_to_zero(found))
    mean = float(lost.groupby("seed")["lost"].mean().mean())
    return None if pd.isna(mean) else Difference(scale * mean)


def _told(found: Contrast) -> Difference:
    low, high = found.interval or (None, None)
    smallest = None if found.error is None else smallest_difference(found.error, found.df)
    return Difference(found.mean, low, high, found.p, smallest)


_Statistic = Callable[[np.ndarray], np.ndarray]


def _trainings(values: pd.DataFrame, numbers: np.ndarray, of: float | _Statistic) -> Trainings:
    """A measure of a row's trainings: values by video and seed, each a number or a curve.

    Args:
        of: the scale of numbers, of curves what is made of their sums.
    """
    if values.empty:  # no video has it in all trainings
        return Trainings(np.full(len(values.columns), np.nan), np.empty((len(values.columns), 0)))
    if not callable(of):
        return of_means(of * values.to_numpy(np.float64).T, numbers)
    curves = np.stack([np.stack(values[seed].to_list()) for seed in values]).astype(np.float64)  # (S, N, K)
    counted = np.concatenate([curves, np.ones((*curves.shape[:2], 1))], axis=2)
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], np.arange(numbers.max() + 1))
    return of_statistic(np.add.reduceat(counted[:, order], starts, axis=1), of)


def _at_best_threshold(scale: float) -> _Statistic:
    """The mean of each training's curve at the one threshold that is best over all videos and seeds."""

    def statistic(totals: np.ndarray) -> np.ndarray:  # (S, B, K + 1), the last: the number of videos
        curves = totals[..., :-1] / totals[..., -1:]
        best = [best_threshold(curves[:, at]) for at in range(curves.shape[1])]
        return scale * curves[:, np.arange(len(best)), best]

    return statistic


def _difference_of_best(scale: float) -> _Statistic:
    """Two curves of each training, one behind the other: the first minus the second, each at its best threshold."""
    best = _at_best_threshold(scale)

    def statistic(totals: np.ndarray) -> np.ndarray:  # (S, B, 2 K + 1)
        half = totals.shape[-1] // 2
        return best(totals[..., [*range(half), -1]]) - best(totals[..., half:])

    return statistic


def _recording_numbers(videos: pd.Index, recordings: pd.Series | None) -> np.ndarray:
    """The number of each video's recording, int (N,) from 0 without gaps."""
    names = videos if recordings is None else recordings.reindex(videos).fillna(pd.Series(videos, videos))
    return pd.factorize(pd.Series(names).to_numpy())[0]


def count_recordings(videos: Sequence[str], recordings: pd.Series | None) -> int:
    """Count the recordings that videos are cut from."""
    return int(_recording_numbers(pd.Index(videos), recordings).max() + 1) if len(videos) else 0


def trainings_of(table: pd.DataFrame, name: str, recordings: pd.Series | None, scale: float = 1.0) -> Trainings:
    """Take a measure of a row, by its column, for the error of the row's own mean.

    Only videos that have it in all trainings count; the values are NaN, of no recording, where there is none.
    """
    values = _by_video(table, name)
    return _trainings(values, _recording_numbers(values.index, recordings), scale)


def smallest_words(differences: Sequence[Difference], form: str) -> str | None:
    """Write the smallest differences that a design sees, from the least to the greatest of several comparisons."""
    known = sorted(each.smallest for each in differences if each.smallest is not None)
    if not known:
        return None
    least, most = format(known[0], form), format(known[-1], form)
    return least if least == most else f"{least} to {most}"


def power_sentence() -> str:
    """Say what the smallest difference is."""
    return f"The smallest difference that gets its star in {100 * POWER:g} % of all repetitions of this design"


def _column(table: pd.DataFrame, measure: str) -> str | None:
    if measure in ("top1", _LOST):
        return measure if measure in table else None
    if measure == _OF_CURVES:
        return next((name for letter in COMPARED if (name := f"{CURVE}{letter}") in table), None)
    letter = compared_map(table.columns, measure)
    return column(measure, letter) if letter else None


def _with_lost(table: pd.DataFrame) -> pd.DataFrame:
    """Add what one even weight costs, where it is known."""
    return table.assign(**{_LOST: table["top1"] - table["top1_even"]}) if "top1_even" in table else table


def _by_video(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A line a video that has the measure in all trainings, a column a seed."""
    values = table.assign(seed=table.get("seed", 0)).pivot(index="video", columns="seed", values=name)
    if name.startswith(CURVE):
        return values[values.map(lambda curve: not np.isnan(curve).any()).all(axis=1)]
    return values.dropna()
