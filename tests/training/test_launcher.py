"""A process that torchrun or srun has started: who it is, and how it ends. Without torch, but for a lost connection."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from objabn.training import launcher
from objabn.training.launcher import GOES_ON, Place, find_place
from tests.helpers.clones import hear_ctrl_c

ROOT = Path(__file__).parents[2]
MASTER = {"MASTER_ADDR": "first", "MASTER_PORT": "29500"}
TORCHRUN = {**MASTER, "RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "GROUP_RANK": "1"}
# What a process has that stands alone in an allocation of eight tasks, as in an interactive job.
ALLOCATION = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
SRUN = {**MASTER, **ALLOCATION, "SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_TASKS": "8"}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch):
    """Sets the environment of a launcher, and nothing of another one."""
    for name in [name for name in os.environ if name.startswith("SLURM_")] + [*TORCHRUN]:
        monkeypatch.delenv(name, raising=False)

    def set_variables(variables: dict[str, str], *without: str) -> None:
        for name in variables.keys() - set(without):
            monkeypatch.setenv(name, variables[name])

    return set_variables


@pytest.mark.parametrize("variables", [TORCHRUN, SRUN, {**SRUN, "WORLD_SIZE": "8"}], ids=["torchrun", "srun", "both"])
def test_a_launcher_says_which_process_this_is(given, variables: dict[str, str]) -> None:
    """Afterwards the variables are there that torch reads; `sbatch` scripts tend to set WORLD_SIZE for all."""
    given(variables)
    assert find_place(4, 2) == Place(5, 8)
    assert [os.environ[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")] == ["5", "1", "8"]


def test_a_launcher_starts_again_with_a_new_store(given) -> None:
    """torch's shared one keeps where the processes before have listened: those after would look for them there."""
    given({**TORCHRUN, "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_MAX_RESTARTS": "0"})
    assert find_place(4, 2) == Place(5, 8)
    given({"TORCHELASTIC_MAX_RESTARTS": "3"})
    for value in ("nothing", "true"):
        line = rf"^{launcher._OWN_STORE}: expected 1, and --rdzv-backend c10d, for torchrun .*, got {value}$"
        with pytest.raises(ValueError, match=line):
            find_place(4, 2)
        given({launcher._OWN_STORE: "true"})
    given({"TORCHELASTIC_USE_AGENT_STORE": "False"})  # as torchrun says with that variable
    assert find_place(4, 2) == Place(5, 8)


def test_a_launcher_may_start_one_process_a_machine(given) -> None:
    given(TORCHRUN, "LOCAL_RANK")
    assert find_place(1, 8) == Place(5, 8)
    assert os.environ["LOCAL_RANK"] == "0"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        ALLOCATION,
        {**ALLOCATION, "SLURM_STEP_NUM_TASKS": "1"},
        {"WORLD_SIZE": "8"},
        {**TORCHRUN, "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"},
    ],
    ids=["nothing", "alone in an allocation", "a step of one task", "no rank", "one process"],
)
def test_a_process_may_be_alone(given, variables: dict[str, str]) -> None:
    given(variables)
    assert find_place(1, 1) is None


@pytest.mark.parametrize(
    ("variables", "devices", "nodes", "message"),
    [
        (TORCHRUN, 1, 1, "WORLD_SIZE: expected 1, train.devices 1 x train.nodes 1, as the number of processes that"),
        (TORCHRUN, 8, 2, "WORLD_SIZE: expected 16, train.devices 8 x train.nodes 2, as the number of processes that"),
        (SRUN, 1, 1, "SLURM_STEP_NUM_TASKS: expected 1, train.devices 1 x train.nodes 1, as the number of processes"),
        ({**TORCHRUN, "WORLD_SIZE": "1"}, 2, 1, "WORLD_SIZE: expected 2, train.devices 2 x train.nodes 1, as the"),
        ({**TORCHRUN, "RANK": "8"}, 4, 2, "RANK: expected 0 to 7 in the environment, got 8"),
        ({**TORCHRUN, "LOCAL_RANK": "4"}, 4, 2, "LOCAL_RANK: expected 0 to 3 in the environment, got 4"),
        ({**TORCHRUN, "LOCAL_RANK": ""}, 4, 2, "LOCAL_RANK: expected 0 to 3 in the environment, got nothing"),
        ({**SRUN, "SLURM_LOCALID": "x"}, 4, 2, "SLURM_LOCALID: expected 0 to 3 in the environment, got x"),
        ({**SRUN, "MASTER_ADDR": ""}, 4, 2, "MASTER_ADDR: expected the first process's machine in the environment"),
        ({**SRUN, "MASTER_PORT": "0"}, 4, 2, "MASTER_PORT: expected 1 to 65535 in the environment, got 0"),
    ],
)
def test_what_does_not_fit_is_one_line(given, variables: dict, devices: int, nodes: int, message: str) -> None:
    given(variables)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as error:
        find_place(devices, nodes)
    assert "\n" not in str(error.value)


PROCESS = """
import os, sys, time
from objabn.training.launcher import Place, beside_others

with beside_others(Place(1, 2), "train"):
    if os.fork() == 0:
        print(os.getpid(), file=sys.stderr, flush=True)
        time.sleep(60)
    print("not the first one's")
    time.sleep(60)
"""
# Starts the process, says which one it is, and waits.
LAUNCHER = "import subprocess, sys, time; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); time.sleep(60)"


def start(command: list[str]) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, preexec_fn=hear_ctrl_c, **pipes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_its_launcher_ends_says_so(number: signal.Signals) -> None:
    """In one line. A process that it has forked, say a loader's, is ended by a signal as usual."""
    process = start([sys.executable, "-c", PROCESS])
    assert process.stderr is not None
    child = int(process.stderr.readline())
    os.kill(child, number)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    why = f"its launcher has ended it ({number.name}), as after the loss of another process"
    assert err == f"train: process 2 of 2: {why}; {GOES_ON}\n"
    assert (process.returncode, out) == (2, "")


def test_a_process_ends_with_its_launcher() -> None:
    launcher = start([sys.executable, "-c", LAUNCHER, sys.executable, "-c", PROCESS])
    assert launcher.stdout is not None
    assert launcher.stderr is not None
    pid, child = int(launcher.stdout.readline()), int(launcher.stderr.readline())
    launcher.kill()
    os.kill(child, signal.SIGKILL)  # it holds the pipe
    began = time.monotonic()
    _, err = launcher.communicate(timeout=20)  # to the end of the process, which has the pipe
    assert err == f"train: process 2 of 2: its launcher has gone; {GOES_ON}\n"
    assert time.monotonic() - began < 10
    assert pid != launcher.pid


BROKEN = """
from torch.distributed import DistNetworkError
from objabn.training.launcher import Place, beside_others

for each in (DistNetworkError("Connection reset"), ValueError("mha not finite"), RuntimeError("shape")):
    try:
        with beside_others(Place(0, 2), "train"):
            raise each
    except BaseException as error:
        print(type(error).__name__, error)
"""


def test_only_the_loss_of_a_process_is_told_in_other_words() -> None:
    process = start([sys.executable, "-c", BROKEN])
    assert process.communicate(timeout=60)[0].splitlines() == [
        f"LossError process 1 of 2 has lost another one (Connection reset); {GOES_ON}",
        "ValueError mha not finite",
        "RuntimeError shape",
    ]
