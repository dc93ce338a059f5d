"""Write scalars and pictures with TensorBoard or Weights & Biases, behind one interface.

Both packages are of the extra `trackers`, and are imported when a log is opened.
"""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

INSTALL = "`pip install -r requirements-trackers.txt`, or `pip install '.[trackers]'`"
_FLUSH_SEC = 0.5  # what was logged is on the disk after this time, whatever ends the process
_FINISH_SEC = 60.0  # to upload the rest at the end of a training, where somebody has asked for that


class Recorder(Protocol):
    """An open log of one training."""

    def write(self, epoch: int, scalars: Mapping[str, float], pictures: Mapping[str, np.ndarray]) -> None:
        """Write what there is to say of an epoch.

        Args:
            epoch: from 1; each once, and in their order.
            pictures: uint8 (H, W, 3), by name.
        """
        ...

    def close(self, *, failed: bool) -> None:
        """Write what is left, and end.

        Args:
            failed: whether the training has not come to its end.
        """
        ...


def missing_packages(names: Sequence[str]) -> list[str]:
    """List those trackers whose package is not installed.

    A tracker has the name of its package.

    >>> missing_packages([])
    []
    """
    return [name for name in names if importlib.util.find_spec(name) is None]


def open_recorder(
    name: str, directory: Path, *, title: str, first: int, number: str, notes: dict[str, Any]
) -> Recorder:
    """Open the log of a training, or go on in it.

    Args:
        name: "tensorboard" or "wandb".
        directory: of the log.
        title: of the training: its run's directory, without `runs/`.
        first: the epoch that will be written first. Whatever the log has of it or of later ones is void.
        number: identifies the training among all.
        notes: the training's parameters.
    """
    if name == "tensorboard":
        return _TensorBoard(directory, first)
    return _WandB(directory, title, number, notes)


class _TensorBoard:
    def __init__(self, directory: Path, first: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(directory), purge_step=first if first > 1 else None)

    def write(self, epoch: int, scalars: Mapping[str, float], pictures: Mapping[str, np.ndarray]) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, epoch)
        for name, picture in pictures.items():
            self._writer.add_image(name, picture, epoch, dataformats="HWC")
        self._writer.flush()

    def close(self, *, failed: bool) -> None:
        self._writer.close()


class _WandB:
    """A run of W&B: its files alone, unless the environment's WANDB_MODE asks for more.

    A training that goes on opens another part of the same run, which `wandb sync` puts together.
    """

    def __init__(self, directory: Path, title: str, number: str, notes: dict[str, Any]) -> None:
        offline = "WANDB_MODE" not in os.environ
        if offline:
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read at import: nothing leaves the machine
        import wandb

        self._wandb, group = wandb, title.rpartition("/seed-")[0]
        self._run = wandb.init(
            mode="offline" if offline else None,
            project=None if "WANDB_PROJECT" in os.environ else "objabn",
            dir=directory,
            id=number,
            resume="allow",
            name=title,
            group=group,
            config=notes,
            settings=wandb.Settings(
                console="off",  # stdout and stderr stay as they are
                silent=True,
                disable_git=True,
                disable_code=True,
                x_transaction_log_flush_interval=_FLUSH_SEC,
                finish_timeout=_FINISH_SEC,
            ),
        )

    def write(self, epoch: int, scalars: Mapping[str, float], pictures: Mapping[str, np.ndarray]) -> None:
        images = {name: self._wandb.Image(picture) for name, picture in pictures.items()}
        self._run.log({"epoch": epoch, **scalars, **images}, step=epoch, commit=True)

    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))
