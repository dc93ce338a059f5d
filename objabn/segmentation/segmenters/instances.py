"""What a segmenter is, and what it says of a frame."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from objabn.stores.masks import GRID as GRID  # the grid of Instances.masks


class Instances(NamedTuple):
    """Instances of one frame, highest score first, spatially in normalised coordinates of the frame."""

    masks: np.ndarray  # (n, GRID, GRID) bool, row = y: the frame resampled to the grid
    scores: np.ndarray  # (n,) float32 in [0, 1]
    classes: np.ndarray  # (n,) str: COCO names ("person", "dog", ...); "moving" for motion
    boxes: np.ndarray  # (n, 4) float32 in [0, 1]: x0, y0, x1, y1


Segmenter = Callable[[np.ndarray, str], list[Instances]]
