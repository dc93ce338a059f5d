"""Find what moves in front of a still camera, without weights.

The segmenter `motion` says how and how well (`segmenters/motion.py`). This module stands apart from segmenters, because
trainings of controls with masks of motion use it, too: they depend on it alone.
"""

from typing import NamedTuple

import cv2
import numpy as np

from objabn.stores.masks import GRID

MAX_BACKGROUND_FRAMES = 25  # all pairs of them are compared; 32 found no better a background
# A cell on an edge mixes object and background, so its contrast is a share of that of the cells inside: the edge runs
# where the share is half. A fixed threshold alone puts it a cell or so too far out around whatever is vivid.
EDGE_SHARE = 0.5
NEIGHBOURHOOD = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
OPEN = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
CLOSE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))


class Regions(NamedTuple):
    """What moves in one frame, highest score first."""

    masks: np.ndarray  # (n, GRID, GRID) bool
    scores: np.ndarray  # (n,) float32 in (0.5, 1]
    boxes: np.ndarray  # (n, 4) float32 in [0, 1]: x0, y0, x1, y1


def moving_regions(frames: np.ndarray, threshold: float, min_area: float) -> list[Regions]:
    """Find the moving regions of each frame; the same frames always give the same regions.

    A region's score is 1 - threshold / (2 c), c the mean contrast of its moving cells: 0.5 at the threshold, 0.75 at
    twice that, towards 1 for whatever stands out most. Fewer than two frames have none: there is no background then.

    Args:
        frames: of one video, uint8 (N, H, W, 3).
        threshold: least contrast of a moving cell: Euclidean distance of RGB colours of 0-255.
        min_area: least area of a region, as a share of the frame.
    """
    if len(frames) < 2:
        return [_regions(np.zeros((GRID, GRID), np.float32), threshold, min_area) for _ in frames]
    grids = np.stack([_to_grid(frame) for frame in frames])  # (N, GRID, GRID, 3) uint8
    chosen = np.linspace(0, len(grids) - 1, min(len(grids), MAX_BACKGROUND_FRAMES)).round().astype(int)
    background = _background(grids[chosen], spread=threshold / 5)  # (GRID, GRID, 3)
    return [_regions(_contrast(grid, background), threshold, min_area) for grid in grids]


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


def _regions(contrast: np.ndarray, threshold: float, min_area: float) -> Regions:
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
    return Regions(masks[order], scores[order], boxes[order])
