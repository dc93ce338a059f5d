"""Bring batches to the training device, on a GPU one batch ahead of the one that is computed with."""

from collections.abc import Iterable, Iterator

import torch

from objabn.clips.cuts import Batch, put_back


def prefetched(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield the batches on `device`, their cuts put back into whole frames (`cuts`).

    On a GPU the next batch is on its way on a stream of its own while its forerunner is computed with. The copy runs
    beside the computation where the batches are in pinned memory.
    """
    if device.type != "cuda":
        for batch in batches:
            yield put_back(batch, device)
        return
    stream = torch.cuda.Stream(device)
    waiting: tuple[Batch, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(stream):
            on_its_way = put_back(batch, device), stream.record_event()
        if waiting:
            yield _arrived(*waiting, device)
        waiting = on_its_way
    if waiting:
        yield _arrived(*waiting, device)


def _arrived(batch: Batch, copied: torch.cuda.Event, device: torch.device) -> Batch:
    """Let the current stream wait for a batch's copy, and keep the batch's memory until that stream is done with it."""
    current = torch.cuda.current_stream(device)
    current.wait_event(copied)
    for value in batch.values():
        value.record_stream(current)
    return batch
