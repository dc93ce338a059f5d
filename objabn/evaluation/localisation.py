"""Measure how well attention maps lie on the ground truth, per frame, on the CPU.

The ground truth is a mask on the maps' grid. Entropy says nothing of the place of a map's high values; these measures
do. A frame whose truth is empty has none of them (NaN): there is no place to find. Shapes: h/w grid of the maps, K
thresholds.
"""

import numpy as np

from objabn.evaluation.metrics import scale_frames
from objabn.stores.masks import mask_iou

THRESHOLDS = np.arange(1, 20) / 20  # (K,): 0.05, 0.10 ... 0.95 of a scaled map
MAP_THRESHOLD = 0.5  # of a map as it is: a cell belongs to the attended region from here on


def pointing(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Tell for each frame whether the map's maximum lies on the truth.

    This is the pointing game (Zhang et al. 2016). Returns float64 (...) in [0, 1]; NaN where the truth is empty. Where
    several cells have the maximum, the score is the share of these cells that lie on the truth. So a map that is the
    same everywhere scores the truth's share of the frame, as pointing blindly would.

    Args:
        maps: float (..., h, w).
        truth: bool (..., h, w).

    >>> import numpy as np
    >>> maps, truth = np.array([[[0.2, 0.8]], [[0.5, 0.5]]]), np.array([[False, True]])
    >>> pointing(maps, truth).tolist()
    [1.0, 0.5]
    """
    highest = maps == maps.max(axis=(-2, -1), keepdims=True)
    hits = (highest & truth).sum(axis=(-2, -1)) / highest.sum(axis=(-2, -1))
    return np.where(truth.any(axis=(-2, -1)), hits, np.nan)


def energy_inside(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the share of each map's sum that lies on the truth.

    Returns float64 (...) in [0, 1]; NaN where the truth is empty. A constant map scores the truth's share of the frame,
    and so does a map that is zero everywhere.

    Args:
        maps: float (..., h, w), none below zero.
        truth: bool (..., h, w).

    >>> import numpy as np
    >>> energy_inside(np.array([[1.0, 3.0]]), np.array([[False, True]])).item()
    0.75
    """
    maps = np.asarray(maps, np.float64)
    whole = maps.sum(axis=(-2, -1))
    inside = np.where(truth, maps, 0.0).sum(axis=(-2, -1))
    shares = np.where(whole > 0, inside / np.where(whole > 0, whole, 1.0), truth.mean(axis=(-2, -1)))
    return np.where(truth.any(axis=(-2, -1)), shares, np.nan)


def iou_of_region(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the IoU of each map's attended region with the truth.

    The region are the cells of at least 0.5. Returns float64 (...) in [0, 1]; NaN where the truth is empty.

    Args:
        maps: float (..., h, w) in [0, 1].
        truth: bool (..., h, w).

    >>> import numpy as np
    >>> iou_of_region(np.array([[0.5, 0.9, 0.4]]), np.array([[False, True, True]])).item()
    0.3333333333333333
    """
    return np.where(truth.any(axis=(-2, -1)), mask_iou(maps >= MAP_THRESHOLD, truth), np.nan)


def mask_scores(masks: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Measure how a segmenter's masks lie on the truth, as maps are measured.

    Returns float64 (...) in [0, 1] by name; NaN where the truth is empty. A mask that is empty where there is truth has
    missed it, so all its scores are 0; a map has no such frames, for it is highest somewhere. `pointing`: of the mask's
    innermost cells, those with the most of the mask in the 3 x 3 cells around, the share that lies on the truth: a mask
    has no highest cell. `energy`: the share of the mask that lies on the truth; `iou`: with the truth.

    Args:
        masks: bool (..., h, w).
        truth: bool (..., h, w).

    >>> import numpy as np
    >>> mask, truth = np.array([[True, True, True, False]]), np.array([[False, True, False, False]])
    >>> {name: round(score.item(), 2) for name, score in mask_scores(mask, truth).items()}
    {'pointing': 1.0, 'energy': 0.33, 'iou': 0.33}
    """
    padded = np.pad(masks.astype(np.float64), [(0, 0)] * (masks.ndim - 2) + [(1, 1), (1, 1)])
    height, width = masks.shape[-2:]
    around = sum(padded[..., y : y + height, x : x + width] for y in range(3) for x in range(3))
    scores = {
        "pointing": pointing(np.where(masks, around, 0.0), truth),
        "energy": energy_inside(masks.astype(np.float64), truth),
        "iou": np.where(truth.any(axis=(-2, -1)), mask_iou(masks, truth), np.nan),
    }
    missed = truth.any(axis=(-2, -1)) & ~masks.any(axis=(-2, -1))
    return {name: np.where(missed, 0.0, values) for name, values in scores.items()}


def iou_by_threshold(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the IoU of each map with the truth, at each of THRESHOLDS.

    Returns float64 (..., K); NaN where the truth is empty. A scaled map is cut at a threshold: the cells with at least
    that value are compared with the truth. Maps are scaled as for the entropy, by the frame's own minimum and maximum,
    so that neither the level nor the range of a map counts. The IoU of a map that is the same everywhere is 0.

    Args:
        maps: float (..., h, w).
        truth: bool (..., h, w).
    """
    scaled = scale_frames(maps)
    curves = np.stack([mask_iou(scaled >= threshold, truth) for threshold in THRESHOLDS], axis=-1)
    is_empty = ~np.asarray(truth.any(axis=(-2, -1)))
    curves[is_empty] = np.nan
    return curves


def best_threshold(curves: np.ndarray) -> int:
    """Return the position in THRESHOLDS of the highest mean IoU over all videos.

    Of equal thresholds the lowest is taken. All videos share this threshold, as in MaxBoxAcc (Choe et al. 2020): to
    choose a threshold for each frame one would have to know the truth. Videos without a truth, whose curves are NaN,
    are left out; if there are no others, the position is 0.

    Args:
        curves: float (V, K), each video's IoU at each threshold.
    """
    known = curves[~np.isnan(curves).any(axis=1)]
    return int(known.mean(axis=0, dtype=np.float64).argmax()) if len(known) else 0
