"""Group clips into batches, and compute a batch's tensors on the training device."""

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
    """Yield the batches of one epoch.

    With `shuffle`, for training, the order is drawn from (seed, epoch), and an incomplete last batch is dropped unless
    it is the only batch.

    Args:
        first: number of the first batch, from 0. An epoch that goes on after an interruption leaves out the batches
            before this one.
        share: (r, n), yield the r-th of n equal slices of each batch; n divides `batch_size`. An incomplete batch fills
            the slices one after another.

    Raises:
        ValueError: a store or a video that cannot be read, in one line.
    """
    dataset.epoch = epoch
    order = np.random.default_rng([seed, epoch]).permutation(len(dataset)) if shuffle else np.arange(len(dataset))
    if shuffle and len(dataset) > batch_size:
        order = order[: len(dataset) // batch_size * batch_size]
    order, slice_size = order[first * batch_size :], batch_size // share[1]
    batches = DataLoader(
        dataset,
        batch_size=slice_size,
        sampler=order[np.arange(len(order)) % batch_size // slice_size == share[0]].tolist(),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
    )
    # `iter` draws a random number. An epoch that goes on has drawn it at its beginning.
    with torch.random.fork_rng(devices=[], enabled=first > 0):
        started = iter(batches)
    try:
        yield from started
    except ValueError as error:  # a worker's message holds its traceback; the fault itself stands in the last line
        if workers:
            raise ValueError(str(error).strip().splitlines()[-1].partition(": ")[2]) from error
        raise


def num_batches(dataset: ClipDataset, batch_size: int) -> int:
    """Return how many batches a training epoch has."""
    return max(len(dataset) // batch_size, 1)


def clip_tensors(batch: Batch, crop: int) -> Tensor:
    """Return the normalised clips of a batch.

    Returns float32 (B, 3, T, crop, crop), on the batch's device.
    """
    return resample_clips(batch["frames"], batch["box"], batch["flip"], crop)


def mask_tensors(batch: Batch, key: str, size: int, resize: str) -> Tensor:
    """Return the union masks of a batch on the grid of the attention maps.

    Returns float32 (B, T, size, size). `key` is "masks" or "truth".
    """
    return resample_masks(batch[key], batch["box"], batch["flip"], size, resize)
