"""Run DVC in processes of its own, one beside another, that can all be ended."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from objabn.cli.stages import Stage

_QUIET_SEC = 300.0  # a stage that has printed nothing for so long may print a line of its progress bar
_GRACE_SEC = 15.0  # for a process to end after a signal, before the next one
_LAST_LINES = 15  # of a stage, for the case that it fails
_BAR = re.compile(r"\d+%\|")
# Lines of DVC that say nothing here. What it takes from its cache, and what is wrong, it may say.
_NOISE = re.compile(
    r"Running stage '|> python -m stages\.|Updating lock file|Use `dvc push`|To track the changes|\tgit add |"
    r"To enable auto staging|\tdvc config core\.autostage|Waiting to acquire lock|Stage '\S+' didn't change|"
    r"Data and pipelines are up to date|\s*$"
)


class Ending(NamedTuple):
    """How a stage has ended: the exit status of DVC, and the last lines."""

    status: int
    lines: list[str]


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does; what is ignored, as after nohup, stays so."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in handlers.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def environment() -> dict[str, str]:
    """Make the variables of a DVC process whose stages' `python` is this one."""
    return {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}


class Dvc:
    """Runs DVC. Each process leads a group of its own, so that `end` reaches all that it has started."""

    def __init__(self) -> None:
        self._environment = environment()
        self._running: set[subprocess.Popen] = set()
        self._lock, self._printing, self._has_ended = Lock(), Lock(), False

    def repro(self, *targets: str) -> int:
        """Run `dvc repro`, whose output goes where this process's goes; the exit status."""
        with self._start("repro", *targets) as process:
            return process.wait()

    def changed(self, targets: Sequence[str]) -> set[str]:
        """Name the stages that are missing or stale, by their own dependencies."""
        with self._start("status", "--json", *targets, stdout=subprocess.PIPE) as process:
            printed, _ = process.communicate()
        if process.returncode:
            raise ValueError(f"dvc status {' '.join(targets)}: expected exit status 0, got {process.returncode}")
        return set(json.loads(printed))

    def repro_beside_others(self, stage: Stage) -> Ending:
        """Run one stage, and print its lines with its label."""
        pipe: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        last, printed_at = deque[str](maxlen=_LAST_LINES), time.monotonic()
        with self._start("repro", "-s", stage.name, **pipe) as process:
            assert process.stdout
            for line in process.stdout:
                line, now = line.rstrip(), time.monotonic()
                is_bar = _BAR.search(line) is not None
                if self._has_ended or _NOISE.match(line) or (is_bar and now - printed_at < _QUIET_SEC):
                    continue
                printed_at = now
                if not is_bar:
                    last.append(line)
                with self._printing:
                    print(f"[{stage.label}] {line}", flush=True)
            return Ending(process.wait(), list(last))

    @contextmanager
    def _start(self, *arguments: str, **pipes: Any) -> Iterator[subprocess.Popen]:
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]
        with self._lock:
            if self._has_ended:
                raise KeyboardInterrupt
            process = subprocess.Popen(
                command, env=self._environment, start_new_session=True, text=True, errors="replace", **pipes
            )
            self._running.add(process)
        try:
            yield process
        finally:
            if process.poll() is not None:
                self._running.discard(process)

    def end(self) -> None:
        """End all processes that still run, and let no other one start.

        As Ctrl-C does it, so that DVC puts its locks away; whoever does not listen is ended less gently. Ctrl-C
        meanwhile goes on to the next signal.
        """
        with self._lock:
            self._has_ended = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            running = [process for process in list(self._running) if process.poll() is None]
            for process in running:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            until = time.monotonic() + _GRACE_SEC
            with suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
                for process in running:
                    process.wait(max(until - time.monotonic(), 0.1))
