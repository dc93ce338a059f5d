"""Measure how maps that users hand over lie on the truth, frame by frame.

The truth is a mask on the maps' grid. A frame without truth has no score, NaN: there is no place to find.

Shapes: h/w grid of the maps, K thresholds.
"""

from typing import Any

import numpy as np

from objabn.evaluation import localisation
from objabn.measures.checks import map_values, mask_values


def pointing(maps: Any, truth: Any) -> np.ndarray:
    """Tell for each frame whether the map's maximum lies on the truth.

    This is the pointing game (Zhang et al. 2016). Where several cells have the maximum, it is the share of these cells
    that lie on the truth. So a map that is the same everywhere scores the truth's share of the frame, as pointing
    blindly would, and not 1.

    Args:
        maps: finite numbers (..., h, w).
        truth: bool of the same shape.

    Returns:
        float64 (...) in [0, 1]; NaN where the truth is empty, a number of a single map.

    Raises:
        ValueError: maps of another shape, a value that is not finite, or truth that is no bool or of another shape.

    >>> pointing([[[0.2, 0.8]], [[0.5, 0.5]]], [[[False, True]], [[False, True]]]).tolist()
    [1.0, 0.5]
    """
    values = map_values(maps)
    return localisation.pointing(values, mask_values(truth, values.shape))[()]


def energy_inside(maps: Any, truth: Any) -> np.ndarray:
    """Return the share of each map's sum that lies on the truth.

    This is the energy-based pointing game (Wang et al. 2020). A map that is the same everywhere, or 0 everywhere,
    scores the truth's share of the frame.

    Args:
        maps: finite numbers of 0 or more, (..., h, w).
        truth: bool of the same shape.

    Returns:
        float64 (...) in [0, 1]; NaN where the truth is empty, a number of a single map.

    Raises:
        ValueError: maps of another shape, a value that is not finite or below 0, or truth that is no bool or of another
            shape.

    >>> energy_inside([[1.0, 3.0]], [[False, True]]).item()  # 3 of 4
    0.75
    """
    values = map_values(maps, low=0)
    return localisation.energy_inside(values, mask_values(truth, values.shape))[()]


def iou_of_region(maps: Any, truth: Any) -> np.ndarray:
    """Return the IoU of each map's attended region with the truth.

    The region are the cells of at least 0.5.

    Args:
        maps: in [0, 1], (..., h, w).
        truth: bool of the same shape.

    Returns:
        float64 (...) in [0, 1]; NaN where the truth is empty, a number of a single map.

    Raises:
        ValueError: maps of another shape, a value that is not finite or not in [0, 1], or truth that is no bool or of
            another shape.

    >>> iou_of_region([[0.5, 0.9, 0.4, 0.1]], [[False, True, False, False]]).item()  # 1 cell of 2
    0.5
    """
    values = map_values(maps, low=0, high=1)
    return localisation.iou_of_region(values, mask_values(truth, values.shape))[()]


def iou_by_threshold(maps: Any, truth: Any) -> np.ndarray:
    """Return the IoU of each map with the truth, at each of THRESHOLDS.

    These are 0.05, 0.10 ... 0.95. A frame's map is scaled to [0, 1] by its own minimum and maximum, and the cells from
    the threshold on are compared with the truth. So neither level nor range of a map counts; a map that is the same
    everywhere scores 0. For one number of many videos take the threshold of the highest mean, the same for all
    (`best_threshold`), as MaxBoxAcc does (Choe et al. 2020).

    Args:
        maps: finite numbers (..., h, w).
        truth: bool of the same shape.

    Returns:
        float64 (..., K) in [0, 1]; NaN where the truth is empty.

    Raises:
        ValueError: maps of another shape, a value that is not finite, or truth that is no bool or of another shape.

    >>> curve = iou_by_threshold([[0.0, 0.4, 0.8]], [[False, False, True]])  # scaled 0, 0.5, 1
    >>> curve[[8, 9, 10]].tolist()  # from 0.45, 0.5 and 0.55 on: two cells, two, one
    [0.5, 0.5, 1.0]
    """
    values = map_values(maps)
    return localisation.iou_by_threshold(values, mask_values(truth, values.shape))
