"""Add up what the batches of an epoch yield, and wait for the device seldom."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

_GPU_STEPS = 20  # between two readings from a GPU


class TrainingError(ValueError):
    """Training cannot go on; the message says why in one line."""


def reads_every(device: torch.device) -> int:
    """Return after how many steps values are read from the device.

    A reading waits until the device has done all its work, and then the device waits for more. On the CPU it costs
    nothing.
    """
    return 1 if device.type == "cpu" else _GPU_STEPS


class Tally:
    """Add up the named values of an epoch's batches.

    Args:
        sums: of the epoch's batches so far; empty at its beginning.
        videos: the ids of the data set's videos.
        epoch: from 0, for messages.

    Attributes:
        sums: of all batches that have been read (`read`).
    """

    def __init__(self, sums: Mapping[str, float], videos: Sequence[str], epoch: int) -> None:
        self.sums: Counter[str] = Counter(sums)
        self._videos, self._epoch = videos, epoch
        self._unread: list[tuple[tuple[str, ...], Tensor, Tensor]] = []  # names, values and rows of each batch

    def add(self, values: Mapping[str, Tensor], rows: Tensor) -> None:
        """Take the values of a batch, float scalars, without waiting for the device.

        Args:
            values: those of another batch may have other names.
            rows: of the batch's videos, int64 (B,).
        """
        self._unread.append((tuple(values), torch.stack(list(values.values())).detach(), rows))

    def read(self) -> dict[str, float]:
        """Add up all unread batches, and return the values of the last one.

        Raises:
            TrainingError: some are not finite. The message names the first batch that has such values.
        """
        numbers = torch.cat([values for _, values, _ in self._unread]).tolist()  # waits for the device once
        last: dict[str, float] = {}
        for names, _, rows in self._unread:
            last, numbers = dict(zip(names, numbers, strict=False)), numbers[len(names) :]
            if bad := [name for name, value in last.items() if not math.isfinite(value)]:
                videos = ", ".join(self._videos[row] for row in rows.tolist())
                where = f"epoch {self._epoch + 1}; videos of the batch: {videos}"
                raise TrainingError(f"{' and '.join(bad)} not finite in {where}")
            self.sums.update(last)
        self._unread.clear()
        return last
