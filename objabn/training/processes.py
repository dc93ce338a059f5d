"""Start one training as several processes of this machine, and report in one line why they ended.

The stage spawns and watches the processes: one process a GPU, or as many as asked for on the CPU. Torch's elastic agent
would do that as well, but wraps each fault in a report of its own, and lets a killed agent's processes live. The
processes find each other through a store. The store belongs to the stage, so that nobody else can take its port
meanwhile.

A process ends at once when its stage was killed: a thread of the process waits for the end of the pipe to the stage.
Linux's PR_SET_PDEATHSIG works on Linux only, and depends on the thread of the stage that started the process.
"""

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process, set_start_method
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch.distributed import TCPStore

from objabn.model.run import threads_of_each
from objabn.progress import leave_bar
from objabn.training.failures import GOES_ON, Failure, LossError, failure_of

_POLL_SEC = 0.2
_GRACE_SEC = 12.0  # after an unsure fault, to learn of another process's fault, its possible cause
_ADDRESS = "127.0.0.1"


def run_in_processes(number: int, function: Callable[..., Any], *args: Any) -> Any:
    """Run `function(*args)` in `number` processes, and return the first one's result.

    The function, the arguments and the result are picklable.

    Raises:
        ValueError, OSError: a process raised it; or (ValueError) a process was killed.
        RuntimeError: a process raised anything else; the message holds the traceback.
    """
    store = TCPStore(_ADDRESS, 0, is_master=True, wait_for_workers=False)
    spawn = get_context("spawn")
    workers: list[tuple[BaseProcess, Connection]] = []
    try:
        for rank in range(number):
            receiver, sender = spawn.Pipe(duplex=False)
            environment = {
                "MASTER_ADDR": _ADDRESS,
                "MASTER_PORT": str(store.port),
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(number),
                "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is there already
            }
            work = (sender, environment, rank, number, function, args)
            process = spawn.Process(target=_work, args=work, name=f"process {rank + 1} of {number}")
            process.start()
            sender.close()
            workers.append((process, receiver))
        result = _watch(workers)
    except BaseException:
        _end(workers)
        leave_bar()
        raise
    _end(workers)
    return result


def _end(workers: Sequence[tuple[BaseProcess, Connection]]) -> None:
    for worker, _ in workers:
        worker.kill()
    for worker, _ in workers:
        worker.join()


def _watch(workers: Sequence[tuple[BaseProcess, Connection]]) -> Any:
    """Return the first process's result when all have ended well; else raise the first fault.

    A fault that may follow from another one is raised only if no other fault becomes known in _GRACE_SEC.
    """
    results: dict[int, Any] = {}
    failures: dict[int, Failure] = {}
    deadline = math.inf
    while len(results) < len(workers):
        left = [at for at in range(len(workers)) if at not in results and at not in failures]
        connection.wait([workers[at][1] for at in left], timeout=_POLL_SEC)
        for at in left:
            ending = _ending(*workers[at])
            if isinstance(ending, Failure):
                failures[at] = ending
            elif ending is not None:
                results[at] = ending[0]
        if sure := [failure.error for failure in failures.values() if failure.surely]:
            raise sure[0]
        if failures:
            deadline = min(deadline, time.monotonic() + _GRACE_SEC)
            all_ended = len(failures) + len(results) == len(workers)
            if all_ended or time.monotonic() >= deadline:
                reasons = [failure for failure in failures.values() if not isinstance(failure.error, LossError)]
                raise [*reasons, *failures.values()][0].error
    for process, _ in workers:
        process.join(_GRACE_SEC)
    return results[0]


def _ending(process: BaseProcess, pipe: Connection) -> tuple[Any] | Failure | None:
    """Return how a process has ended: its result in a tuple, or a failure; None while the process runs.

    The end of the pipe would not tell, since the processes of the process's loader hold the pipe, too.
    """
    code = process.exitcode
    if pipe.poll():
        with suppress(EOFError):
            return pipe.recv()
        process.join(_GRACE_SEC)
        code = process.exitcode
    if code is None:
        return None
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
    # SIGABRT is not sure: torch's watchdog of NCCL aborts a process that has lost another one.
    return Failure(ValueError(f"{process.name} {how}; {GOES_ON}"), code != -signal.SIGABRT)


def _work(
    pipe: Connection,
    environment: dict[str, str],
    rank: int,
    number: int,
    function: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    """Run the function in a new process, and send how it ended."""
    threading.Thread(target=_end_with_the_stage, daemon=True).start()
    set_start_method(None, force=True)  # the loader's processes start by the default method, not as this one did
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the stage as well, and the stage ends this process
    os.environ.update(environment)
    torch.set_num_threads(threads_of_each(number))  # else each process takes all cores
    if rank:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (to the end of the process)
    try:
        result = function(*args)
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # no process leaves while another still reads from it
            torch.distributed.destroy_process_group()
        pipe.send((result,))
    except BaseException as error:
        pipe.send(failure_of(error, f"process {rank + 1} of {number}"))


def _end_with_the_stage() -> None:
    stage = parent_process()
    assert stage is not None
    stage.join()
    os._exit(1)
