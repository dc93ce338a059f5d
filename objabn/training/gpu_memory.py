"""Say in one line that a GPU's memory does not hold what a training needs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from objabn.config.schema import Train
from objabn.training.tally import TrainingError


@contextmanager
def out_of_memory_in_one_line(asked: Train, precision: str) -> Iterator[None]:
    """Turn a lack of memory on a GPU into one line, with what needs less.

    Args:
        precision: that the network computes with, "32-true" or "bf16-mixed".

    Raises:
        TrainingError: the GPU's memory does not hold a batch.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        size, processes = asked.batch_size, asked.devices * asked.nodes
        peak = torch.cuda.max_memory_allocated() / 1e9
        todo = ["make it smaller"]
        if size % (2 * processes) == 0 and size > 2:  # the least that there is
            half = f"batch_size {size // 2} and accumulate {2 * asked.accumulate}"
            todo = [f"{half} follow the same gradient but for BatchNorm"]
        if precision == "32-true":
            todo.append("precision bf16-mixed takes less")
        raise TrainingError(
            f"train.batch_size: expected one that fits into the GPU's memory, got {size} ({peak:.1f} GB at the peak so "
            f"far); {'; '.join(todo)}"
        ) from error
