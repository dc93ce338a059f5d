"""Exchange values between the processes of one training.

In a training of one process, each function gives back the value that it got.
"""

from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Value = TypeVar("Value")


def rank() -> int:
    """Return this process's number among the processes of the training, from 0."""
    return dist.get_rank() if _several() else 0


def processes() -> int:
    """Return how many processes the training has."""
    return dist.get_world_size() if _several() else 1


def agreed(value: bool, device: torch.device) -> bool:
    """Return the first process's decision in every process.

    A decision that depends on a clock must be the same everywhere, or some processes wait for others.
    """
    if not _several():
        return value
    decision = torch.tensor(int(value), device=device)
    dist.broadcast(decision, 0)
    return bool(decision)


def first(value: Value) -> Value:
    """Return the first process's value (picklable) in every process."""
    if not _several():
        return value
    values = [value]
    dist.broadcast_object_list(values, 0)
    return values[0]


def everyones(value: Value) -> list[Value]:
    """Return all processes' values (picklable), by rank."""
    if not _several():
        return [value]
    values: list = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def total(value: Tensor) -> Tensor:
    """Add a tensor up over the processes, in place; the shape stays."""
    if _several():
        dist.all_reduce(value)
    return value


def means(values: dict[str, float]) -> dict[str, float]:
    """Average each named value over the processes; all processes have the same names."""
    process_values = everyones(values)
    return {name: sum(by_name[name] for by_name in process_values) / len(process_values) for name in values}


def share_statistics(network: nn.Module) -> None:
    """Give all processes the first process's buffers (BatchNorm's statistics).

    Before this the statistics differ, since each process has seen its own clips.
    """
    if _several():
        for value in network.buffers():
            dist.broadcast(value, 0)


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()
