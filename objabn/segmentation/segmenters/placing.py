"""Masks that people or files give, of any size, as instances on the grid of the frame: by exact areas."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from objabn.segmentation.segmenters.instances import Instances
from objabn.stores.masks import GRID


def place_masks(found: Iterable[tuple[np.ndarray, float, str]]) -> Instances:
    """Return instances on the grid from masks bool (H, W), scores and classes.

    A cell belongs to an instance that covers half of it or more: areas are exact, whatever the sizes. An instance
    without a pixel is left out.
    """
    rows = []
    for mask, score, name in found:
        height, width = mask.shape
        y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(y):
            inside = slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)
            # Whole numbers below 2^24 for up to 16 megapixels: exact in float32, in any order of summation.
            areas = overlaps(height)[:, inside[0]] @ mask[inside].astype(np.float32) @ overlaps(width)[:, inside[1]].T
            box = (x[0] / width, y[0] / height, (x[-1] + 1) / width, (y[-1] + 1) / height)
            rows.append((2 * areas >= height * width, score, name, box))
    rows.sort(key=lambda row: -row[1])
    return Instances(
        np.array([row[0] for row in rows], bool).reshape(-1, GRID, GRID),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.str_),
        np.array([row[3] for row in rows], np.float32).reshape(-1, 4),
    )


def cells_of(mask: np.ndarray) -> np.ndarray:
    """Return the cells that a mask bool (H, W) covers by half or more, bool (GRID, GRID): as `place_masks` has them."""
    height, width = mask.shape
    return 2 * (overlaps(height) @ mask.astype(np.float32) @ overlaps(width).T) >= height * width


@lru_cache(maxsize=8)
def overlaps(pixels: int) -> np.ndarray:
    """How much of each pixel lies in each cell, along one side: (GRID, pixels) float32.

    A pixel is GRID units long and a cell `pixels` units, so these are whole numbers.
    """
    cells, edges = np.arange(GRID + 1) * pixels, np.arange(pixels + 1) * GRID
    overlap = np.minimum(cells[1:, None], edges[1:]) - np.maximum(cells[:-1, None], edges[:-1])
    return overlap.clip(0).astype(np.float32)
