"""Training in several processes: the numbers of one, whatever dies; each fault is one line. On the CPU, with Gloo."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from test_resume import interruption
from test_training import changed, split, stores  # noqa: F401 (a fixture)
from test_training_survival import ROW, Training, _one_thread, made, new_checkout, printed  # noqa: F401 (fixtures)
from test_survival import Process, wait_for
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from objabn import training
from objabn.cache import Cache, unit_key
from objabn.devices import make_fabric, synchronise
from objabn.params import Dataset
from objabn.processes import Processes
from objabn.resume import Checkpoint
from objabn.training import build_model, train

ALWAYS = 1e-9  # minutes between two checkpoints within an epoch
ONE_STEP = {"batch_size": 8, "epochs": 10}  # an epoch of the 8 videos: one row of curves.csv a step
ALIKE = {
    "one step an epoch": changed(model={"dropout": 0.0}, train=ONE_STEP),
    "several batches a step": changed(model={"dropout": 0.0}, train={"batch_size": 2, "epochs": 2, "accumulate": 3}),
}
RESUMED = changed(train={"schedule": "cosine", "batch_size": 2, "epochs": 3})  # four batches an epoch, dropout 0.5


def parallel(params: Dataset, **settings: object) -> Dataset:
    return params.model_copy(update={"train": params.train.model_copy(update={"devices": 2, **settings})})


def fixed_statistics(*args: Any, **kwargs: Any) -> nn.Module:
    """As `build_model`, with BatchNorm in evaluation mode for good: a batch's statistics are those of its clips."""
    network = build_model(*args, **kwargs)
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
            module.train = lambda mode=True, it=module: it
    return network


def trained(folder: Path, directory: Path, params: Dataset, row: tuple[str, bool] = ("mha", True), **kwargs: Any):
    directory.mkdir(exist_ok=True, parents=True)
    sets = split(folder, "train", params), split(folder, "test", params)
    network, _ = train(params, *row, 0, *sets, directory, **kwargs)
    return {name: value.numpy() for name, value in network.state_dict().items()}


def in_each(folder: Path, place: Path) -> dict[str, Any]:
    """What each of two processes does: all trainings that need no fault of a process."""
    torch.set_num_threads(1)
    rank = int(os.environ["LOCAL_RANK"])
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "build_model", fixed_statistics)
        for name, params in ALIKE.items():
            found[name] = trained(folder, place / name, parallel(params), parallel=True)
    for name, minutes in (("undisturbed", None), ("after an epoch", 1e6), ("after a step", ALWAYS)):
        checkpoint = Checkpoint(Cache(place / "cache"), unit_key(what=name), minutes or 1)
        for step in [] if minutes is None else [6, 3]:
            with interruption(step):
                trained(folder, place / name, parallel(RESUMED), parallel=True, checkpoint=checkpoint)
            torch.manual_seed(99 + rank)
        found[name] = trained(folder, place / name, parallel(RESUMED), parallel=True, checkpoint=checkpoint)
    found["other dropout"] = torch.distributed.get_world_size(), torch.rand(1).item()
    with pytest.raises(ValueError, match="batch_size") as error:
        trained(folder, place / "few", parallel(changed(train={"batch_size": 10})), parallel=True)
    return {**found, "few": str(error.value)}


@pytest.fixture(scope="module")
def by_two(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:  # noqa: F811
    place = tmp_path_factory.mktemp("two")
    return Processes(2, 1).run(in_each, stores, place), place


@pytest.mark.parametrize("name", ALIKE)
def test_two_processes_give_the_numbers_of_one(by_two, stores: Path, tmp_path: Path, monkeypatch, name: str) -> None:  # noqa: F811
    """The same losses and terms at each of ten steps, the same accuracies, and then the same weights."""
    monkeypatch.setattr(training, "build_model", fixed_statistics)
    one = trained(stores, tmp_path, ALIKE[name])
    curves, expected = (pd.read_csv(place / "curves.csv") for place in (by_two[1] / name, tmp_path))
    pd.testing.assert_frame_equal(curves, expected, rtol=1e-5, atol=1e-5)
    assert len(curves) == ALIKE[name].train.epochs
    assert curves["loss"].nunique() == len(curves)
    assert by_two[0][name].keys() == one.keys()
    for key, value in one.items():
        torch.testing.assert_close(torch.tensor(by_two[0][name][key]), torch.tensor(value), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["after an epoch", "after a step"])
def test_a_resumed_one_gives_the_bits_of_an_undisturbed_one(by_two, name: str) -> None:
    """Interrupted twice, with dropout and each process's own statistics of BatchNorm."""
    found, place = by_two
    assert all((found[name][key] == value).all() for key, value in found["undisturbed"].items())
    texts = [(place / each / "curves.csv").read_text() for each in (name, "undisturbed")]
    assert texts[0] == texts[1]


def test_a_split_smaller_than_a_batch_is_a_clear_fault(by_two) -> None:
    message = "train.batch_size: expected at most 8, the training videos, with 2 processes, got 10"
    assert by_two[0]["few"] == message
