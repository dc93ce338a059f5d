"""Show a training's curves and maps to TensorBoard or W&B after each epoch (`machine.trackers`).

The log is beside all that DVC knows, and nothing of the training depends on it. A note in its directory says how many
epochs each tracker has. So a training that goes on writes each epoch once, and a tracker that joins later gets the
curves of the epochs before. A fault of a tracker costs a line, not the training.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from objabn.clips.dataset import ClipDataset
from objabn.model.network import ObjectABN
from objabn.model.run import Run
from objabn.system.files import read_json, write_text
from objabn.training.fixed_clips import FixedClips, undisturbed
from objabn.training.gradient_shares import PREFIX
from objabn.training.recorders import INSTALL, Recorder, missing_packages, open_recorder

NOTE = "epochs.json"  # epochs that each tracker has, and W&B's id of the training
_KEY_DIGITS = 8


def log_directory(log: Path, key: str) -> Path:
    """Name the directory of a training's log.

    It is below that of the run. Another training of the same run has another one.

    Args:
        key: `run_key`.
    """
    return log / key[:_KEY_DIGITS]


def grouped(row: Mapping[str, float]) -> dict[str, float]:
    """Give the values of a line of curves.csv names that trackers show in groups.

    >>> grouped({"epoch": 1, "loss": 3.0, "mask": 1.0, "train_top1": 50.0, "gradient_mask": 0.5, "lr_backbone": 0.1})
    {'loss/total': 3.0, 'loss/mask': 1.0, 'top1/train': 50.0, 'gradient/mask': 0.5, 'lr/backbone': 0.1}
    """
    names = {}
    for name, value in row.items():
        if name == "loss":
            names["loss/total"] = value
        elif name.endswith("_top1"):
            names[f"top1/{name.removesuffix('_top1')}"] = value
        elif name.startswith(PREFIX):
            names[f"gradient/{name.removeprefix(PREFIX)}"] = value
        elif name.startswith("lr_"):
            names[f"lr/{name.removeprefix('lr_')}"] = value
        elif name != "epoch":
            names[f"loss/{name}"] = value
    return names


class Trackers:
    """The trackers of a training in its first process; in the others, and without `directory`, none.

    Use it in a `with`. Logs are opened when the first epoch has ended: by then the loaders have forked their processes.

    Args:
        run: its `params.machine.trackers` are the trackers.
        clips: that the training is watched on.
        directory: of the log (`log_directory`).
        begun: epochs that are done already.
        rates: gives the learning rates at the end of an epoch, from 1, by name.

    Raises:
        ValueError: a tracker's package is not installed.
    """

    def __init__(
        self,
        run: Run,
        clips: ClipDataset,
        fabric: Fabric,
        directory: Path | None,
        begun: int,
        rates: Callable[[int], Mapping[str, float]],
    ) -> None:
        self._run, self._fabric, self._begun, self._rates = run, fabric, begun, rates
        asked: Sequence[str] = run.params.machine.trackers
        self._names = list(asked) if directory is not None and fabric.is_global_zero else []
        self._directory = directory or Path()
        self._clips = FixedClips(clips, run.attention, run.params.data.crop)
        self._open: dict[str, Recorder] = {}
        self._note: dict[str, Any] | None = None  # read when logs are opened
        if missing := missing_packages(self._names):
            lacks = f"expected {' and '.join(missing)} to be installed, found no such package"
            raise ValueError(f"machine.trackers: {lacks}; {INSTALL}")
        if self._names:
            print(f"{' and '.join(self._names)}: curves and maps go to {self._directory}", flush=True)

    def log(self, rows: Sequence[Mapping[str, float]], network: ObjectABN) -> None:
        """Write the epochs that a tracker lacks, with maps of the last one.

        Args:
            rows: of curves.csv, all so far.
            network: as it is after the last of them, not wrapped in DDP.
        """
        if not self._names or not rows:
            return
        with undisturbed(network, self._fabric.device):
            if self._note is None:
                self._note = self._begin()
            lacking = [name for name in self._names if self._note.get(name, 0) < len(rows)]
            pictures = self._pictures(network, len(rows)) if lacking else {}
            for name in lacking:
                self._write(name, rows, pictures)

    def _begin(self) -> dict[str, Any]:
        """Read the note of a log that goes on; else remove the log of this training's earlier start, if there is one.

        An earlier start has epochs that this one has not done.
        """
        with suppress(ValueError, OSError, TypeError):  # TypeError: a number is none
            note = read_json(self._directory / NOTE)
            if isinstance(note, dict) and all(note.get(name, 0) <= self._begun for name in self._names):
                return {"id": uuid.uuid4().hex, **note}
        rmtree(self._directory, ignore_errors=True)
        return {"id": uuid.uuid4().hex}

    def _pictures(self, network: ObjectABN, epoch: int) -> dict[str, np.ndarray]:
        try:
            return self._clips.pictures(network, self._fabric)
        except Exception as error:  # whatever it is, the training goes on
            _warn(f"epoch {epoch} has no maps in {self._directory}", error)
            return {}

    def _write(self, name: str, rows: Sequence[Mapping[str, float]], pictures: Mapping[str, np.ndarray]) -> None:
        """Write all lacking epochs of one tracker; one that cannot be opened is not asked again."""
        assert self._note is not None
        begin = self._note.get(name, 0)
        if name not in self._open:
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
                self._open[name] = self._recorder(name, begin + 1)
            except Exception as error:
                self._names.remove(name)
                _warn(f"{name}: the training goes on without it", error)
                return
        try:
            for epoch, row in enumerate(rows[begin:], begin + 1):
                scalars = grouped({**row, **self._rates(epoch)})
                self._open[name].write(epoch, scalars, pictures if epoch == len(rows) else {})
        except Exception as error:
            _warn(f"{name}: epoch {len(rows)} is not whole in {self._directory}", error)
        self._note[name] = len(rows)
        try:
            write_text(self._directory / NOTE, json.dumps(self._note) + "\n")
        except OSError as error:
            _warn(f"{name}: epoch {len(rows)} may be there twice if the training is interrupted", error)

    def _recorder(self, name: str, first: int) -> Recorder:
        assert self._note is not None
        run = self._run
        row = {"attention": run.attention, "pc": run.pc, "control": run.control, "seed": run.seed, "fold": run.fold}
        return open_recorder(
            name,
            self._directory,
            title="/".join(self._directory.parts[1:-1]),
            first=first,
            number=self._note["id"],
            notes={**row, **run.params.model_dump()},
        )

    def __enter__(self) -> "Trackers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name, recorder in self._open.items():
            try:
                recorder.close(failed=kind is not None)
            except Exception as fault:
                _warn(f"{name}: the end of the log may be missing", fault)


def _warn(what: str, error: Exception) -> None:
    reason = " ".join(str(error).split())[:200] or "no reason given"
    print(f"warning: {what} ({type(error).__name__}: {reason})", flush=True)
