"""What the processes of a training tell each other. Where there is only one, each of these gives back what it got."""

from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Value = TypeVar("Value")


def rank() -> int:
    """This process's number among those of the training, from 0."""
    return dist.get_rank() if _several() else 0


def agreed(value: bool, device: torch.device) -> bool:
    """What the first process says: what follows a clock must be the same everywhere, or some wait for the others."""
    if not _several():
        return value
    said = torch.tensor(int(value), device=device)
    dist.broadcast(said, 0)
    return bool(said)


def first(value: Value) -> Value:
    """The first process's value (picklable)."""
    if not _several():
        return value
    said = [value]
    dist.broadcast_object_list(said, 0)
    return said[0]


def everyones(value: Value) -> list[Value]:
    """All processes' values (picklable), by rank."""
    if not _several():
        return [value]
    values: list = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def total(value: Tensor) -> Tensor:
    """Sum over the processes, of the same shape; adds up in place."""
    if _several():
        dist.all_reduce(value)
    return value


def means(values: dict[str, float]) -> dict[str, float]:
    """Mean over the processes of each value; all have the same names."""
    everyone = everyones(values)
    return {name: sum(each[name] for each in everyone) / len(everyone) for name in values}


def share_statistics(network: nn.Module) -> None:
    """Gives all processes the first one's buffers, BatchNorm's statistics: each has seen its own clips."""
    if _several():
        for value in network.buffers():
            dist.broadcast(value, 0)


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()
