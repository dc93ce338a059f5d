"""Measure attention maps and predictions, per frame or per video, on the CPU.

Shapes: V videos, M maps, T frames, h/w grid of the maps, L classes.
"""

import math

import numpy as np

BINS = 10
MAX_BITS = math.log2(BINS)  # the largest entropy, 3.3219
FLAT = 1e-6  # a map whose range is below this has no shape to measure


def is_flat(maps: np.ndarray) -> np.ndarray:
    """Tell for each frame whether the map is flat (max - min < 1e-6).

    Returns bool (...) for float (..., h, w).

    >>> import numpy as np
    >>> is_flat(np.array([[[0.5, 0.5]], [[0.0, 1.0]]])).tolist()
    [True, False]
    """
    return np.ptp(maps, axis=(-2, -1)) < FLAT


def scale_frames(maps: np.ndarray) -> np.ndarray:
    """Scale each frame's map to [0, 1] by the map's own minimum and maximum.

    Returns float64 (..., h, w); about 0 where the map is flat.

    >>> import numpy as np
    >>> scale_frames(np.array([[2.0, 3.0, 4.0]])).tolist()
    [[0.0, 0.5, 1.0]]
    """
    maps = np.asarray(maps, np.float64)
    lowest = maps.min(axis=(-2, -1), keepdims=True)
    span = np.ptp(maps, axis=(-2, -1), keepdims=True)
    return (maps - lowest) / np.where(span < FLAT, 1.0, span)


def map_entropy(maps: np.ndarray) -> np.ndarray:
    """Return the entropy of each frame's map in bits.

    Returns float64 (...) in [0, log2 10]; NaN where the map is flat. Each map is scaled to [0, 1] by the map's own
    minimum and maximum, and the scaled values are counted in 10 equal bins:
    H = -sum over i of p_i log2 p_i, p_i = hist[i] / sum over j of hist[j].

    Args:
        maps: float (..., h, w).

    Paper: Eq. (11), Sec. 4.2.

    >>> import numpy as np
    >>> map_entropy(np.array([[0.0, 1.0]])).item()  # half of the cells in each of two bins
    1.0
    """
    bins = np.minimum((scale_frames(maps) * BINS).astype(np.int64), BINS - 1)
    shares = np.stack([(bins == index).mean(axis=(-2, -1)) for index in range(BINS)], axis=-1)  # (..., 10)
    entropy = -(shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(axis=-1)
    return np.where(is_flat(maps), np.nan, entropy + 0.0)  # + 0.0: no negative zero


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


def mean_over_frames(values: np.ndarray) -> float:
    """Average the frames' values without NaN; return NaN when no value is left."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if numbers.size else float("nan")
