"""Start one training as several processes, and report in one line why they ended.

The processes run on one machine or more. The stage of each machine spawns the machine's processes and watches them: one
process a GPU, or as many as asked for on the CPU. Torch's elastic agent would do that as well, but wraps each fault in
a report of its own, and lets a killed agent's processes live. The processes find each other through a store. The store
belongs to the stage of the first machine, so that nobody else can take its port meanwhile. Through the store the stages
also tell each other of faults (`nodes`).

A process ends at once when its stage was killed: a thread of the process waits for the end of the pipe to the stage.
Linux's PR_SET_PDEATHSIG works on Linux only, and depends on the thread of the stage that started the process.
"""

import math
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from multiprocessing import connection, get_context, parent_process, set_start_method
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch.distributed import TCPStore

from objabn.model.run import threads_of_each
from objabn.training.nodes import CONNECT_SEC, GOES_ON, POLL_SEC, Failure, OtherNodes, is_of_another_run

# Time after an unsure fault to learn of another process's fault, its possible cause; longer than GONE_SEC.
_GRACE_SEC = 12.0
_NODE_RANK = "NODE_RANK (or SLURM_NODEID)"


class Processes:
    """Run a function in `devices` processes on each of `nodes` machines.

    Raises:
        ValueError: with several machines, when the environment does not say which machine this is and where the first
            machine is.
    """

    def __init__(self, devices: int, nodes: int) -> None:
        self._devices, self._nodes = devices, nodes
        self.node, self._address, self._port = 0, "127.0.0.1", 0
        if nodes > 1:
            variables = os.environ
            self._address = variables.get("MASTER_ADDR", "")
            if not self._address:
                raise ValueError(f"train.nodes: expected MASTER_ADDR, the first of {nodes} nodes, in the environment")
            rank = variables.get("NODE_RANK", variables.get("SLURM_NODEID"))
            numbers = ("MASTER_PORT", variables.get("MASTER_PORT"), 1, 2**16 - 1), (_NODE_RANK, rank, 0, nodes - 1)
            for name, value, least, most in numbers:
                if value is None or not value.isdecimal() or not least <= int(value) <= most:
                    where = f"in the environment for train.nodes {nodes}"
                    raise ValueError(f"{name}: expected {least} to {most} {where}, got {value}")
            self._port, self.node = int(variables["MASTER_PORT"]), int(rank or 0)

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run `function(*args)` in all processes, and return the first one's result.

        Returns None on the other machines. The function, the arguments and the result are picklable.

        Raises:
            ValueError, OSError: a process raised it; or (ValueError) a process was killed, or another machine gave up,
                has gone or never came.
            RuntimeError: a process raised anything else; the message holds the traceback.
        """
        store, size = self._store(), self._devices * self._nodes
        others = OtherNodes(store, self.node, self._nodes) if self._nodes > 1 else None
        spawn = get_context("spawn")
        workers: list[tuple[BaseProcess, Connection]] = []
        try:
            if others:
                others.meet()
            for local in range(self._devices):
                receiver, sender = spawn.Pipe(duplex=False)
                number = self.node * self._devices + local
                environment = {
                    "MASTER_ADDR": self._address,
                    "MASTER_PORT": str(store.port),
                    "NODE_RANK": str(self.node),
                    "LOCAL_RANK": str(local),
                    "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is there already
                }
                work = (sender, environment, number, size, self._devices, function, args)
                process = spawn.Process(target=_work, args=work, name=f"process {number + 1} of {size}")
                process.start()
                sender.close()
                workers.append((process, receiver))
            return self._watch(workers, others)
        except BaseException as error:
            if others:
                others.tell(error)
            raise
        finally:
            if others:
                others.left.set()
            for worker, _ in workers:
                worker.kill()
            for worker, _ in workers:
                worker.join()

    def _store(self) -> TCPStore:
        where = f"{self._address}:{self._port}"
        if self.node == 0:
            try:
                return TCPStore(self._address, self._port, is_master=True, wait_for_workers=False)
            except RuntimeError:
                raise ValueError(f"MASTER_ADDR, MASTER_PORT: expected a free port of this node, got {where}") from None
        print(f"node {self.node + 1} of {self._nodes}: waiting for the first one at {where}", flush=True)
        deadline = time.monotonic() + CONNECT_SEC
        while time.monotonic() < deadline:
            with suppress(OSError, RuntimeError):
                socket.create_connection((self._address, self._port), timeout=_GRACE_SEC).close()
                store = TCPStore(self._address, self._port, is_master=False, timeout=timedelta(seconds=_GRACE_SEC))
                if not is_of_another_run(store, self.node, self._nodes):
                    return store
            time.sleep(1)
        raise ValueError(f"MASTER_ADDR, MASTER_PORT: expected the first node at {where}, nobody answered there")

    def _watch(self, workers: Sequence[tuple[BaseProcess, Connection]], others: OtherNodes | None) -> Any:
        """Return the first process's result when all have ended well; else raise the first fault.

        A fault that may follow from another one is raised only if no other fault becomes known in _GRACE_SEC.
        """
        results: dict[int, Any] = {}
        failures: dict[int, Failure] = {}
        deadline = math.inf
        while len(results) < len(workers):
            left = [at for at in range(len(workers)) if at not in results and at not in failures]
            connection.wait([workers[at][1] for at in left], timeout=POLL_SEC)
            for at in left:
                ending = _ending(*workers[at])
                if isinstance(ending, Failure):
                    failures[at] = ending
                elif ending is not None:
                    results[at] = ending[0]
            if others and len(results) < len(workers) and -1 not in failures and (elsewhere := others.fault()):
                failures[-1] = elsewhere
            if sure := [failure.error for failure in failures.values() if failure.surely]:
                raise sure[0]
            if failures:
                deadline = min(deadline, time.monotonic() + _GRACE_SEC)
                all_ended = self._nodes == 1 and len(failures) + len(results) == len(workers)
                if all_ended or time.monotonic() >= deadline:
                    reasons = [failure for failure in failures.values() if not isinstance(failure.error, _LossError)]
                    raise (failures.get(-1) or [*reasons, *failures.values()][0]).error
        if others:
            others.ended()
        for process, _ in workers:
            process.join(_GRACE_SEC)
        return results[0] if self.node == 0 else None


class _LossError(ValueError):
    """A process no longer reaches the others; the cause is another process's fault."""


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


def _failure(error: BaseException, name: str) -> Failure:
    """Turn the error that a process has met into the failure that it sends.

    The error is made anew, since not every error survives the pipe.
    """
    if isinstance(error, OSError):
        whole = error.errno is not None
        return Failure(OSError(error.errno, error.strerror, error.filename) if whole else ValueError(str(error)), True)
    if isinstance(error, ValueError):
        return Failure(ValueError(str(error)), True)
    # Gloo's errors are plain RuntimeErrors that begin with the place in Gloo's code.
    gloo = isinstance(error, RuntimeError) and "/gloo/" in str(error)
    if gloo or isinstance(error, torch.distributed.DistError):
        last = (str(error).strip() or type(error).__name__).splitlines()[-1]
        return Failure(_LossError(f"{name} has lost another one ({last}); {GOES_ON}"), False)
    return Failure(RuntimeError(f"{name}:\n{''.join(traceback.format_exception(error))}"), True)


def _work(
    pipe: Connection,
    environment: dict[str, str],
    number: int,
    size: int,
    devices: int,
    function: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    """Run the function in a new process, and send how it ended."""
    threading.Thread(target=_end_with_the_stage, daemon=True).start()
    set_start_method(None, force=True)  # the loader's processes start by the default method, not as this one did
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the stage as well, and the stage ends this process
    os.environ.update(environment)
    torch.set_num_threads(threads_of_each(devices))  # else each process takes all cores
    if number:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (to the end of the process)
    try:
        result = function(*args)
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # no process leaves while another still reads from it
            torch.distributed.destroy_process_group()
        pipe.send((result,))
    except BaseException as error:
        pipe.send(_failure(error, f"process {number + 1} of {size}"))


def _end_with_the_stage() -> None:
    stage = parent_process()
    assert stage is not None
    stage.join()
    os._exit(1)
