"""Loops that run in processes of their own and take turns, and neighbours that keep the cores busy meanwhile."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

_SPIN = "while True: pass"


class Served:
    """A process that runs its loop once for each line of its standard input, and answers with a line of JSON."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str | None]) -> None:
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
