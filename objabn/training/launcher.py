"""Take part in a training whose processes torchrun or srun has started, on one machine or more.

The launcher starts the same command once for each process. Its variables tell a process who it is: RANK, LOCAL_RANK
and WORLD_SIZE of torchrun, SLURM_PROCID, SLURM_LOCALID and SLURM_STEP_NUM_TASKS of srun, and MASTER_ADDR and
MASTER_PORT where the first process is. Other variables of SLURM tell nothing: a process that runs alone in an
allocation has them, too.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from objabn.progress import leave_bar
from objabn.training.failures import GOES_ON, LossError, failure_of

_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE")  # as torch and Lightning read them
_SLURM = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS")
_OWN_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"  # of torchrun: a new store for each start of the processes
_POLL_SEC = 1.0
_END_SEC = 10.0  # from when a process has said why it ends until it has ended
_BY_SIGNAL = (signal.SIGTERM, signal.SIGINT)


class Place(NamedTuple):
    """The number of a process among the processes of its training, from 0, and how many they are."""

    rank: int
    size: int

    @property
    def name(self) -> str:
        """Name the process in messages, as in `process 1 of 2`."""
        return f"process {self.rank + 1} of {self.size}"


def find_place(devices: int, nodes: int) -> Place | None:
    """Return this process's place among those that a launcher has started.

    Returns None where there is no launcher. Puts srun's numbers where torch reads them. Does not load torch.

    Args:
        devices: `train.devices`, processes on a machine.
        nodes: `train.nodes`, machines.

    Raises:
        ValueError: the launcher has started another number of processes than `devices` times `nodes`; or would start
            them again with the store of those before; or a variable is not there or makes no sense.
    """
    variables, names = os.environ, _RANKS
    if not {"RANK", "WORLD_SIZE"} <= variables.keys():
        names = _SLURM
        if "SLURM_PROCID" not in variables or variables.get("SLURM_STEP_NUM_TASKS", "1") == "1":
            return None
    expected, (rank, local_rank, size) = devices * nodes, names
    got = variables[size]
    if got == "1" == str(expected):
        return None
    if got != str(expected):
        product = f"{expected}, train.devices {devices} x train.nodes {nodes}"
        raise ValueError(f"{size}: expected {product}, as the number of processes that were started, got {got}")
    if (
        variables.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        and variables.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0"
    ):
        why = "else the processes that torchrun starts again look for those that have ended"
        asked = f"expected 1, and --rdzv-backend c10d, for torchrun --max-restarts ({why})"
        raise ValueError(f"{_OWN_STORE}: {asked}, got {variables.get(_OWN_STORE) or 'nothing'}")
    if devices == 1:
        variables.setdefault(local_rank, "0")  # some launchers start one process a machine, and say no more
    place = Place(_number(rank, variables, 0, expected - 1), expected)
    variables.update(RANK=str(place.rank), WORLD_SIZE=str(expected))
    variables["LOCAL_RANK"] = str(_number(local_rank, variables, 0, devices - 1))
    if not variables.get("MASTER_ADDR"):
        raise ValueError("MASTER_ADDR: expected the first process's machine in the environment, got nothing")
    _number("MASTER_PORT", variables, 1, 2**16 - 1)
    return place


def _number(name: str, variables: Mapping[str, str], least: int, most: int) -> int:
    value = variables.get(name)
    if value is None or not value.isdecimal() or not least <= int(value) <= most:
        raise ValueError(f"{name}: expected {least} to {most} in the environment, got {value or 'nothing'}")
    return int(value)


@contextmanager
def beside_others(place: Place, stage: str) -> Iterator[None]:
    """Let this process end as one of several that a launcher has started.

    Only the first process prints to stdout. A process that has lost another one says so in one line, as does a process
    that its launcher ends because of that. A process ends within seconds when its launcher has gone without a word.

    Args:
        stage: begins the lines that this function prints itself.

    Raises:
        ValueError: this process has lost another one.
    """
    ending = threading.Lock()  # held by the one that says the line
    _watch(place, stage, ending)
    if place.rank:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (to the end of the process)
    try:
        yield
    except BaseException as error:
        ending.acquire()
        failure = failure_of(error, place.name)
        leave_bar()
        if isinstance(failure.error, LossError):
            raise failure.error from None
        raise


def _watch(place: Place, stage: str, ending: threading.Lock) -> None:
    """Start a thread that ends this process after a signal, or when its launcher has gone.

    Python handles signals in the main thread, which may wait for a lost process for minutes in code of NCCL. The pipe
    tells a thread of the signal at once.
    """
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    for number in _BY_SIGNAL:
        signal.signal(number, lambda *_: None)
    os.register_at_fork(after_in_child=_forget_signals)
    launcher = os.getppid()

    def wait() -> None:
        why = ""
        while not why:
            readable, _, _ = select.select([receiver], [], [], _POLL_SEC)
            received = {*os.read(receiver, 64)} if readable else set()
            if os.getppid() != launcher:
                why = "its launcher has gone"
            elif numbers := [number for number in _BY_SIGNAL if number in received]:
                why = f"its launcher has ended it ({numbers[0].name}), as after the loss of another process"
        if ending.acquire(timeout=_END_SEC):
            with suppress(OSError):
                leave_bar()
                print(f"{stage}: {place.name}: {why}; {GOES_ON}", file=sys.stderr, flush=True)
        os._exit(2)  # also where the process has said why it ends, and does not

    threading.Thread(target=wait, daemon=True).start()


def _forget_signals() -> None:
    """Give a forked process, such as one of a loader, the signals' usual effects."""
    with suppress(ValueError):  # forked by another thread than the main one
        signal.set_wakeup_fd(-1)
        for number in _BY_SIGNAL:
            signal.signal(number, signal.SIG_DFL)
