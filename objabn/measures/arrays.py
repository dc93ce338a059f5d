"""Measure attention maps of your own: arrays in, numbers out. `from objabn import metrics` gives this module.

Maps are finite numbers (..., h, w), masks bool of the same shape; anything that `numpy.asarray` takes. Nothing else of
the package is needed: no data set, no run, no network of ours. What is wrong is a `ValueError` of one line.

Of frames: `entropy`, `map_range`, `pointing`, `energy_inside`, `iou_of_region`, `iou_by_threshold`. Of clips:
`flat_share`, `flicker`, and all at once `measure_clips`. With a callable in place of a network: `insertion_deletion`,
`map_replacement`, `rise`. Of predictions: `top_k`, `calibration_error`. The other names are what these rest on; they
check nothing.
"""

from objabn.evaluation.localisation import THRESHOLDS, best_threshold
from objabn.evaluation.metrics import (
    CALIBRATION_BINS,
    FLAT_RANGES,
    MAX_BITS,
    calibration_error,
    calibration_error_by_chance,
    is_flat,
    map_entropy,
    mean_known,
    mean_over_frames,
    resize_maps,
    scale_frames,
    top1_known,
    top_k,
)
from objabn.measures.answers import Curves, insertion_deletion, map_replacement, rise
from objabn.measures.clips import measure_clips
from objabn.measures.place import energy_inside, iou_by_threshold, iou_of_region, pointing
from objabn.measures.shape import entropy, flat_share, flicker, frame_maps, map_range

__all__ = [
    "CALIBRATION_BINS",
    "FLAT_RANGES",
    "MAX_BITS",
    "THRESHOLDS",
    "Curves",
    "best_threshold",
    "calibration_error",
    "calibration_error_by_chance",
    "energy_inside",
    "entropy",
    "flat_share",
    "flicker",
    "frame_maps",
    "insertion_deletion",
    "iou_by_threshold",
    "iou_of_region",
    "is_flat",
    "map_entropy",
    "map_range",
    "map_replacement",
    "mean_known",
    "mean_over_frames",
    "measure_clips",
    "pointing",
    "resize_maps",
    "rise",
    "scale_frames",
    "top1_known",
    "top_k",
]
