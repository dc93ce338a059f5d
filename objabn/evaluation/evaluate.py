"""Evaluate trained networks on the test split, video by video."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from objabn.clips.batches import Batch, clip_tensors, loader, mask_tensors
from objabn.clips.dataset import ClipDataset
from objabn.config.rows import map_names
from objabn.config.schema import Dataset
from objabn.evaluation.localisation import energy_inside, iou_by_threshold, pointing
from objabn.evaluation.maps import logits_and_maps
from objabn.evaluation.metrics import is_flat, map_entropy, mean_over_frames, top_k
from objabn.evaluation.results import CURVE
from objabn.model.device import make_fabric
from objabn.model.network import ObjectABN
from objabn.progress import progress
from objabn.stores.masks import mask_iou

MAP_THRESHOLD = 0.5  # a cell belongs to the attended region from here on


def evaluate_run(
    model: ObjectABN,
    attention: str,
    dataset: ClipDataset,
    params: Dataset,
    *,
    keep: Callable[[Batch, np.ndarray], None] | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield the results of one trained network, one line a video.

    A table comes as soon as all views of a video are in.

    Columns: video, label, predicted, top1 and top5 (0 or 1), and for each map x of `map_names`: entropy_x (bits; NaN
    when all its frames are flat), flat_share_x, iou_fit_x (against the training masks) and, where there is ground
    truth, iou_truth_x, pointing_x, energy_x (NaN when no frame has a truth) and iou_curve_x, float32 (K,), the IoU
    with the truth at each of `localisation.THRESHOLDS`; with ground truth also truth_area, the share of the grid's
    cells that are truth in frames that have one: chance for pointing_x and energy_x. They are means over frames, then
    over views, as are the probabilities. M_b is compared with the masks' inverse.

    No more than a batch and a video's views are held at a time.

    Args:
        keep: called with each batch and its maps, float32 (B, M, T, h, w); a `MapKeeper`.

    Raises:
        ValueError: the network yields numbers that are not finite.
    """
    fabric = make_fabric(params)
    model = model.to(fabric.device).eval()
    size, workers = params.eval.batch_size, params.machine.loader_workers
    batches = loader(dataset, size, workers=workers, device=fabric.device)
    total = -(-len(dataset) // size)
    waiting: dict[str, np.ndarray] = {}  # results of clips whose videos are not complete
    num_done = 0  # videos
    for batch in progress(batches, total=total, desc="evaluate", unit="batch"):
        logits, maps = logits_and_maps(model, clip_tensors(batch, params.data.crop), params.gradcam.layer)
        if not (logits.isfinite().all() and maps.isfinite().all()):
            raise ValueError("the network's logits or maps are not finite: its training went wrong")
        resizes = {"masks": params.mask.resize, "truth": "area"}
        masks = {
            key: mask_tensors(batch, key, model.map_size, resize).bool().cpu().numpy()
            for key, resize in resizes.items()
            if key in batch
        }
        clips = {"probabilities": logits.softmax(dim=1).cpu().numpy()}
        values = maps.cpu().numpy()
        clips |= _map_results(values, map_names(attention), masks)
        if keep is not None:
            keep(batch, values)
        if waiting:
            clips = {name: np.concatenate([waiting[name], values]) for name, values in clips.items()}
        num_videos = len(clips["probabilities"]) // dataset.views
        if num_videos:
            yield _video_results(dataset, slice(num_done, num_done + num_videos), clips)
        waiting = {name: values[num_videos * dataset.views :] for name, values in clips.items()}
        num_done += num_videos
    assert num_done == len(dataset.table)


def _map_results(maps: np.ndarray, names: tuple[str, ...], masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Results of each clip by name, float (B,) or (B, K), of maps (B, M, T, h, w) and masks bool (B, T, h, w)."""
    results = {}
    for number, name in enumerate(names):
        one_map = maps[:, number]  # (B, T, h, w)
        results[f"entropy_{name}"] = _mean_over_frames(map_entropy(one_map))
        results[f"flat_share_{name}"] = is_flat(one_map).mean(axis=1)
        targets = {key: ~mask if name == "b" else mask for key, mask in masks.items()}
        for key, target in targets.items():
            column = f"iou_{'fit' if key == 'masks' else 'truth'}_{name}"
            results[column] = mask_iou(one_map >= MAP_THRESHOLD, target).mean(axis=1)
        if "truth" in targets:
            truth = targets["truth"]
            results[f"pointing_{name}"] = _mean_over_frames(pointing(one_map, truth))
            results[f"energy_{name}"] = _mean_over_frames(energy_inside(one_map, truth))
            results[f"{CURVE}{name}"] = iou_by_threshold(one_map, truth).mean(axis=1)
    if "truth" in masks:
        areas = masks["truth"].mean(axis=(-2, -1))
        results["truth_area"] = _mean_over_frames(np.where(areas > 0, areas, np.nan))
    return results


def _mean_over_frames(values: np.ndarray) -> np.ndarray:
    """Mean of each clip's, or video's, values without NaN, float64 (B,) of (B, T)."""
    return np.array([mean_over_frames(per_frame) for per_frame in values])


def _video_results(dataset: ClipDataset, rows: slice, clips: dict[str, np.ndarray]) -> pd.DataFrame:
    """Lines of the videos at `rows` of the data set's table, from the first results of `clips`."""
    num_videos, views = rows.stop - rows.start, dataset.views
    by_video = {
        name: values[: num_videos * views].reshape(num_videos, views, *values.shape[1:])
        for name, values in clips.items()
    }
    probabilities = by_video.pop("probabilities").mean(axis=1)  # (videos, L)
    columns: dict[str, Any] = {
        "video": dataset.table["video"].iloc[rows].array,
        "label": dataset.table["label"].iloc[rows].array,
        "predicted": [dataset.class_names[number] for number in probabilities.argmax(axis=1)],
        "top1": top_k(probabilities, dataset.labels[rows], 1).astype(int),
        "top5": top_k(probabilities, dataset.labels[rows], 5).astype(int),
    }
    for name, values in by_video.items():
        is_curve = name.startswith(CURVE)
        columns[name] = list(values.mean(axis=1).astype(np.float32)) if is_curve else _mean_over_frames(values)
    return pd.DataFrame(columns)
