"""Top-1 under several conditions, such as other maps or other backgrounds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from objabn.clips.batches import Batch
from objabn.clips.dataset import ClipDataset
from objabn.clips.shared_memory import shortage_in_one_line
from objabn.config.schema import Dataset
from objabn.evaluation.metrics import top_k
from objabn.evaluation.trained import why_not_finite
from objabn.model.interface import VideoNetwork
from objabn.progress import progress


def batches(clips: TorchDataset[Batch], num_clips: int, params: Dataset, title: str) -> Iterator[Batch]:
    """Yield batches of all clips in their order, with a progress bar.

    No more than the loaders hold is in memory.
    """
    size = params.eval.batch_size
    loader = DataLoader(
        clips, batch_size=size, num_workers=params.machine.loader_workers, pin_memory=torch.cuda.is_available()
    )
    with shortage_in_one_line():
        yield from progress(loader, total=-(-num_clips // size), desc=title, unit="batch")


def mean_over_views(values: Sequence[np.ndarray], dataset: ClipDataset) -> np.ndarray:
    """Average values over each video's views, float64 (V, ...).

    Args:
        values: of each batch, (B, ...).
    """
    per_clip = np.concatenate(values).astype(np.float64)
    return per_clip.reshape(-1, dataset.views, *per_clip.shape[1:]).mean(axis=1)


def top1_table(logits: Mapping[str, Sequence[Tensor]], dataset: ClipDataset, model: VideoNetwork) -> pd.DataFrame:
    """Tabulate top-1 under each condition, one row a video; views are averaged.

    Columns: video, label, and by condition 0 or 1.

    Args:
        logits: by condition, those of all batches, float (B, L).
        model: which gave them, for the message.

    Raises:
        ValueError: logits that are not finite.
    """
    columns: dict[str, Any] = {"video": dataset.table["video"], "label": dataset.table["label"]}
    for name, of_batches in logits.items():
        probabilities = mean_over_views([values.softmax(dim=1).cpu().numpy() for values in of_batches], dataset)
        if not np.isfinite(probabilities).all():
            raise ValueError(f"the network's logits are not finite ({name}): {why_not_finite(model)}")
        columns[name] = top_k(probabilities, dataset.labels, 1).astype(int)
    return pd.DataFrame(columns)
