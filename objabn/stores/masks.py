"""Instance masks as score planes, and the union mask drawn from them.

A plane holds, for each cell of a 128x128 grid over the frame, the highest score of the instances of one group that
cover it, quantised to uint8. A union at any threshold is then one comparison, so thresholds and groups are chosen
when training, never when segmenting.
"""

from collections.abc import Sequence

import numpy as np

INSTANCES = "instances.parquet"  # the table of instances, beside the array
FRAMES_PER_SHARD = 16384  # 574 shards for the 9.4 million frames of SSv2
GRID = 128
GROUPS = ("person", "other")


def quantise(scores: np.ndarray) -> np.ndarray:
    """Scores in [0, 1] -> uint8 floor(255 s), so that `q >= ceil(255 t)` is `s >= t` on the quantisation grid."""
    return np.floor(np.asarray(scores, np.float64) * 255).astype(np.uint8)


def score_planes(masks: np.ndarray, scores: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Score planes of one frame, uint8 (2, 128, 128) in the order of `GROUPS`; 0 where no instance is.

    Args:
        masks: instance masks, bool (N, 128, 128).
        scores: (N,) in [0, 1].
        classes: N class names; "person" is the first group, everything else the second.
    """
    planes = np.zeros((len(GROUPS), GRID, GRID), np.uint8)
    for mask, score, name in zip(masks, quantise(scores), classes, strict=True):
        plane = planes[0 if name == "person" else 1]
        plane[mask] = np.maximum(plane[mask], score)
    return planes


def union_mask(planes: np.ndarray, threshold: float, groups: Sequence[str] = GROUPS) -> np.ndarray:
    """Union of the instances of each frame, M'_gt = OR over instances; bool (..., 128, 128).

    Args:
        planes: score planes, uint8 (..., 2, 128, 128).
        threshold: least score of an instance, in (0, 1]; rounded up to the quantisation grid of 1/255.
        groups: which of `GROUPS` count.

    Paper: Eq. (2), Sec. 3.2.
    """
    least = max(1, int(np.ceil(threshold * 255 - 1e-9)))
    chosen = [GROUPS.index(group) for group in groups]
    return planes[..., chosen, :, :].max(axis=-3) >= least


def mask_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each frame, float64 (...,) for bool (..., h, w); 1 where both are empty."""
    intersection = np.logical_and(a, b).sum(axis=(-2, -1))
    union = np.logical_or(a, b).sum(axis=(-2, -1))
    return np.where(union == 0, 1.0, intersection / np.maximum(union, 1))


def shard_length(num_frames: int) -> int:
    """Choose how many frames a shard has: a small data set gets a small one, since the writer holds one in memory."""
    return min(FRAMES_PER_SHARD, max(1024, -(-num_frames // 16) * 16))
