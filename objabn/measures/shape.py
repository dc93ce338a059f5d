"""Measure the shape of maps that users hand over: how sharp they are, how flat, how steady. No truth is needed.

Shapes: T frames, h/w grid of the maps.
"""

from typing import Any

import numpy as np

from objabn.evaluation import metrics as measured
from objabn.measures.checks import map_values, positive, whole

FLAT_RANGE = 0.05  # below this range a map of values in [0, 1] shows nothing: `eval.flat_range` of params.yaml
_ROUNDING = measured.FLAT_RANGES[0]


def entropy(maps: Any, *, flat_range: float = _ROUNDING, bins: int = 10, size: int | None = None) -> np.ndarray:
    """Return the entropy of each frame's map, in bits: how sharp it is.

    It is the paper's (Sec. 4.2): a frame's map is scaled to [0, 1] by its own minimum and maximum, the values are
    counted in ten equal bins, p_i is the share of cells in bin i, and H = -sum over i of p_i log2 p_i. So neither level
    nor range of a map counts. Two values have at most 1 bit, uniform noise has about 3.29, and the most is log2 10,
    3.32.

    Args:
        maps: finite numbers (..., h, w).
        flat_range: a map with max - min below it has no entropy, NaN; by default only one that is the same everywhere,
            as in the paper.
        bins: into how many the values are counted.
        size: each map is resized bilinearly to so many cells a side before, to compare maps of different grids.

    Returns:
        float64 (...) in [0, log2 bins]; a number of a single map.

    Raises:
        ValueError: maps of another shape, a value that is not finite, or a setting out of its range.

    >>> entropy([[0.0, 0.0], [0.4, 0.8]]).item()  # scaled 0, 0, 0.5, 1: shares 1/2, 1/4, 1/4
    1.5
    """
    values = map_values(maps)
    side = None if size is None else whole(size, "size", 1)
    return measured.map_entropy(values, positive(flat_range, "flat_range"), whole(bins, "bins", 2), side)[()]


def map_range(maps: Any) -> np.ndarray:
    """Return max - min of each frame's map, in the map's own unit.

    Args:
        maps: finite numbers (..., h, w).

    Returns:
        float64 (...), 0 or more; a number of a single map.

    Raises:
        ValueError: maps of another shape, or a value that is not finite.

    >>> map_range([[0.25, 0.75]]).item()
    0.5
    """
    return measured.map_range(map_values(maps))[()]


def flat_share(maps: Any, *, flat_range: float = FLAT_RANGE) -> np.ndarray:
    """Return the share of a clip's frames whose map is flat: max - min < `flat_range`.

    A map that shows nothing anywhere is not sharp, whatever its entropy is. So look at this share beside the entropy.

    Args:
        maps: in [0, 1], (..., T, h, w).

    Returns:
        float64 (...) in [0, 1]; a number of a single clip.

    Raises:
        ValueError: maps of another shape, a value that is not finite or not in [0, 1], or `flat_range` not above 0.

    >>> flat_share([[[0.50, 0.53]], [[0.0, 1.0]]]).item()  # two frames of two cells, the first one flat
    0.5
    """
    values = map_values(maps, shape="(..., T, h, w)", low=0, high=1)
    return measured.is_flat(values, positive(flat_range, "flat_range")).mean(axis=-1)


def flicker(maps: Any) -> np.ndarray:
    """Return how much a clip's map changes from a frame to the next.

    That is the mean of |M(t + 1) - M(t)| over the cells and the T - 1 pairs of frames.

    Args:
        maps: in [0, 1], (..., T, h, w). Of a network with fewer steps than frames these are its steps: repeated for
            each frame (`frame_maps`), they would change too seldom.

    Returns:
        float64 (...) in [0, 1]; NaN of a single frame, a number of a single clip.

    Raises:
        ValueError: maps of another shape, or a value that is not finite or not in [0, 1].

    >>> flicker([[[0.0, 1.0]], [[0.5, 1.0]]]).item()  # of two cells one changes by a half
    0.25
    """
    return measured.flicker(map_values(maps, shape="(..., T, h, w)", low=0, high=1))[()]


def frame_maps(maps: Any, num_frames: int) -> np.ndarray:
    """Repeat the steps of maps, so that each frame has one.

    Frame t shows step floor(t T' / T). Networks that see several frames at once have T' steps, which are fewer than the
    T frames of the truth. A step's values stand for all its frames, none is mixed with the next.

    Args:
        maps: finite numbers (..., T', h, w).
        num_frames: T.

    Returns:
        float64 (..., T, h, w).

    Raises:
        ValueError: maps of another shape, a value that is not finite, or fewer frames than steps.

    >>> frame_maps([[[0.1]], [[0.2]]], 4)[:, 0, 0].tolist()
    [0.1, 0.1, 0.2, 0.2]
    """
    values = map_values(maps, shape="(..., T, h, w)")
    whole(num_frames, "num_frames", values.shape[-3])
    return values[..., np.arange(num_frames) * values.shape[-3] // num_frames, :, :]
