"""Loops in processes of their own that take turns, how their threads wait, and neighbours that keep the cores busy."""

import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
Environment = Mapping[str, str | None]  # None: the variable is not set
# How threads of libgomp wait: asleep, after so many looks whether there is work, or as it does by default.
POLICIES: dict[str, Environment] = {
    "passive": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": None},
    "1,000 spins": {"OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": "1000"},
    "10,000 spins": {"OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": "10000"},
    "default": {"OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": None},
}
_SPIN = "while True: pass"


class Key(NamedTuple):
    """What was measured: threads (None: as many as the profile has), how they wait, and busy loops beside it."""

    threads: int | None
    policy: str
    busy: int


class Served:
    """A process that runs its loop once for each line of its standard input, and answers with a line of JSON."""

    def __init__(self, name: str, command: Sequence[str], environment: Environment) -> None:
        merged = {**os.environ, **environment}
        variables = {key: value for key, value in merged.items() if value is not None}
        self._name = name
        self._process = subprocess.Popen(
            command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self) -> dict[str, Any]:
        """Have the loop run once; what the process says of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self._name}: its process ended")
        return json.loads(line)

    def end(self) -> None:
        self._process.communicate()


@contextmanager
def neighbours(number: int) -> Iterator[list[subprocess.Popen]]:
    """Have processes beside this one, each a busy loop of the lowest priority, that stand still until `awake`."""
    with ExitStack() as stack:
        started = []
        for _ in range(number):
            process = stack.enter_context(subprocess.Popen(["nice", "-n", "19", sys.executable, "-c", _SPIN]))
            stack.callback(process.kill)
            process.send_signal(signal.SIGSTOP)
            started.append(process)
        yield started


@contextmanager
def awake(processes: Sequence[subprocess.Popen]) -> Iterator[None]:
    """Let neighbours run inside the block."""
    for process in processes:
        process.send_signal(signal.SIGCONT)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGSTOP)


def measure_waiting(
    start: Callable[[int | None, Environment], Served],
    threads: Sequence[int | None],
    policies: Sequence[str],
    *,
    busy: int,
    repeats: int,
) -> dict[Key, float]:
    """Median seconds of a loop, by its threads, by how they wait, alone and beside busy loops, where there are any.

    All take turns; the first round warms up.
    """
    found: dict[Key, list[float]] = {}
    processes = {each: start(each[0], POLICIES[each[1]]) for each in itertools.product(threads, policies)}
    with neighbours(busy) as beside:
        for repeat, (number, policy), loops in itertools.product(range(repeats + 1), processes, sorted({0, busy})):
            with awake(beside if loops else []):
                seconds = processes[number, policy].run()["seconds"]
            if repeat:
                found.setdefault(Key(number, policy, loops), []).append(seconds)
    for process in processes.values():
        process.end()
    return {key: statistics.median(seconds) for key, seconds in found.items()}


def report_waiting(seconds: Mapping[Key, float], clips: int) -> None:
    """Print a line of text each, and a line of JSON: how many times as long as passive waiting, and as alone."""
    ratios: dict[str, dict[str, float]] = {}
    for key, took in seconds.items():
        of_threads = "" if key.threads is None else f", threads: {key.threads}"
        beside = f" beside {key.busy} busy loops" if key.busy else " alone"
        line = f"{key.policy + of_threads + beside:<48} {clips / took:>8.2f} clips/s"
        of_key = ratios.setdefault(key.policy + of_threads, {})
        if key.policy != "passive":
            of_key[f"over_passive{'_busy' if key.busy else ''}"] = ratio = (
                took / seconds[key._replace(policy="passive")]
            )
            line += f"  {ratio:>7.3f} x the time of passive"
        if key.busy:
            of_key["busy_over_alone"] = ratio = took / seconds[key._replace(busy=0)]
            line += f"  {ratio:>7.3f} x the time alone"
        print(line)
    rounded = {name: {what: round(ratio, 3) for what, ratio in each.items()} for name, each in ratios.items()}
    print(json.dumps({"busy_loops": max(key.busy for key in seconds), "ratios": rounded}))
