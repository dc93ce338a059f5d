"""Boxes of a video's frames, on the grid of the mask store."""

from typing import NamedTuple

import numpy as np

from objabn.stores.masks import GRID, GROUPS

_NEARLY = 1e-9  # of a cell: what rounding may take away


class Boxes(NamedTuple):
    """The boxes of a video's stored frames."""

    known: np.ndarray  # bool (frames,)
    numbers: np.ndarray  # int64 (n,): the frame of each box
    boxes: np.ndarray  # float64 (n, 4): x0, y0, x1, y1, in [0, 1] from one edge of the frame to the other
    groups: np.ndarray  # int64 (n,): positions in `GROUPS`


def draw_boxes(found: Boxes) -> np.ndarray:
    """Draw a video's boxes, filled, as score planes with score 1.

    Returns uint8 (frames, 2, 128, 128). A box covers the cells of which it has half or more.
    """
    edges = np.arange(GRID + 1) / GRID
    covered = []
    for low, high in ((1, 3), (0, 2)):  # along y, along x
        ends = [found.boxes[:, side, None] for side in (low, high)]
        overlap = np.minimum(edges[1:], ends[1]) - np.maximum(edges[:-1], ends[0])
        covered.append(overlap.clip(0) * GRID)  # float64 (n, 128), shares
    planes = np.zeros((len(found.known), len(GROUPS), GRID, GRID), np.uint8)
    for number, group, high, wide in zip(found.numbers, found.groups, *covered, strict=True):
        planes[number, group][high[:, None] * wide >= 0.5 - _NEARLY] = 255
    return planes


def clip_boxes(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut boxes off at the frame's edges.

    Returns the boxes and bool (n,): those of which something is left.

    Args:
        boxes: float (n, 4), x0, y0, x1, y1 as shares of the frame.
    """
    boxes = boxes.clip(0, 1)
    return boxes, (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
