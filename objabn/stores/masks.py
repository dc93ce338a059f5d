"""Turn instance masks into score planes, and score planes into union masks.

A plane belongs to one group of instances and has a cell for each place of a 128x128 grid over the frame. A cell holds
the highest score of the instances that cover the cell, quantised to uint8. A union mask at any threshold is then one
comparison. So thresholds and groups are chosen in training, never in segmentation.

The groups are person and other, unless a store names its own: what texts asked for, or classes of imported masks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

INSTANCES = "instances.parquet"  # the table of instances, beside the array
FRAMES_PER_SHARD = 16384  # 574 shards for the 9.4 million frames of SSv2
GRID = 128
GROUPS = ("person", "other")  # of a store that names none
_ATTRIBUTE = "groups"  # of the array of a store with other groups


def group_names(reader: object) -> tuple[str, ...]:
    """Read the names of a mask store's groups, in the order of its planes.

    Args:
        reader: a `StoreReader`; one that stands in its place and has no attributes has the groups of GROUPS.
    """
    return tuple(getattr(reader, "attributes", {}).get(_ATTRIBUTE, GROUPS))


def group_attributes(names: Sequence[str]) -> dict[str, Any]:
    """Make the attributes of a mask store with these groups: none for `GROUPS`."""
    return {} if tuple(names) == GROUPS else {_ATTRIBUTE: list(names)}


def group_of(name: str, names: Sequence[str] = GROUPS) -> int | None:
    """Find the plane of a class: that of its name, else of `other`, else None.

    >>> group_of("person"), group_of("dog"), group_of("dog", ["hand", "cup"])
    (0, 1, None)
    """
    found = name if name in names else "other"
    return list(names).index(found) if found in names else None


def quantise(scores: np.ndarray) -> np.ndarray:
    """Quantise scores s in [0, 1] to uint8 numbers q = floor(255 s).

    So `q >= ceil(255 t)` is `s >= t` on the quantisation grid.

    >>> import numpy as np
    >>> quantise(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 127, 255]
    """
    return np.floor(np.asarray(scores, np.float64) * 255).astype(np.uint8)


def score_planes(
    masks: np.ndarray, scores: np.ndarray, classes: Sequence[str], names: Sequence[str] = GROUPS
) -> np.ndarray:
    """Draw the score planes of one frame from its instance masks.

    Returns uint8 (groups, 128, 128) in the order of `names`; 0 where no instance is.

    Args:
        masks: instance masks, bool (N, 128, 128).
        scores: (N,) in [0, 1].
        classes: N class names; each belongs to the group that `group_of` finds, and is left out where there is none.
        names: the groups.
    """
    planes = np.zeros((len(names), GRID, GRID), np.uint8)
    for mask, score, name in zip(masks, quantise(scores), classes, strict=True):
        group = group_of(name, names)
        if group is None:
            continue
        plane = planes[group]
        plane[mask] = np.maximum(plane[mask], score)
    return planes


def union_mask(
    planes: np.ndarray, threshold: float, groups: Sequence[str] = GROUPS, names: Sequence[str] = GROUPS
) -> np.ndarray:
    """Return the union mask of each frame's instances.

    M'_gt = OR over instances; bool (..., 128, 128).

    Args:
        planes: score planes, uint8 (..., groups, 128, 128).
        threshold: least score of an instance, in (0, 1]; rounded up to the quantisation grid of 1/255.
        groups: which of the groups count.
        names: all groups, in the order of the planes (`group_names`).

    Raises:
        ValueError: a group that the planes do not have.

    Paper: Eq. (2), Sec. 3.2.

    >>> import numpy as np
    >>> planes = np.array([[[255, 0]], [[100, 100]]], np.uint8)  # two cells; person scores, then other scores
    >>> union_mask(planes, threshold=0.3).tolist(), union_mask(planes, threshold=0.5).tolist()
    ([[True, True]], [[True, False]])
    """
    least = max(1, int(np.ceil(threshold * 255 - 1e-9)))
    if unknown := [group for group in groups if group not in names]:
        raise ValueError(f"masks: expected groups of those stored, {', '.join(names)}, got {', '.join(unknown)}")
    chosen = [names.index(group) for group in groups]
    return planes[..., chosen, :, :].max(axis=-3) >= least


def mask_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection over union (IoU) of two masks, frame by frame.

    Returns float64 (...,) for bool (..., h, w); NaN where both masks are empty: nothing was to be found.

    >>> import numpy as np
    >>> mask_iou(np.array([[True, True]]), np.array([[True, False]])).item()
    0.5
    """
    intersection = np.logical_and(a, b).sum(axis=(-2, -1))
    union = np.logical_or(a, b).sum(axis=(-2, -1))
    return np.where(union == 0, np.nan, intersection / np.maximum(union, 1))


def shard_length(num_frames: int) -> int:
    """Choose how many frames a shard has.

    A small data set gets a small shard: each shard has a place in its index for all the chunks that it could hold.

    >>> shard_length(100), shard_length(2000), shard_length(9_400_000)
    (1024, 2000, 16384)
    """
    return min(FRAMES_PER_SHARD, max(1024, -(-num_frames // 16) * 16))
