"""What the audits (`faithfulness`, `bias`) share: each clip beside its partner's (`partners`), whose maps or background
it is shown with instead of its own; top-1 under several conditions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from objabn.clips.dataset import Batch, ClipDataset
from objabn.clips.partners import partners
from objabn.config.schema import Dataset
from objabn.evaluation.metrics import top_k
from objabn.progress import progress


class PairedClips(TorchDataset[Batch]):
    """The clips of a data set, each with its partner's of the same view: an item's `other_*` beside its own."""

    def __init__(self, dataset: ClipDataset) -> None:
        self.dataset = dataset
        self.partners = partners(dataset.labels)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, item: int) -> Batch:
        number, view = divmod(item, self.dataset.views)
        other = self.dataset[int(self.partners[number]) * self.dataset.views + view]
        return self.dataset[item] | {f"other_{name}": value for name, value in other.items()}


def batches(clips: TorchDataset[Batch], num_clips: int, params: Dataset, title: str) -> Iterator[Batch]:
    """Batches of all clips in their order, with a progress bar; no more than the loaders hold is in memory."""
    size = params.eval.batch_size
    loader = DataLoader(clips, batch_size=size, num_workers=params.train.workers, pin_memory=torch.cuda.is_available())
    yield from progress(loader, total=-(-num_clips // size), desc=title, unit="batch")


def mean_over_views(values: Sequence[np.ndarray], dataset: ClipDataset) -> np.ndarray:
    """Means over each video's views, float64 (V, ...), of the batches' values, each (B, ...)."""
    per_clip = np.concatenate(values).astype(np.float64)
    return per_clip.reshape(-1, dataset.views, *per_clip.shape[1:]).mean(axis=1)


def top1_table(logits: Mapping[str, Sequence[Tensor]], dataset: ClipDataset) -> pd.DataFrame:
    """Top-1 under each condition, one row a video: columns video, label, and by condition 0 or 1; views are averaged.

    Args:
        logits: by condition, those of all batches, float (B, L).

    Raises:
        ValueError: logits that are not finite.
    """
    columns: dict[str, Any] = {"video": dataset.table["video"], "label": dataset.table["label"]}
    for name, each in logits.items():
        probabilities = mean_over_views([values.softmax(dim=1).cpu().numpy() for values in each], dataset)
        if not np.isfinite(probabilities).all():
            raise ValueError(f"the network's logits are not finite ({name}): its training went wrong")
        columns[name] = top_k(probabilities, dataset.labels, 1).astype(int)
    return pd.DataFrame(columns)


def audit_numbers(per_video: pd.DataFrame) -> dict[str, float]:
    """A run's numbers: means over videos, top-1 in percent, areas in [0, 1]; and drops in points.

    Of figures on other backgrounds: swap_drop = top1 - top1_swapped, and background_gap = top1_pasted - top1_swapped,
    the part of it that is not owed to cutting and pasting; with true masks both end in `_truth`.
    """
    means = per_video.drop(columns=["video", "label"]).mean()
    numbers = {str(name): (100 if str(name).startswith("top1") else 1) * value for name, value in means.items()}
    for end in ("", "_truth"):
        if f"top1_swapped{end}" in numbers:
            swapped = numbers[f"top1_swapped{end}"]
            numbers[f"swap_drop{end}"] = numbers["top1"] - swapped
            numbers[f"background_gap{end}"] = numbers[f"top1_pasted{end}"] - swapped
    return {name: round(float(value), 6) for name, value in numbers.items()}


def summarise_audits(per_video: pd.DataFrame) -> dict[str, float]:
    """A row's numbers: `audit_numbers` of each seed (column `seed`), their mean, and with several their sample standard
    deviations as `*_std`."""
    table = pd.DataFrame([audit_numbers(own.drop(columns="seed")) for _, own in per_video.groupby("seed")])
    spread = table.std(ddof=1).add_suffix("_std").to_dict() if len(table) > 1 else {}
    return {str(name): round(float(value), 6) for name, value in (table.mean().to_dict() | spread).items()}
