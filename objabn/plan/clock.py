"""What measuring needs: a clock, silence, and the bytes that were written."""

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import torch


class Clock:
    """Seconds that a block takes, in `sec` once it has ended."""

    sec = 0.0

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.sec = time.perf_counter() - self._started


def least(work: Callable[[], object], *, room: float, most: int = 3) -> float:
    """Least seconds of up to `most` calls, as many as fit into `room` seconds: others may use this machine, too."""
    taken: list[float] = []
    while not taken or (len(taken) < most and sum(taken) + taken[-1] < room):
        with Clock() as clock:
            work()
        taken.append(clock.sec)
    return min(taken)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what stages print: progress bars, lines of epochs."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def stored_bytes(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
