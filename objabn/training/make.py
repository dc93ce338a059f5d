"""Make one run, in the way that the parameters and the launcher ask for.

A stage that is on its own trains in its process, or in several that it starts on this machine (`processes`). A stage
that a launcher has started as one of several (`launcher`) trains together with the others. The first of these keeps the
finished run in the side cache, where the stage that DVC runs afterwards finds the run (`finished`).
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch.distributed as dist

from objabn.config.schema import Dataset
from objabn.model.device import check_on_cpu
from objabn.system.cache import Cache, unit_key
from objabn.system.files import replace_dir, write_text
from objabn.system.gpus import leased_gpus
from objabn.system.locks import one_at_a_time, try_lock
from objabn.training import collectives
from objabn.training.checkpoint import Checkpoint, is_finished
from objabn.training.finished import keep_run, take_run
from objabn.training.launcher import Place
from objabn.training.parallel import join_processes
from objabn.training.processes import run_in_processes

_POLL_SEC = 1.0


class Making(NamedTuple):
    """What makes a run, and where the run stands.

    Attributes:
        params: of the data set, as they are for this row.
        key: computes the key of the training (`run_key`); it may ask CUDA.
        train: trains in this process (`train_and_save`). It takes the keywords `run_dir` and `checkpoint`, is
            picklable, and returns the times.
        run_dir: the run's directory.
        timing: the file of the times.
        lock: the directory to hold while the run is made.
        is_part: whether it is one of several networks of a run (`folds`): whoever makes these leases GPUs for all, and
            a finished one is kept in the side cache until all are.
    """

    params: Dataset
    key: Callable[[], str]
    train: Callable[..., dict[str, Any]]
    run_dir: Path
    timing: Path
    lock: Path
    is_part: bool = False

    def take_kept(self, key: str) -> bool:
        """Put the finished run that the side cache keeps in its place.

        Returns False if there is none.
        """
        times = take_run(Cache(), self.kept_key(key), self.run_dir)
        if times is None:
            return False
        self.write_timing(times, key)
        where = "" if self.is_part else ", under a launcher"
        print(f"{self.run_dir}: trained before{where}; found in the side cache")
        return True

    def kept_key(self, key: str) -> str:
        """Return the key under which the run is kept.

        A control may train as a row does, but its record has its own name.
        """
        return unit_key(training=key, run=self.run_dir.as_posix())

    def write_timing(self, times: dict[str, Any], key: str) -> None:
        """Write the times of the training, and its key."""
        write_text(self.timing, json.dumps({**times, "key": key}, indent=2) + "\n")


def make_run(making: Making, place: Place | None) -> str:
    """Make a run, and return the key of its training.

    Args:
        place: of this process among those that a launcher has started; None where there is no launcher.

    Raises:
        ValueError: the training cannot go on, or takes several machines and a launcher.
    """
    return _make_with_others(making, place) if place else _make_alone(making)


def _make_alone(making: Making) -> str:
    train = making.params.train
    # Several machines train elsewhere. Nothing asks CUDA before the lease.
    leases = train.nodes == 1 and not making.is_part
    lease = leased_gpus(train.devices, train.accelerator) if leases else nullcontext()
    with one_at_a_time(making.lock) as waited, lease:
        key = making.key()
        if waited and is_finished(making.run_dir, making.timing, key):
            print(f"{making.run_dir}: finished by the process that this one waited for")
            return key
        if making.take_kept(key):
            return key
        if train.nodes > 1:
            raise ValueError(_how_to_start(train.devices, train.nodes))
        checkpoint = Checkpoint(Cache(), key, making.params.machine.checkpoint_minutes)
        with replace_dir(making.run_dir) as directory:
            function = partial(making.train, run_dir=directory, checkpoint=checkpoint)
            times = run_in_processes(train.devices, function) if train.devices > 1 else function()
            if making.is_part:
                keep_run(Cache(), making.kept_key(key), directory, times)
        making.write_timing(times, key)
        checkpoint.remove()
    return key


def _how_to_start(devices: int, nodes: int) -> str:
    torchrun = f"torchrun --nnodes {nodes} --nproc-per-node {devices} --rdzv-backend c10d --rdzv-endpoint FIRST:29500"
    command = f"{torchrun} -m stages.train {shlex.join(sys.argv[1:])}"
    return f"train.nodes: expected this on each of {nodes} machines first (docs/scaling.md): {command}; got no such run"


def _make_with_others(making: Making, place: Place) -> str:
    train, is_first = making.params.train, place.rank == 0
    if check_on_cpu(train) and train.threads is None:
        why = "it determines the bits, and torchrun sets OMP_NUM_THREADS"
        raise ValueError(f"train.threads: expected a number on the CPU under a launcher ({why}), got null")
    join_processes(making.params)
    with _lock_of_the_first(making.lock, is_first):
        key = making.key()
        if not collectives.first(is_first and making.take_kept(key)):
            checkpoint = Checkpoint(Cache(), key, making.params.machine.checkpoint_minutes)
            with replace_dir(making.run_dir) if is_first else nullcontext(making.run_dir) as directory:
                times = making.train(run_dir=directory, checkpoint=checkpoint)
                if is_first:
                    keep_run(Cache(), making.kept_key(key), directory, times)
            if is_first:
                making.write_timing(times, key)
                checkpoint.remove()
        dist.barrier()  # no process leaves while another still reads from it
        dist.destroy_process_group()
    return key


@contextmanager
def _lock_of_the_first(directory: Path, is_first: bool) -> Iterator[None]:
    """Let the first process hold the lock of a directory; the others wait until it does.

    Meanwhile the processes exchange a value each second: a process group takes a long silence for a fault.
    """
    descriptor, has_printed = None, False
    while True:
        if is_first:
            descriptor = try_lock(directory)
        if collectives.first(descriptor is not None):
            break
        if is_first and not has_printed:
            print(f"{directory}: another process is at work here; waiting for it to end", flush=True)
            has_printed = True
        time.sleep(_POLL_SEC)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
