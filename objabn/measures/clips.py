"""Measure the maps of clips at once, as an evaluation of the pipeline does.

Shapes: B clips, T frames, h/w grid of the maps, K thresholds.
"""

from typing import Any

import numpy as np

from objabn.evaluation.metrics import is_flat, mean_known
from objabn.measures.checks import map_values, mask_values, positive
from objabn.measures.place import energy_inside, iou_by_threshold, iou_of_region, pointing
from objabn.measures.shape import FLAT_RANGE, entropy, flat_share, flicker, map_range


def measure_clips(maps: Any, truth: Any = None, *, flat_range: float = FLAT_RANGE) -> dict[str, np.ndarray]:
    """Measure the maps of clips, as an evaluation of the pipeline does.

    For the same frames with an object the numbers are the same. Here a frame has one where a cell of its truth is true;
    an evaluation knows pixels, too, and counts an object that is too small for any cell.

    By name, means over a clip's frames, NaN where no frame has a say:

    - `entropy`, bits, over all frames, and `flat_share`: as the functions of these names; `flicker`, too
      low where steps are repeated for their frames (an evaluation has NaN there);
    - with truth, over frames that have some: `entropy_object`, bits, flat maps left out; `flat_share_object`; `range`;
      `pointing`, `energy`, `iou_truth` (of the region) and `iou_curve`, (B, K);
    - `lit_empty`, the map's mean over frames that have no truth.

    Args:
        maps: in [0, 1], (B, T, h, w).
        truth: bool of the same shape; a frame without it counts as one without an object.
        flat_range: below this range a frame's map is flat.

    Returns:
        float64 (B,) by name.

    Raises:
        ValueError: maps of another shape, a value that is not finite or not in [0, 1], truth that is no bool or of
            another shape, or `flat_range` not above 0.

    >>> maps, truth = [[[[0.0, 1.0]], [[0.5, 0.5]]]], [[[[False, True]], [[False, True]]]]  # one clip, two frames
    >>> {name: value.item() for name, value in measure_clips(maps, truth).items() if name in ("pointing", "energy")}
    {'pointing': 0.75, 'energy': 0.75}
    """
    values = map_values(maps, shape="(B, T, h, w)", low=0, high=1)
    positive(flat_range, "flat_range")
    bits = entropy(values)
    results = {
        "entropy": mean_known(bits, axis=1),
        "flat_share": flat_share(values, flat_range=flat_range),
        "flicker": flicker(values),
    }
    if truth is None:
        return results
    mask = mask_values(truth, values.shape)
    objects, flat = np.asarray(mask.any(axis=(2, 3))), is_flat(values, flat_range)  # (B, T)

    def over(frames: np.ndarray, of: np.ndarray) -> np.ndarray:
        return mean_known(np.where(frames, of, np.nan), axis=1)

    places = {
        "pointing": pointing(values, mask),
        "energy": energy_inside(values, mask),
        "iou_truth": iou_of_region(values, mask),
        "iou_curve": iou_by_threshold(values, mask),
    }
    return results | {
        "entropy_object": over(objects & ~flat, bits),
        "flat_share_object": over(objects, flat),
        "range": over(objects, map_range(values)),
        **{name: mean_known(each, axis=1) for name, each in places.items()},
        "lit_empty": over(~objects, values.mean(axis=(2, 3))),
    }
