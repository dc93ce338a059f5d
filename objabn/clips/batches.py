"""Group clips into batches, and compute a batch's tensors on the training device."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from objabn.clips.colour import change_colours
from objabn.clips.cuts import Batch, collate_cuts
from objabn.clips.geometry import resample_clips, resample_masks
from objabn.clips.prefetch import prefetched
from objabn.clips.shared_memory import check_shared_memory, shortage_in_one_line

_CPU = torch.device("cpu")


class Clips(Protocol):
    """What a loader needs of a data set: a `ClipDataset`, or clips in pairs."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: tuple[int, int], /) -> Batch:
        """Return an item of an epoch."""
        ...

    def most_bytes(self) -> int:
        """Compute the bytes of the largest item, its frames cut to the crop."""
        ...


_Clips = TypeVar("_Clips", bound=Clips)


class Loader(Generic[_Clips]):
    """Load the batches of a data set, epoch by epoch.

    The worker processes live from the first epoch until the loader is closed. Close it, or use it in a `with`.

    Args:
        workers: processes that load clips; 0 loads them in this process.
        seed, shuffle: with `shuffle`, for training, the order is drawn from (seed, epoch), and an incomplete last batch
            is dropped unless it is the only batch.
        share: (r, n), yield the r-th of n equal slices of each batch; n divides `batch_size`. An incomplete batch fills
            the slices one after another.
        device: where the batches shall be.
        processes: that train on this machine, each with its own loader.

    Raises:
        ValueError: shared memory is too small for the batches of the workers; in an epoch, a store or a video that
            cannot be read. Each in one line.
    """

    def __init__(
        self,
        dataset: _Clips,
        batch_size: int,
        *,
        workers: int,
        seed: int = 0,
        shuffle: bool = False,
        share: tuple[int, int] = (0, 1),
        device: torch.device = _CPU,
        processes: int = 1,
    ) -> None:
        self.dataset, self._batch_size, self._workers = dataset, batch_size, workers
        self._seed, self._shuffle, self._share, self._device = seed, shuffle, share, device
        slice_size, on_cuda = batch_size // share[1], device.type == "cuda"
        if workers:
            check_shared_memory(workers, slice_size * dataset.most_bytes(), processes)
        self._order = _Order()
        self._batches = DataLoader(
            cast(TorchDataset[Batch], dataset),
            batch_size=slice_size,
            sampler=self._order,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=collate_cuts if workers or on_cuda else None,
            pin_memory=on_cuda,
            generator=torch.Generator(),
        )
        self._iterator: Any = None

    def epoch(self, epoch: int = 0, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch, on the loader's device.

        Args:
            first: number of the first batch, from 0. An epoch that goes on after an interruption leaves out the batches
                before this one.
        """
        size, (rank, shares), num_clips = self._batch_size, self._share, len(self.dataset)
        draw = np.random.default_rng([self._seed, epoch])
        order = draw.permutation(num_clips) if self._shuffle else np.arange(num_clips)
        if self._shuffle and num_clips > size:
            order = order[: num_clips // size * size]
        order = order[first * size :]
        self._order.epoch = epoch
        self._order.items = order[np.arange(len(order)) % size // (size // shares) == rank]
        if not first:
            # One number of torch's generator belongs to each epoch, drawn at its beginning: it once seeded torch's
            # loader. Without it dropout would draw others, and trainings would have other bits than before.
            torch.empty((), dtype=torch.int64).random_()
        with shortage_in_one_line():
            try:
                self._iterator = iter(self._batches)
                yield from prefetched(self._iterator, self._device)
            except ValueError as error:  # a worker's message holds its traceback; the fault itself is the last line
                if self._workers:
                    raise ValueError(str(error).strip().splitlines()[-1].partition(": ")[2]) from error
                raise

    def close(self) -> None:
        """End the worker processes."""
        if self._workers and self._iterator is not None:
            self._iterator._shutdown_workers()  # torch has no public way to end workers that live on
        self._iterator = None

    def __enter__(self) -> "Loader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Order(Sampler[tuple[int, int]]):
    """The items of the epoch that comes next, each with the epoch's number."""

    def __init__(self) -> None:
        self.epoch, self.items = 0, np.arange(0)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, item) for item in self.items.tolist())


def loader(
    dataset: Clips, batch_size: int, *, workers: int, epoch: int = 0, first: int = 0, **settings: Any
) -> Iterator[Batch]:
    """Yield the batches of one epoch from a loader that is closed behind it.

    Args:
        settings: of `Loader`.
    """
    with Loader(dataset, batch_size, workers=workers, **settings) as batches:
        yield from batches.epoch(epoch, first)


def num_batches(dataset: Clips, batch_size: int) -> int:
    """Return how many batches a training epoch has."""
    return max(len(dataset) // batch_size, 1)


def clip_tensors(batch: Batch, crop: int) -> Tensor:
    """Return the normalised clips of a batch.

    Returns float32 (B, 3, T, crop, crop), on the batch's device. A batch with `gains` has its colours changed.
    """
    clips = resample_clips(batch["frames"], batch["box"], batch["flip"], crop)
    return change_colours(clips, batch["gains"]) if "gains" in batch else clips


def mask_tensors(batch: Batch, key: str, size: int, resize: str) -> Tensor:
    """Return the union masks of a batch on the grid of the attention maps.

    Returns float32 (B, T, size, size). `key` is "masks" or "truth".
    """
    return resample_masks(batch[key], batch["box"], batch["flip"], size, resize)
