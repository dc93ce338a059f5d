"""Batches of clips: their order, and their tensors on the training device."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from objabn.clips.dataset import ClipDataset
from objabn.clips.geometry import resample_clips, resample_masks

Batch = dict[str, Tensor]


def loader(
    dataset: ClipDataset,
    batch_size: int,
    *,
    workers: int,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = False,
    first: int = 0,
    share: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Batches of one epoch; training ones in an order drawn from (seed, epoch), the incomplete last one dropped.

    Args:
        first: batches before this one are left out, those of an epoch that goes on.
        share: (r, n), the r-th of n equal slices of each batch; n divides `batch_size`. An incomplete batch fills the
            slices in turn.
    """
    dataset.epoch = epoch
    order = np.random.default_rng([seed, epoch]).permutation(len(dataset)) if shuffle else np.arange(len(dataset))
    if shuffle and len(dataset) > batch_size:
        order = order[: len(dataset) // batch_size * batch_size]
    order, own = order[first * batch_size :], batch_size // share[1]
    batches = DataLoader(
        dataset,
        batch_size=own,
        sampler=order[np.arange(len(order)) % batch_size // own == share[0]].tolist(),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
    )
    with torch.random.fork_rng(devices=[], enabled=first > 0):  # `iter` draws a number; the epoch's beginning has
        started = iter(batches)
    yield from started


def num_batches(dataset: ClipDataset, batch_size: int) -> int:
    """How many batches a training epoch has."""
    return max(len(dataset) // batch_size, 1)


def clip_tensors(batch: Batch, crop: int) -> Tensor:
    """Normalised clips of a batch, float32 (B, 3, T, crop, crop), on the batch's device."""
    return resample_clips(batch["frames"], batch["box"], batch["flip"], crop)


def mask_tensors(batch: Batch, key: str, size: int, resize: str) -> Tensor:
    """Union masks of a batch on the maps' grid, float32 (B, T, size, size); `key` is "masks" or "truth"."""
    return resample_masks(batch[key], batch["box"], batch["flip"], size, resize)
