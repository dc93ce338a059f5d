"""Units of segmentation computed by processes of this machine, for segmenters that compute on the CPU.

    fill(units, make, workers=None)

Each process puts whole units into the side cache itself, so whatever ends this, no finished unit is lost. A fault is
one line. A process that is killed is replaced once, and goes on with the unit that the other one had.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import lru_cache, partial

import torch

from objabn.segmentation.segment import Compute, frames_bar
from objabn.segmentation.units import Unit
from objabn.system.workers import Lost, in_processes, num_cores

_PRELOAD = ("torch", "objabn.segmentation.segment")  # what all processes import, imported once


def fill(units: Sequence[Unit], make: Callable[[], Compute], *, workers: int | None) -> None:
    """Has all units computed, long ones first: so the processes end at about the same time. A single one is this one.

    Each process has as many threads as this one: a sum's last bit depends on their number.

    Args:
        make: called once in each process; has to be picklable.
        workers: processes; None for one a core.

    Raises:
        ValueError, OSError: a unit cannot be computed; ValueError also when its process ended.
    """
    at_a_time = min(workers or num_cores(), len(units))
    ordered = sorted(units, key=lambda unit: -unit.frames)
    if not ordered:
        return
    with frames_bar(ordered) as bar:
        if at_a_time == 1:
            for unit in make()(ordered):
                bar.update(unit.frames)
            return
        work = partial(_work, make, torch.get_num_threads())
        outcomes = in_processes(work, ordered, workers=at_a_time, timeout_sec=None, preload=_PRELOAD)
        with closing(outcomes) as results:
            for unit, result in results:
                if isinstance(result, Exception):
                    raise result
                if isinstance(result, Lost):
                    raise ValueError(_ending(unit, result, at_a_time))
                bar.update(unit.frames)


def _work(make: Callable[[], Compute], threads: int, unit: Unit) -> Exception | None:
    """Compute a unit; return the fault of its input, if there is one."""
    try:
        for _ in _made(make, threads)([unit]):
            pass
    except (ValueError, OSError) as error:
        return error
    return None


@lru_cache(maxsize=1)
def _made(make: Callable[[], Compute], threads: int) -> Compute:
    torch.set_num_threads(threads)
    return make()


def _ending(unit: Unit, lost: Lost, processes: int) -> str:
    message = f"{unit.video}: the process that segmented it {lost.reason}"
    if "memory" in lost.reason or "SIGKILL" in lost.reason:
        message += f"; if memory was short, set machine.segment_workers to fewer than {processes}"
    return message
