"""Evaluates trained networks on the test split: results of each video, and a row's numbers from them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from objabn.clips.dataset import Batch, ClipDataset, clip_tensors, loader, mask_tensors
from objabn.clips.geometry import MEAN, STD
from objabn.config.schema import MAPS, Dataset
from objabn.evaluation.gradcam import grad_cam
from objabn.evaluation.kept_maps import KeptMaps
from objabn.evaluation.localisation import THRESHOLDS, best_threshold, energy_inside, iou_by_threshold, pointing
from objabn.evaluation.metrics import is_flat, map_entropy, mean_over_frames, top_k
from objabn.evaluation.results import CURVE, column_names, read_column
from objabn.model.device import make_fabric
from objabn.model.network import ObjectABN
from objabn.progress import progress
from objabn.stores.masks import mask_iou

MAP_THRESHOLD = 0.5  # a cell belongs to the attended region from here on
GRAD_CAM = "g"  # the letter of Grad-CAM's maps, beside those of `MAPS`


def map_names(attention: str) -> tuple[str, ...]:
    """The maps that a configuration is evaluated with: its own, or Grad-CAM's where it has none."""
    return MAPS[attention] or (GRAD_CAM,)


@torch.no_grad()
def logits_and_maps(model: ObjectABN, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Perception logits (B, L) and maps (B, M, T, h, w) in the order of `map_names`."""
    if model.attention_branch is None:
        return grad_cam(model.perception_branch, model.extractor(clips))
    output = model(clips)
    return output.perception_logits, output.maps


class MapKeeper:
    """Keeps the maps of some videos of a data set, of each the first view: for `evaluate_run`, then for a file.

    Which ones depends on the data set alone: all where there are no more than `most`, else so many spread over it.
    """

    def __init__(self, dataset: ClipDataset, attention: str, most: int = 512) -> None:
        videos = dataset.table["video"]
        self._chosen = np.unique(np.linspace(0, len(videos) - 1, min(most, len(videos))).round().astype(int))
        self._videos = videos.iloc[self._chosen].to_numpy(dtype=str)
        self._map_names, self._views = np.array(map_names(attention)), dataset.views
        self._seen = 0  # clips
        self._found: dict[str, list[np.ndarray]] = {"maps": [], "frames": [], "boxes": []}

    def __call__(self, batch: Batch, maps: np.ndarray) -> None:
        """Takes the next batch of clips and its maps, float32 (B, M, T, h, w) in [0, 1]."""
        clips = np.arange(self._seen, self._seen + len(maps))
        self._seen += len(maps)
        kept = (clips % self._views == 0) & np.isin(clips // self._views, self._chosen)
        self._found["maps"].append((255 * maps[kept]).round().astype(np.uint8))
        self._found["frames"].append(batch["frame_numbers"].cpu().numpy()[kept])
        self._found["boxes"].append(batch["box"].cpu().numpy()[kept])

    def kept(self) -> KeptMaps:
        """What was kept, once all batches were there."""
        found = {name: np.concatenate(each) for name, each in self._found.items()}
        return KeptMaps(videos=self._videos, map_names=self._map_names, **found)


def evaluate_run(
    model: ObjectABN,
    attention: str,
    dataset: ClipDataset,
    params: Dataset,
    *,
    keep: Callable[[Batch, np.ndarray], None] | None = None,
) -> Iterator[pd.DataFrame]:
    """Results of one trained network, one line a video, in tables that come as soon as all views of a video are in.

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
    batches = loader(dataset, params.eval.batch_size, workers=params.train.workers)
    total = -(-len(dataset) // params.eval.batch_size)
    held: dict[str, np.ndarray] = {}  # results of clips whose videos are not complete
    num_done = 0  # videos
    for batch in progress(batches, total=total, desc="evaluate", unit="batch"):
        batch = fabric.to_device(batch)
        logits, maps = logits_and_maps(model, clip_tensors(batch, params.data.crop))
        if not (logits.isfinite().all() and maps.isfinite().all()):
            raise ValueError("the network's logits or maps are not finite: its training went wrong")
        resizes = {"masks": params.mask.resize, "truth": "area"}
        masks = {
            key: mask_tensors(batch, key, model.map_size, resize).bool().cpu().numpy()
            for key, resize in resizes.items()
            if key in batch
        }
        clips = {"probabilities": logits.softmax(dim=1).cpu().numpy()}
        found = maps.cpu().numpy()
        clips |= _map_results(found, map_names(attention), masks)
        if keep is not None:
            keep(batch, found)
        if held:
            clips = {name: np.concatenate([held[name], values]) for name, values in clips.items()}
        num_videos = len(clips["probabilities"]) // dataset.views
        if num_videos:
            yield _video_results(dataset, slice(num_done, num_done + num_videos), clips)
        held = {name: values[num_videos * dataset.views :] for name, values in clips.items()}
        num_done += num_videos
    assert num_done == len(dataset.table)


def _map_results(maps: np.ndarray, names: tuple[str, ...], masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Results of each clip by name, float (B,) or (B, K), of maps (B, M, T, h, w) and masks bool (B, T, h, w)."""
    results = {}
    for number, name in enumerate(names):
        own = maps[:, number]  # (B, T, h, w)
        results[f"entropy_{name}"] = _mean_over_frames(map_entropy(own))
        results[f"flat_share_{name}"] = is_flat(own).mean(axis=1)
        targets = {key: ~mask if name == "b" else mask for key, mask in masks.items()}
        for key, target in targets.items():
            column = f"iou_{'fit' if key == 'masks' else 'truth'}_{name}"
            results[column] = mask_iou(own >= MAP_THRESHOLD, target).mean(axis=1)
        if "truth" in targets:
            truth = targets["truth"]
            results[f"pointing_{name}"] = _mean_over_frames(pointing(own, truth))
            results[f"energy_{name}"] = _mean_over_frames(energy_inside(own, truth))
            results[f"{CURVE}{name}"] = iou_by_threshold(own, truth).mean(axis=1)
    if "truth" in masks:
        areas = masks["truth"].mean(axis=(-2, -1))
        results["truth_area"] = _mean_over_frames(np.where(areas > 0, areas, np.nan))
    return results


def _mean_over_frames(values: np.ndarray) -> np.ndarray:
    """Mean of each clip's, or video's, values without NaN, float64 (B,) of (B, T)."""
    return np.array([mean_over_frames(each) for each in values])


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


class VideoMaps(NamedTuple):
    """One clip and its maps, for a picture."""

    title: str
    frames: np.ndarray  # uint8 (T, S, S, 3): the crop that the network saw
    maps: dict[str, np.ndarray]  # float (T, h, w) in [0, 1], by the map's name
    masks: np.ndarray | None = None  # bool (T, n, n) over that crop, where they are to be shown
    seconds: np.ndarray | None = None  # float (T,), when each frame is shown, likewise


def maps_of_videos(
    model: ObjectABN, attention: str, dataset: ClipDataset, params: Dataset, *, num_videos: int = 4
) -> list[VideoMaps]:
    """The first test videos of `num_videos` classes, spread over the classes, with the maps of their clips."""
    device = next(model.parameters()).device
    first = dataset.table.drop_duplicates("label").sort_values("label").index.to_numpy()
    chosen = first[np.linspace(0, len(first) - 1, min(num_videos, len(first))).round().astype(int)]
    samples = [dataset[int(row) * dataset.views] for row in chosen]
    batch = {name: torch.stack([sample[name] for sample in samples]).to(device) for name in samples[0]}
    clips = clip_tensors(batch, params.data.crop)
    logits, all_maps = logits_and_maps(model.eval(), clips)
    pixels = ((clips * STD + MEAN).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 4, 1).cpu().numpy()
    pictures = []
    for number, row in enumerate(chosen):
        predicted = dataset.class_names[int(logits[number].argmax())]
        title = f"{dataset.table['label'][row]}: predicted {predicted} ({dataset.table['video'][row]})"
        maps = dict(zip(map_names(attention), all_maps[number].cpu().numpy(), strict=True))
        pictures.append(VideoMaps(title, pixels[number], maps))
    return pictures


def summarise(results: Path) -> dict[str, float]:
    """A row's numbers, from its file of results alone and a column at a time.

    Means over videos, then over seeds, NaN left out; with several seeds their sample standard deviations as `*_std`.
    top1 and top5 in percent, entropies in bits, everything else in [0, 1]. For each curve, iou_best_x is the mean IoU
    at iou_best_threshold_x, the best threshold over all videos and seeds. A number that does not exist (the entropy
    when all maps are flat) is left out.
    """
    seeds = read_column(results, "seed")
    of_seeds: dict[str, pd.Series] = {}  # numbers of each seed
    thresholds: dict[str, float] = {}
    for name in column_names(results):
        if name in ("video", "label", "predicted", "seed"):
            continue
        values = read_column(results, name)
        if name.startswith(CURVE):
            map_name = name.removeprefix(CURVE)
            best = best_threshold(values)
            name, values = f"iou_best_{map_name}", values[:, best]
            thresholds[name] = float(THRESHOLDS[best])
        scale = 100 if name in ("top1", "top5") else 1
        of_seeds[name] = scale * pd.Series(values, dtype=float).groupby(seeds).mean()
    row, spread = {}, {}
    for name, means in of_seeds.items():
        row[name] = means.mean()
        if name in thresholds:
            row[name.replace("best", "best_threshold")] = thresholds[name]
        if len(means) > 1:
            spread[f"{name}_std"] = means.std(ddof=1)
    return {name: round(float(value), 6) for name, value in (row | spread).items() if pd.notna(value)}
