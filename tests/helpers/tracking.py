"""A made recorder behind the interface of `objabn.training.recorders`, which keeps what it gets in a file."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from objabn.training import trackers

LINES = "made.jsonl"


class Made:
    """Writes a line for each epoch. It draws random numbers, as a package may, and its network's mode is its own."""

    def __init__(self, name: str, directory: Path, first: int) -> None:
        self._file, self.first = directory / f"{name}-{LINES}", first

    def write(self, epoch: int, scalars: Mapping[str, float], pictures: Mapping[str, np.ndarray]) -> None:
        torch.rand(7), random.random(), np.random.rand(3)  # noqa: NPY002
        shapes = {name: picture.shape for name, picture in pictures.items()}
        digests = {name: int(picture.astype(np.int64).sum()) for name, picture in pictures.items()}
        line = {"epoch": epoch, "scalars": dict(scalars), "shapes": shapes, "sums": digests}
        with self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def close(self, *, failed: bool) -> None:
        with self._file.open("a") as file:
            file.write('"failed"\n' if failed else '"closed"\n')


def use_made(patched: pytest.MonkeyPatch, make: Callable[..., Any] = Made) -> list[dict[str, Any]]:
    """Put made recorders in the place of the packages; the list gets what each is opened with."""
    opened: list[dict[str, Any]] = []

    def open_made(name: str, directory: Path, **settings: Any) -> Any:
        opened.append({"name": name, "directory": directory, **settings})
        return make(name, directory, settings["first"])

    patched.setattr(trackers, "missing_packages", lambda names: [])
    patched.setattr(trackers, "open_recorder", open_made)
    return opened


def written(directory: Path, name: str = "tensorboard") -> list[Any]:
    """All lines of a made recorder, without its ends."""
    lines = [json.loads(line) for line in (directory / f"{name}-{LINES}").read_text().splitlines()]
    return [line for line in lines if line not in ("closed", "failed")]
