"""Units of segmentation computed by Ray: one actor a GPU (or a core), on one machine or a cluster.

    fill(units, make, workers=None)

Each actor computes blocks of whole units and puts them into the side cache itself, so nothing but names travels. A node
that is lost costs the units in flight: its block is computed elsewhere, without what is in the side cache by then. The
side cache and the data set have to lie on a file system that all nodes see. Ray finds a cluster by its own variable
RAY_ADDRESS; without it, it starts on this machine.
"""

import logging
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from objabn.segmentation.segment import Compute, frames_bar
from objabn.segmentation.units import Unit

_LARGEST_BLOCK = 64  # units; a block costs Ray's driver tens of milliseconds
_BLOCKS = 4  # of an actor at least, so that all actors end at about the same time


class _Actor:
    """Make what it needs once, then compute one block of units after another."""

    def __init__(self, make: Callable[[bool], Compute], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)  # Ray makes it one a core that it grants
        self._compute = make(torch.cuda.is_available())

    def __call__(self, block: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows = zip(block["video"], block["name"], block["frames"].tolist(), strict=True)
        return {"frames": np.array([sum(unit.frames for unit in self._compute([Unit(*row) for row in rows]))])}


def fill(units: Sequence[Unit], make: Callable[..., Compute], *, workers: int | None) -> None:
    """Has all units computed, long ones first.

    Each actor has as many threads as this process: a sum's last bit depends on their number. On a GPU it reads and
    writes beside the segmenter.

    Args:
        make: called once in each actor, with `overlap`; has to be picklable.
        workers: actors; None for one a GPU of the cluster, or one a core where there is no GPU. More than GPUs share
            them.

    Raises:
        ValueError: Ray is not installed, or a unit failed.
    """
    try:
        import ray
    except ImportError:
        raise ValueError(
            "machine.segment_engine: ray is not installed; `pip install -r requirements-ray.txt`, or `local`"
        ) from None
    if not units:
        return
    here = os.getcwd()  # actors of other nodes find the same checkout there
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    settings = {"env_vars": {"PYTHONPATH": path, "OBJABN_CACHE": os.environ.get("OBJABN_CACHE", "")}}
    ray.init(log_to_driver=False, logging_level=logging.ERROR, runtime_env=settings)
    try:
        _run(ray, units, partial(_in, here, make), workers)
    finally:
        ray.shutdown()


def _in(directory: str, make: Callable[..., Compute], overlap: bool) -> Compute:
    os.chdir(directory)
    return make(overlap=overlap)


def _run(ray: Any, units: Sequence[Unit], make: Callable[[bool], Compute], workers: int | None) -> None:
    import torch

    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    actors = min(workers or gpus or int(resources["CPU"]), len(units))
    ordered = sorted(units, key=lambda unit: -unit.frames)
    blocks = -(-len(ordered) // block_length(len(ordered), actors))
    done = (
        ray.data.from_items([unit._asdict() for unit in ordered], override_num_blocks=blocks)
        .map_batches(
            _Actor,
            batch_size=None,  # a whole block
            fn_constructor_args=(make, torch.get_num_threads()),
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_gpus=_share(actors, gpus),
            num_cpus=0 if gpus else 1,
        )
        .iter_rows()
    )
    with frames_bar(units) as bar:
        try:
            for row in done:
                bar.update(row["frames"])
        except ray.exceptions.RayError as error:
            raise ValueError(f"machine.segment_engine: ray: {_reason(str(error))}") from error


def block_length(units: int, actors: int) -> int:
    """Units of a block: many, because each block costs the driver, but several blocks an actor.

    >>> block_length(220_000, 8), block_length(448, 2), block_length(3, 2)
    (64, 56, 1)
    """
    return min(max(units // (_BLOCKS * actors), 1), _LARGEST_BLOCK)


def _share(actors: int, gpus: int) -> float:
    """Of a GPU, for each actor; all actors find room at once, whichever node their GPUs are on."""
    return 1 / -(-actors // gpus) if gpus else 0


def _reason(text: str) -> str:
    """The message of the fault itself: the last `SomeError: message` of the traceback that Ray hands over."""
    faults = re.findall(r"^(?!ray\.)(?:[\w.]*\.)?\w+(?:Error|Exception): (.+)$", text, flags=re.MULTILINE)
    return faults[-1] if faults else text.strip().splitlines()[-1]
