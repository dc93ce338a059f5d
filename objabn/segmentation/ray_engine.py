"""Units of segmentation computed by Ray: one actor a GPU (or a core), on one machine or a cluster.

    fill(units, make, workers=None)

Each actor computes whole units and puts them into the side cache itself, so nothing but names travels, and a node that
is lost costs the units in flight. The side cache and the data set have to lie on a file system that all nodes see. Ray
finds a cluster by its own variable RAY_ADDRESS; without it, it starts on this machine.
"""

import logging
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from objabn.progress import progress

Unit = dict[str, Any]  # video, name (its key in the side cache), frames
Compute = Callable[[Unit], None]  # puts a unit into the side cache


class _Actor:
    """Make what it needs once, then compute one unit after another."""

    def __init__(self, make: Callable[[], Compute], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)  # Ray makes it one a core that it grants
        self._compute = make()

    def __call__(self, unit: Unit) -> dict[str, int]:
        self._compute(unit)
        return {"frames": unit["frames"]}


def fill(units: Sequence[Unit], make: Callable[[], Compute], *, workers: int | None) -> None:
    """Has all units computed, with as many threads as this process has: a sum's last bit depends on their number.

    Args:
        make: called once in each actor; has to be picklable.
        workers: actors; None for one a GPU of the cluster, or one a core where there is no GPU. More than GPUs share
            them: while one reads or writes, another computes.

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


def _in(directory: str, make: Callable[[], Compute]) -> Compute:
    os.chdir(directory)
    return make()


def _run(ray: Any, units: Sequence[Unit], make: Callable[[], Compute], workers: int | None) -> None:
    import torch

    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    actors = min(workers or gpus or int(resources["CPU"]), len(units))
    done = (
        ray.data.from_items(list(units), override_num_blocks=len(units))
        .map(
            _Actor,
            fn_constructor_args=(make, torch.get_num_threads()),
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_gpus=_share(actors, gpus),
            num_cpus=0 if gpus else 1,
        )
        .iter_rows()
    )
    with progress(total=sum(unit["frames"] for unit in units), desc="segment", unit="frame") as bar:
        try:
            for row in done:
                bar.update(row["frames"])
        except ray.exceptions.RayError as error:
            raise ValueError(f"machine.segment_engine: ray: {_reason(str(error))}") from error


def _share(actors: int, gpus: int) -> float:
    """Of a GPU, for each actor; all actors find room at once, whichever node their GPUs are on."""
    return 1 / -(-actors // gpus) if gpus else 0


def _reason(text: str) -> str:
    """The message of the fault itself: the last `SomeError: message` of the traceback that Ray hands over."""
    faults = re.findall(r"^(?!ray\.)(?:[\w.]*\.)?\w+(?:Error|Exception): (.+)$", text, flags=re.MULTILINE)
    return faults[-1] if faults else text.strip().splitlines()[-1]
