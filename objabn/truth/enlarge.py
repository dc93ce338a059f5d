"""A mask of the grid at the size of the video's frames, so that it is the same mask when `import` reads it again."""

import numpy as np

from objabn.segmentation.segmenters.placing import cells_of, overlaps
from objabn.stores.masks import GRID

_ROUNDS, _STEP = 60, 0.25  # how often cells that came back wrong are corrected, and by how much


def enlarge(mask: np.ndarray, height: int, width: int) -> tuple[np.ndarray, int]:
    """Return a mask of the grid at another size, and how many cells differ when it is read again.

    A pixel belongs to the mask where the cells that it overlaps do by half or more. Where a cell comes back wrong, it
    counts for more or less, and the pixels are chosen anew. So shapes without detail of single cells come back whole in
    frames of at least `GRID` pixels a side, and any mask in those of four times as many.

    Args:
        mask: bool (GRID, GRID).
        height: pixels.
        width: pixels.

    Returns:
        bool (height, width), and the number of cells: 0 where `cells_of` gives `mask` again.
    """
    if not mask.any():
        return np.zeros((height, width), bool), 0
    rows, columns = overlaps(height) / GRID, overlaps(width) / GRID  # a pixel's shares of cells, which add up to 1
    weights, best, fewest = mask.astype(np.float32), np.zeros((height, width), bool), mask.size + 1
    for _ in range(_ROUNDS):
        pixels = rows.T @ weights @ columns >= 0.5
        wrong = cells_of(pixels) != mask
        if (number := int(wrong.sum())) < fewest:
            best, fewest = pixels, number
        if not number:
            break
        weights = weights + np.where(wrong, np.where(mask, _STEP, -_STEP), 0).astype(np.float32)
    return best, fewest
