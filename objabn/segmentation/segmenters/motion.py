"""Moving things in front of a still camera, with OpenCV and no weights.

The background is each cell's commonest colour over the video; a cell belongs to something moving where its colour is
far from that. Union IoU with the truth on 40 embedded videos after H.264, none of them used for tuning: 0.845. On the
same videos, the best of three or four thresholds each: 0.79 with a median for background, 0.72 with OpenCV's KNN and
0.72 with its MOG2, both in two passes (learn, then classify).

Limits, all of them by construction:
- What holds still for most of the video becomes background: of somebody waving, only the arms are found.
- What holds still first and then leaves also leaves a ghost: the cells it uncovers look like motion.
- A camera that pans, zooms or shakes, or a sudden change of light, makes everything move.
- Things that touch are one instance; shadows belong to what casts them. Every class is "moving".
"""

from typing import Any

import cv2
import numpy as np

from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.stores.masks import GRID

MAX_BACKGROUND_FRAMES = 25  # all pairs of them are compared; 32 found no better a background
# A cell on an edge mixes object and background, so its contrast is a share of that of the cells inside: the edge runs
# where the share is half. A fixed threshold alone puts it a cell or so too far out around whatever is vivid.
EDGE_SHARE = 0.5
NEIGHBOURHOOD = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
OPEN = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
CLOSE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))


def build(*, threshold: float = 25.0, min_area: float = 0.002, **_: Any) -> Segmenter:
    """Segmenter for videos of a still camera; the same frames always give the same instances.

    An instance's score is 1 - threshold / (2 c), c the mean contrast of its moving cells: 0.5 at the threshold, 0.75 at
    twice that, towards 1 for whatever stands out most.

    Args:
        threshold: least contrast of a moving cell: Euclidean distance of RGB colours of 0-255.
        min_area: least area of an instance, as a share of the frame.
    """

    def segment(frames: np.ndarray, _video: str = "") -> list[Instances]:
        if len(frames) < 2:  # nothing to tell a background from
            return [_instances(np.zeros((GRID, GRID), np.float32), threshold, min_area) for _ in frames]
        grids = np.stack([_to_grid(frame) for frame in frames])  # (N, GRID, GRID, 3) uint8
        chosen = np.linspace(0, len(grids) - 1, min(len(grids), MAX_BACKGROUND_FRAMES)).round().astype(int)
        background = _background(grids[chosen], spread=threshold / 5)  # (GRID, GRID, 3)
        return [_instances(_contrast(grid, background), threshold, min_area) for grid in grids]

    return segment


def _to_grid(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (GRID, GRID, 3) uint8: everything after this costs the same for any video."""
    shrinks = frame.shape[0] >= GRID and frame.shape[1] >= GRID
    return cv2.resize(frame, (GRID, GRID), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _background(grids: np.ndarray, spread: float) -> np.ndarray:
    """Each cell's commonest colour: (T, GRID, GRID, 3) uint8 -> (GRID, GRID, 3) float32.

    That is the one of its T colours with the highest density under a Gaussian kernel of standard deviation `spread`. A
    median would need to see the background in more than half of the frames; this needs only that nothing else in the
    cell keeps one colour for longer, which folds, shading and motion prevent.
    """
    background = np.empty(grids.shape[1:], np.float32)
    for row in range(GRID):  # row by row, so that the table of pairs stays in the processor's cache
        colours = grids[:, row].transpose(1, 0, 2).astype(np.float32)  # (GRID, T, 3)
        squares = np.square(colours).sum(axis=-1)
        # Whole numbers below 2^24: exact in float32, so that no library's order of summation can move the result.
        products = colours @ colours.transpose(0, 2, 1)
        distances = squares[:, :, None] + squares[:, None, :] - 2 * products  # (GRID, T, T), squared
        commonest = np.exp(distances / (-2 * spread**2)).sum(axis=-1).argmax(axis=-1)
        background[row] = colours[np.arange(GRID), commonest]
    return background


def _contrast(grid: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Distance of each cell's colour to its background: (GRID, GRID) float32 in [0, 442]."""
    difference = cv2.absdiff(grid.astype(np.float32), background)
    # Smoothing the distance removes camera and compression noise; smoothing the colours would blur the edges as much.
    return cv2.GaussianBlur(np.sqrt(np.square(difference).sum(axis=-1)), (0, 0), 0.7)


def _instances(contrast: np.ndarray, threshold: float, min_area: float) -> Instances:
    """Connected components of the cells that stand out, holes filled, small ones dropped."""
    moving = (contrast > threshold) & (contrast > EDGE_SHARE * cv2.dilate(contrast, NEIGHBOURHOOD))
    cleaned = cv2.morphologyEx(moving.astype(np.uint8), cv2.MORPH_OPEN, OPEN)
    cleaned = cv2.morphologyEx(cleaned, cv2.MORPH_CLOSE, CLOSE)
    outlines, _ = cv2.findContours(cleaned, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(cleaned, outlines, -1, 1, cv2.FILLED)

    _, labels, stats, _ = cv2.connectedComponentsWithStats(cleaned, connectivity=8)
    kept = [i for i in range(1, len(stats)) if stats[i, cv2.CC_STAT_AREA] >= min_area * GRID * GRID]
    masks = labels == np.array(kept, np.int32)[:, None, None]  # (n, GRID, GRID)
    # Over the moving cells only: those of a filled hole say nothing about how much the instance stands out.
    scores = np.array([1 - threshold / (2 * contrast[mask & moving].mean()) for mask in masks], np.float32)
    left_top, extent = stats[kept, :2], stats[kept, 2:4]
    boxes = np.concatenate([left_top, left_top + extent], axis=1).astype(np.float32) / GRID

    order = np.argsort(-scores, kind="stable")
    return Instances(masks[order], scores[order], np.full(len(kept), "moving"), boxes[order])
