"""A checkout of its own, in which stages run on data that is made here."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import yaml

from benchmarks.gpu.work import ROOT
from objabn.config.file import load_params, read_yaml


class Stage:
    """A stage in a process of its own, whose lines are read while it runs."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], variables: Mapping[str, str]) -> None:
        own = {**os.environ, **variables, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        own |= {"OBJABN_CACHE": str(folder / "side"), "OBJABN_CHECK": "off"}
        self.name = " ".join(arguments)
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=folder,
            env=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._read: Queue[str | None] = Queue()
        Thread(target=self._pass_on, daemon=True).start()

    def _pass_on(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._read.put(line.rstrip())
        self._read.put(None)

    def wait_for(self, text: str, seconds: float) -> str:
        """Return the first line, not seen before, that holds a text.

        Raises:
            ValueError: the stage ended, or the time is over, before there was such a line.
        """
        line = self._next(time.monotonic() + seconds)
        deadline = time.monotonic() + seconds
        while line is not None and text not in line:
            line = self._next(deadline)
        if line is None:
            expected = f"{self.name}: expected a line with {text!r} in {seconds:.0f} s"
            raise ValueError(f"{expected}, got {self.end_of_output()}")
        return line

    def end(self, seconds: float) -> list[str]:
        """Wait until the stage has ended well, and return all that it printed.

        Raises:
            ValueError: it did not.
        """
        deadline = time.monotonic() + seconds
        while self._next(deadline) is not None:
            pass
        code = self.process.wait(max(deadline - time.monotonic(), 1))
        if code:
            raise ValueError(f"{self.name}: exit status {code}: {self.end_of_output()}")
        return self.lines

    def kill(self) -> None:
        """End the stage at once, as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def end_of_output(self) -> str:
        return " | ".join(self.lines[-3:]) or "no output"

    def _next(self, deadline: float) -> str | None:
        """Return the next line; None at the end of the output, or of the time."""
        try:
            line = self._read.get(timeout=max(deadline - time.monotonic(), 0.01))
        except Empty:
            return None
        if line is not None:
            self.lines.append(line)
        return line


class Checkout:
    """A folder with params.yaml, where stages of one data set run.

    Args:
        changes: as in `train.epochs=2`, of the data set's block.
    """

    def __init__(self, folder: Path, dataset: str = "synthetic", changes: tuple[str, ...] = ()) -> None:
        self.folder, self.dataset = folder, dataset
        (folder / "objabn").symlink_to(ROOT / "objabn")  # params.yaml names weights in it
        self.write_params(*changes)

    def write_params(self, *changes: str) -> None:
        """Write params.yaml with one seed and some changes."""
        values = read_yaml((ROOT / "params.yaml").read_text())
        values["table"]["seeds"] = [0]
        for change in changes:
            key, _, value = change.partition("=")
            block, name = key.split(".")
            values["datasets"][self.dataset][block][name] = yaml.safe_load(value)
        (self.folder / "params.yaml").write_text(yaml.safe_dump(values))
        load_params(self.folder / "params.yaml")  # raises ValueError for a key or value that is none

    def start(self, stage: str, *arguments: str, **variables: str) -> Stage:
        """Start a stage."""
        return Stage(self.folder, (f"stages.{stage}", self.dataset, *arguments), variables)

    def train(self, seed: int, **variables: Any) -> Stage:
        """Start a training of the row `mask` without PC."""
        return self.start("train", "--attention", "mask", "--pc", "false", "--seed", str(seed), **variables)
