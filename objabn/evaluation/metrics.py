"""Measure attention maps and predictions, per frame or per video, on the CPU.

Shapes: V videos, M maps, T frames, h/w grid of the maps, L classes.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

MAX_BITS = math.log2(10)  # the largest entropy of the paper's 10 bins, 3.3219
CALIBRATION_BINS = 15
# Where to call a map flat is a choice; the entropies under these choices tell how much hangs on it. The first is
# rounding, below which no entropy is known.
FLAT_RANGES = (1e-6, 0.02, 0.05)
_NO_RANGE = 1e-6  # a range below this is rounding: nothing is divided by it


def map_range(maps: np.ndarray) -> np.ndarray:
    """Return max - min of each frame's map, float64 (...) for float (..., h, w).

    >>> import numpy as np
    >>> map_range(np.array([[[0.5, 0.5]], [[0.0, 1.0]]])).tolist()
    [0.0, 1.0]
    """
    return np.ptp(np.asarray(maps, np.float64), axis=(-2, -1))


def is_flat(maps: np.ndarray, flat_range: float) -> np.ndarray:
    """Tell for each frame whether the map is flat: max - min < `flat_range`.

    Returns bool (...) for float (..., h, w). A flat map has no shape to measure: scaled to [0, 1] it would be rounding
    or noise.

    >>> import numpy as np
    >>> maps = np.array([[[0.5, 0.53]], [[0.0, 1.0]]])
    >>> is_flat(maps, 0.05).tolist(), is_flat(maps, 0.02).tolist()
    ([True, False], [False, False])
    """
    return map_range(maps) < flat_range


def scale_frames(maps: np.ndarray) -> np.ndarray:
    """Scale each frame's map to [0, 1] by the map's own minimum and maximum.

    Returns float64 (..., h, w); about 0 where the map is the same everywhere (max - min < 1e-6).

    >>> import numpy as np
    >>> scale_frames(np.array([[2.0, 3.0, 4.0]])).tolist()
    [[0.0, 0.5, 1.0]]
    """
    maps = np.asarray(maps, np.float64)
    lowest = maps.min(axis=(-2, -1), keepdims=True)
    span = np.ptp(maps, axis=(-2, -1), keepdims=True)
    return (maps - lowest) / np.where(span < _NO_RANGE, 1.0, span)


def resize_maps(maps: np.ndarray, size: int | None) -> np.ndarray:
    """Resize each frame's map bilinearly to size x size cells.

    Returns float64 (..., size, size) for float (..., h, w); with None the maps as they are. Cells are areas, whose
    centres lie half a cell from the edge; beyond the outermost centres the maps go on as they are there.

    >>> import numpy as np
    >>> resize_maps(np.array([[0.0, 1.0]]), 4)[0].tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    maps = np.asarray(maps, np.float64)
    if size is None:
        return maps
    frames = torch.from_numpy(maps.reshape(-1, 1, *maps.shape[-2:]))
    resized = F.interpolate(frames, size=(size, size), mode="bilinear", align_corners=False)
    return resized.numpy().reshape(*maps.shape[:-2], size, size)


def map_entropy(maps: np.ndarray, flat_range: float, bins: int = 10, size: int | None = None) -> np.ndarray:
    """Return the entropy of each frame's map in bits.

    Returns float64 (...) in [0, log2 bins]; NaN where the map is flat. Each map is scaled to [0, 1] by the map's own
    minimum and maximum, and the scaled values are counted in equal bins:
    H = -sum over i of p_i log2 p_i, p_i = hist[i] / sum over j of hist[j].

    Args:
        maps: float (..., h, w).
        flat_range: below this range a map is flat (`is_flat`), on its own grid.
        bins: B.
        size: the map is resized to so many cells a side before its values are counted; None: its own grid.

    Paper: Eq. (11), Sec. 4.2.

    >>> import numpy as np
    >>> map_entropy(np.array([[0.0, 1.0]]), flat_range=0.05).item()  # half of the cells in each of two bins
    1.0
    """
    scaled = scale_frames(resize_maps(maps, size))
    numbers = np.minimum((scaled * bins).astype(np.int64), bins - 1)
    shares = np.stack([(numbers == index).mean(axis=(-2, -1)) for index in range(bins)], axis=-1)  # (..., bins)
    entropy = -(shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(axis=-1)
    return np.where(is_flat(maps, flat_range), np.nan, entropy + 0.0)  # + 0.0: no negative zero


def flicker(maps: np.ndarray) -> np.ndarray:
    """Return how much a map changes from a frame to the next.

    That is the mean of |M(t + 1) - M(t)| over the cells and the T - 1 pairs of frames. Returns float64 (...) in [0, 1]
    for float (..., T, h, w) in [0, 1]; NaN of a single frame.

    >>> import numpy as np
    >>> flicker(np.array([[[0.0, 1.0]], [[0.5, 1.0]], [[0.5, 0.0]]])).item()  # 0.5 and 0, then 0 and 1
    0.375
    """
    maps = np.asarray(maps, np.float64)
    if maps.shape[-3] < 2:
        return np.full(maps.shape[:-3], np.nan)
    return np.abs(np.diff(maps, axis=-3)).mean(axis=(-3, -2, -1))


def calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Return the expected calibration error (ECE) of answers, in [0, 1]; NaN of none.

    Answers are put into equal bins (i / bins, (i + 1) / bins] of their confidence. The error is the mean over the
    answers of |share of right answers - mean confidence| of their bin (Guo et al. 2017).

    Args:
        confidence: probability of each answer, float (V,) in [0, 1].
        correct: whether it is right, bool or 0 and 1, (V,).

    >>> import numpy as np
    >>> round(calibration_error(np.array([0.9, 0.9, 0.5, 0.5]), np.array([1, 1, 1, 0])), 6)  # off by 0.1 and by 0
    0.05
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if not confidence.size:
        return float("nan")
    numbers = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(numbers, weights=correct - confidence, minlength=bins)  # n * (share right - mean confidence)
    return float(np.abs(gaps).sum() / confidence.size)


def calibration_error_by_chance(confidence: np.ndarray, bins: int = CALIBRATION_BINS, draws: int = 200) -> float:
    """Return the ECE that these answers would have on average if they were calibrated.

    Answers are drawn right or wrong by their own confidence, and none of them is a calibration error. Yet of few
    answers a bin's share of right ones is off by chance, always upwards in the ECE.

    Args:
        confidence: as `calibration_error`.

    >>> import numpy as np
    >>> few, many = (calibration_error_by_chance(np.full(number, 0.9)) for number in (20, 500))
    >>> round(few, 2), round(many, 2)  # about 0.8 standard deviations, 0.3 / sqrt(number)
    (0.05, 0.01)
    """
    draw = np.random.default_rng(0)
    confidence = np.asarray(confidence, np.float64)
    if not confidence.size:
        return float("nan")
    drawn = (calibration_error(confidence, draw.random(confidence.size) < confidence, bins) for _ in range(draws))
    return float(np.mean(list(drawn)))


def top_k(probabilities: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Tell for each video whether the label is among the k most probable classes.

    Returns bool (V,) for float (V, L) and int (V,). Ties and NaN go against the label, so that a constant or collapsed
    prediction does not score.

    >>> import numpy as np
    >>> probabilities, labels = np.array([[0.5, 0.3, 0.2]]), np.array([1])
    >>> top_k(probabilities, labels, k=1).tolist(), top_k(probabilities, labels, k=2).tolist()
    ([False], [True])
    """
    label_probabilities = np.take_along_axis(probabilities, labels[:, None], axis=1)
    ahead = (~(probabilities < label_probabilities)).sum(axis=1) - 1  # not >=: NaN must not score
    return ahead < k


def top1_known(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Tell for each video whether its answer is right, where it has one.

    Returns float64 (V,), 0 or 1; NaN where the probabilities are NaN. Ties go against the label, as in `top_k`.

    >>> import numpy as np
    >>> top1_known(np.array([[0.7, 0.3], [0.7, 0.3], [np.nan, np.nan]]), np.array([0, 1, 0])).tolist()
    [1.0, 0.0, nan]
    """
    return np.where(np.isnan(probabilities).any(axis=1), np.nan, top_k(probabilities, labels, 1))


def mean_known(values: np.ndarray, axis: int) -> np.ndarray:
    """Average values along an axis, NaN left out.

    Returns float64; NaN where no value is left.

    >>> import numpy as np
    >>> mean_known(np.array([[1.0, 3.0], [1.0, np.nan], [np.nan, np.nan]]), axis=1).tolist()
    [2.0, 1.0, nan]
    """
    values = np.asarray(values, np.float64)
    known = ~np.isnan(values)
    number = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def mean_over_frames(values: np.ndarray) -> float:
    """Average the frames' values without NaN; return NaN when no value is left."""
    return float(mean_known(values, axis=0))
