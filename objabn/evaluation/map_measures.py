"""Measure the maps of clips: their shape, their change in time, and how they lie on the object.

Shapes: B clips, T frames, h/w grid of the maps, K thresholds.
"""

from collections.abc import Collection, Mapping

import numpy as np

from objabn.config.schema import Eval
from objabn.evaluation.localisation import energy_inside, iou_by_threshold, iou_of_region, pointing
from objabn.evaluation.metrics import FLAT_RANGES, flicker, is_flat, map_entropy, map_range, mean_known
from objabn.evaluation.results import CURVE
from objabn.evaluation.targets import KINDS, Targets


def map_measures(
    maps: Mapping[str, np.ndarray],
    native: Mapping[str, np.ndarray],
    found: Targets,
    params: Eval,
    *,
    repeated: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Measure each map of each clip.

    Returns float64 (B,) by column, or (B, K) of a curve, means over the clip's frames.

    Columns of a map x. Its shape: `entropy_x`, in bits, over all frames, the paper's figure, which knows no flat frames
    (only a map that is the same everywhere has no entropy); `entropy_object_x`, over frames that have an object and are
    not flat; `entropy_native_x`, that of the same map on the grid of its own layer, where that is another;
    `entropy_object_at_R_x`, with R in the place of `eval.flat_range`, for each of FLAT_RANGES; `flat_share_x` and
    `flat_share_object_x`; `range_x`, max - min over frames with an object. Where nothing is: `lit_empty_x`, the map's
    mean over frames without an object. In time: `flicker_x`. On the object, over frames that have one: `iou_fit_x`, the
    IoU of the cells from 0.5 on with the segmenter's mask, and with ground truth `iou_truth_x`, `pointing_x`,
    `energy_x` and `iou_curve_x`. Each is NaN where no frame has a say.

    M_b is compared with the inverse of the masks.

    Args:
        maps: by letter, float (B, T, h, w) in [0, 1]; native: those on another grid, float (B, T, h', w').
        repeated: letters of maps that are the same in several frames, since their network has fewer steps than the clip
            has frames: these have no flicker that could be compared.
    """
    masks = found.on_cpu()
    results: dict[str, np.ndarray] = {}
    for letter, values in maps.items():
        results |= _shape(letter, values, native.get(letter), found, params)
        if letter in repeated:
            results[f"flicker_{letter}"] = np.full(len(values), np.nan)
        for kind, mask in masks.items():
            target = (~mask if letter == "b" else mask) & found.frames_of(kind)[..., None, None]
            results |= _place(letter, values, target, kind)
    return results


def _shape(
    letter: str, maps: np.ndarray, native: np.ndarray | None, found: Targets, params: Eval
) -> dict[str, np.ndarray]:
    """Measure what no mask is needed for but to choose frames."""
    entropy, flat = _entropy(maps, params), is_flat(maps, params.flat_range)

    def of_objects(values: np.ndarray, left_out: np.ndarray) -> np.ndarray:
        return mean_known(np.where(found.objects & ~left_out, values, np.nan), axis=1)

    results = {
        f"entropy_{letter}": mean_known(entropy, axis=1),
        f"entropy_object_{letter}": of_objects(entropy, flat),
    }
    if native is not None:
        results[f"entropy_native_{letter}"] = of_objects(_entropy(native, params), is_flat(native, params.flat_range))
    for least in FLAT_RANGES:
        results[f"entropy_object_at_{least:g}_{letter}"] = of_objects(entropy, is_flat(maps, least))
    lit = np.asarray(maps, np.float64).mean(axis=(-2, -1))
    return results | {
        f"flat_share_{letter}": flat.mean(axis=1),
        f"flat_share_object_{letter}": mean_known(np.where(found.objects, flat, np.nan), axis=1),
        f"range_{letter}": mean_known(np.where(found.objects, map_range(maps), np.nan), axis=1),
        f"lit_empty_{letter}": mean_known(np.where(found.empty, lit, np.nan), axis=1),
        f"flicker_{letter}": flicker(maps),
    }


def _entropy(maps: np.ndarray, params: Eval) -> np.ndarray:
    return map_entropy(maps, FLAT_RANGES[0], params.entropy_bins, params.entropy_size)


def _place(letter: str, maps: np.ndarray, target: np.ndarray, kind: str) -> dict[str, np.ndarray]:
    """Measure how maps lie on a target, bool (B, T, h, w); a frame whose target is empty has no say."""
    measures = {f"iou_{KINDS[kind]}_{letter}": iou_of_region(maps, target)}
    if kind == "truth":
        measures |= {
            f"pointing_{letter}": pointing(maps, target),
            f"energy_{letter}": energy_inside(maps, target),
            f"{CURVE}{letter}": iou_by_threshold(maps, target),
        }
    return {name: mean_known(values, axis=1) for name, values in measures.items()}
