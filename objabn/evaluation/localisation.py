"""Where attention maps lie, against ground truth on the maps' grid; per frame, on the CPU.

Entropy knows nothing of place; these do. Shapes: h/w grid of the maps, K thresholds.
"""

import numpy as np

from objabn.evaluation.metrics import scale_frames
from objabn.stores.masks import mask_iou

THRESHOLDS = np.arange(1, 20) / 20  # (K,): 0.05, 0.10 ... 0.95 of a scaled map


def pointing(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The pointing game (Zhang et al. 2016): whether each map's maximum lies on the truth; float64 (...) in [0, 1].

    Where several cells are the maximum, the share of them that do: a map that is the same everywhere scores what
    pointing blindly would, the truth's share of the frame. NaN where the truth is empty.

    Args:
        maps: float (..., h, w).
        truth: bool (..., h, w).
    """
    highest = maps == maps.max(axis=(-2, -1), keepdims=True)
    hits = (highest & truth).sum(axis=(-2, -1)) / highest.sum(axis=(-2, -1))
    return np.where(truth.any(axis=(-2, -1)), hits, np.nan)


def energy_inside(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Share of each map's sum that lies on the truth, float64 (...) in [0, 1]; a constant map scores the truth's area.

    So does one that is zero everywhere. NaN where the truth is empty.

    Args:
        maps: float (..., h, w), none below zero.
        truth: bool (..., h, w).
    """
    maps = np.asarray(maps, np.float64)
    whole = maps.sum(axis=(-2, -1))
    inside = np.where(truth, maps, 0.0).sum(axis=(-2, -1))
    shares = np.where(whole > 0, inside / np.where(whole > 0, whole, 1.0), truth.mean(axis=(-2, -1)))
    return np.where(truth.any(axis=(-2, -1)), shares, np.nan)


def iou_by_threshold(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """IoU with the truth of where each scaled map is at least a threshold, at each of THRESHOLDS; float64 (..., K).

    Scaled as for the entropy, by the frame's own minimum and maximum, so that neither the level nor the range of a map
    counts. As in `mask_iou`, an empty truth gives 0, and 1 only where no cell is chosen either; that is a flat map,
    whose IoU with any other truth is 0.

    Args:
        maps: float (..., h, w).
        truth: bool (..., h, w).
    """
    scaled = scale_frames(maps)
    return np.stack([mask_iou(scaled >= threshold, truth) for threshold in THRESHOLDS], axis=-1)


def best_threshold(curves: np.ndarray) -> int:
    """Position in THRESHOLDS of the highest mean IoU over all videos, the lowest of equals.

    One for all of them, as in MaxBoxAcc (Choe et al. 2020): a threshold for each frame would have to know the truth.

    Args:
        curves: float (V, K), each video's IoU at each threshold.
    """
    return int(curves.mean(axis=0, dtype=np.float64).argmax())
