"""What a segmenter is, and what it says of a frame."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from objabn.stores.masks import GRID as GRID  # the grid of Instances.masks
from objabn.stores.masks import GROUPS, score_planes


class Instances(NamedTuple):
    """Instances of one frame, highest score first, spatially in normalised coordinates of the frame."""

    masks: np.ndarray | None  # (n, GRID, GRID) bool, row = y: the frame resampled to the grid; None where planes are
    scores: np.ndarray  # (n,) float32 in [0, 1]
    classes: np.ndarray  # (n,) str: the backend's names ("person", "dog", ...); "moving" for motion; a prompt's group
    boxes: np.ndarray  # (n, 4) float32 in [0, 1]: x0, y0, x1, y1
    planes: np.ndarray | None = None  # score planes, uint8 (groups, GRID, GRID), where a backend gives them


Segmenter = Callable[[np.ndarray, str], list[Instances]]


def planes_of(instances: Instances, groups: Sequence[str] = GROUPS) -> np.ndarray:
    """Return the score planes of a frame, uint8 (groups, GRID, GRID): drawn already, or drawn here from the masks."""
    if instances.planes is not None:
        return instances.planes
    assert instances.masks is not None
    return score_planes(instances.masks, instances.scores, list(instances.classes), groups)
