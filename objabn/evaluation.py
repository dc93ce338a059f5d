"""Evaluates trained networks on the test split: one row of results a video, and a row's numbers from them."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from objabn.clips import ClipDataset, clip_tensors, loader, mask_tensors
from objabn.devices import make_fabric
from objabn.geometry import MEAN, STD
from objabn.masks import mask_iou
from objabn.metrics import is_flat, map_entropy, mean_over_frames, top_k
from objabn.model import ObjectABN
from objabn.params import MAPS, Dataset
from objabn.progress import progress

MAP_THRESHOLD = 0.5  # a cell belongs to the attended region from here on


@torch.no_grad()
def evaluate_run(model: ObjectABN, attention: str, dataset: ClipDataset, params: Dataset) -> pd.DataFrame:
    """Results of one trained network, one row a video; views of a video are averaged.

    Columns: video, label, predicted, top1 and top5 (0 or 1), and for each map x of u, o, b that the configuration
    has: entropy_x (bits; NaN when all its frames are flat), flat_share_x, iou_fit_x (against the training masks) and,
    where there is ground truth, iou_truth_x. M_b is compared with the masks' inverse.

    Raises:
        ValueError: the network yields numbers that are not finite.
    """
    fabric = make_fabric(params)
    model = model.to(fabric.device).eval()
    probabilities, per_clip = [], []
    batches = loader(dataset, params.eval.batch_size, workers=params.train.workers)
    total = -(-len(dataset) // params.eval.batch_size)
    for batch in progress(batches, total=total, desc="evaluate", unit="batch"):
        batch = fabric.to_device(batch)
        output = model(clip_tensors(batch, params.data.crop))
        if not (output.perception_logits.isfinite().all() and output.maps.isfinite().all()):
            raise ValueError("the network's logits or maps are not finite: its training went wrong")
        probabilities.append(output.perception_logits.softmax(dim=1).cpu().numpy())
        resizes = {"masks": params.mask.resize, "truth": "area"}
        masks = {
            key: mask_tensors(batch, key, model.map_size, resize).bool().cpu().numpy()
            for key, resize in resizes.items()
            if key in batch
        }
        per_clip.append(_map_results(output.maps.cpu().numpy(), MAPS[attention], masks))
    views = dataset.views
    mean_probabilities = np.concatenate(probabilities).reshape(-1, views, len(dataset.class_names)).mean(axis=1)
    columns: dict[str, Any] = {
        "video": dataset.table["video"],
        "label": dataset.table["label"],
        "predicted": [dataset.class_names[number] for number in mean_probabilities.argmax(axis=1)],
        "top1": top_k(mean_probabilities, dataset.labels, 1).astype(int),
        "top5": top_k(mean_probabilities, dataset.labels, 5).astype(int),
    }
    for name in per_clip[0]:
        values = np.concatenate([results[name] for results in per_clip]).reshape(-1, views)
        columns[name] = [mean_over_frames(value) for value in values]
    return pd.DataFrame(columns)


def _map_results(maps: np.ndarray, names: tuple[str, ...], masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Results of each clip, float (B,) by name, of maps (B, M, T, h, w) and masks bool (B, T, h, w)."""
    results = {}
    for number, name in enumerate(names):
        own = maps[:, number]  # (B, T, h, w)
        results[f"entropy_{name}"] = np.array([mean_over_frames(frames) for frames in map_entropy(own)])
        results[f"flat_share_{name}"] = is_flat(own).mean(axis=1)
        for key, mask in masks.items():
            target = ~mask if name == "b" else mask
            column = f"iou_{'fit' if key == 'masks' else 'truth'}_{name}"
            results[column] = mask_iou(own >= MAP_THRESHOLD, target).mean(axis=1)
    return results


class VideoMaps(NamedTuple):
    """One clip and its maps, for a picture."""

    title: str
    frames: np.ndarray  # uint8 (T, S, S, 3): the crop that the network saw
    maps: dict[str, np.ndarray]  # float (T, h, w) in [0, 1], by the map's name


@torch.no_grad()
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
    output = model(clips)
    pixels = ((clips * STD + MEAN).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 4, 1).cpu().numpy()
    pictures = []
    for number, row in enumerate(chosen):
        predicted = dataset.class_names[int(output.perception_logits[number].argmax())]
        title = f"{dataset.table['label'][row]}: predicted {predicted} ({dataset.table['video'][row]})"
        maps = dict(zip(MAPS[attention], output.maps[number].cpu().numpy(), strict=True))
        pictures.append(VideoMaps(title, pixels[number], maps))
    return pictures


def summarise(per_video: pd.DataFrame) -> dict[str, float]:
    """A run's numbers: means over videos; top1 and top5 in percent, entropies in bits, shares and IoU in [0, 1].

    A number that does not exist (the entropy when all maps are flat) is left out.
    """
    numbers = per_video.drop(columns=["video", "label", "predicted"]).mean()
    numbers[["top1", "top5"]] *= 100
    return {str(name): round(float(value), 6) for name, value in numbers.items() if pd.notna(value)}


def summarise_seeds(runs: list[dict[str, float]]) -> dict[str, float]:
    """A row's numbers: means over seeds, and with several seeds their sample standard deviations as `*_std`."""
    table = pd.DataFrame(runs)
    row = {str(name): round(float(value), 6) for name, value in table.mean().items()}
    if len(runs) > 1:
        row |= {f"{name}_std": round(float(value), 6) for name, value in table.std(ddof=1).items()}
    return row
