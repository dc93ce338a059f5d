"""What measuring needs: a clock, what others use meanwhile, silence, the size of what was written, a GPU's memory."""

import contextlib
import io
import os
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


class Others:
    """Share of the machine's cores that other processes used while a block ran, in `share`; 0 where nothing tells."""

    share = 0.0

    def __enter__(self) -> Self:
        self._before = _used()
        return self

    def __exit__(self, *_: object) -> None:
        busy, own, wall = (after - before for after, before in zip(_used(), self._before, strict=True))
        self.share = max(busy - own, 0.0) / (wall * (os.cpu_count() or 1))


def _used(stat: Path = Path("/proc/stat")) -> tuple[float, float, float]:
    """Seconds that all cores were busy, that this process used of them, and of the clock."""
    own = os.times()
    if not stat.is_file():  # not Linux
        return 0.0, 0.0, time.perf_counter()
    user, nice, system, _idle, _wait, *others = map(int, stat.read_text().split("\n")[0].split()[1:9])
    busy = (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")
    return busy, own.user + own.system + own.children_user + own.children_system, time.perf_counter()


def least(work: Callable[[Path], object], place: Path, *, room: float, most: int = 3) -> tuple[float, Path]:
    """Least seconds of up to `most` calls, as many as fit into `room` seconds: others may use this machine, too.

    Args:
        work: called with an empty directory below `place`, a new one each time.

    Returns:
        The seconds, and the last call's directory.
    """
    taken: list[float] = []
    while not taken or (len(taken) < most and sum(taken) + taken[-1] < room):
        directory = place / f"{len(taken)}"
        directory.mkdir(parents=True)
        with Clock() as clock:
            work(directory)
        taken.append(clock.sec)
    return min(taken), directory


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallows what stages print: progress bars, lines of epochs."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def stored_bytes(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def forget_gpu() -> None:
    """From here on `gpu_bytes` counts anew."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def gpu_bytes() -> int:
    """Most memory that torch held on the GPU since `forget_gpu`; 0 without one."""
    return torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0
