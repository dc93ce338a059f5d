"""Training in several processes: the numbers of one, whatever dies; each fault is one line. On the CPU, with Gloo."""

import errno
import io
import math
import multiprocessing
import os
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from objabn.clips.batches import loader
from objabn.config.schema import Dataset
from objabn.model.run import Run, build_model
from objabn.system.cache import Cache, unit_key
from objabn.training import parallel as parallel_module
from objabn.training import train as train_module
from objabn.training.checkpoint import KIND, Checkpoint
from objabn.training.failures import GOES_ON
from objabn.training.parallel import join_processes, synchronise
from objabn.training.processes import run_in_processes
from objabn.training.train import train
from tests.helpers.interruptions import KEY, interruption
from tests.helpers.training import changed, split

pytestmark = pytest.mark.usefixtures("one_thread")

ALWAYS = 1e-9  # minutes between two checkpoints within an epoch
ONE_STEP = {"batch_size": 8, "epochs": 10}  # an epoch of the 8 videos: one row of curves.csv a step
ALIKE = {
    "one step an epoch": changed(model={"dropout": 0.0}, train=ONE_STEP),
    "several batches a step": changed(model={"dropout": 0.0}, train={"batch_size": 2, "epochs": 2, "accumulate": 3}),
}
RESUMED = changed(  # four batches an epoch, dropout 0.5; the even penalty reads BatchNorm's statistics
    train={"schedule": "cosine", "batch_size": 2, "epochs": 3}, loss_weights={"even": 0.5}
)


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
    network, _ = train(Run(params, *row, 0), *sets, directory, **kwargs)
    return {name: value.numpy() for name, value in network.state_dict().items()}


def in_each(folder: Path, place: Path) -> dict[str, Any]:
    """What each of two processes does: all trainings that need no fault of a process."""
    torch.set_num_threads(1)
    rank = int(os.environ["LOCAL_RANK"])
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(train_module, "build_model", fixed_statistics)
        for name, params in ALIKE.items():
            found[name] = trained(folder, place / name, parallel(params), parallel=True)
    for name, minutes in (("undisturbed", None), ("after an epoch", 1e6), ("after a step", ALWAYS)):
        checkpoint = Checkpoint(Cache(place / "cache"), unit_key(what=name), minutes or 1)
        if minutes is not None:
            with interruption(6):
                trained(folder, place / name, parallel(RESUMED), parallel=True, checkpoint=checkpoint)
            torch.manual_seed(99 + rank)
        found[name] = trained(folder, place / name, parallel(RESUMED), parallel=True, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="batch_size") as error:
        trained(folder, place / "few", parallel(changed(train={"batch_size": 10})), parallel=True)
    return {**found, "few": str(error.value)}


@pytest.fixture(scope="module")
def by_two(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    place = tmp_path_factory.mktemp("two")
    return run_in_processes(2, in_each, stores, place), place


@pytest.mark.parametrize("name", ALIKE)
def test_two_processes_give_the_numbers_of_one(by_two, stores: Path, tmp_path: Path, monkeypatch, name: str) -> None:
    """The same losses and terms at each of ten steps, the same accuracies, and then the same weights."""
    monkeypatch.setattr(train_module, "build_model", fixed_statistics)
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
    """Interrupted in the second of three epochs, with dropout and each process's own statistics of BatchNorm."""
    found, place = by_two
    assert all((found[name][key] == value).all() for key, value in found["undisturbed"].items())
    texts = [(place / each / "curves.csv").read_text() for each in (name, "undisturbed")]
    assert texts[0] == texts[1]


def in_each_of_three(folder: Path, place: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    params = parallel(changed(train={"batch_size": 3, "epochs": 3}), devices=3)  # two batches an epoch
    found = {"undisturbed": trained(folder, place / "undisturbed", params, parallel=True)}
    checkpoint = Checkpoint(Cache(place / "cache"), KEY, ALWAYS)
    with interruption(4):
        trained(folder, place / "resumed", params, parallel=True, checkpoint=checkpoint)
    return found | {"resumed": trained(folder, place / "resumed", params, parallel=True, checkpoint=checkpoint)}


@pytest.mark.slow
def test_three_resumed_give_the_bits_of_three_undisturbed(stores: Path, tmp_path: Path) -> None:
    """Of three numbers the order in which they are added up shows in the last bits."""
    found = run_in_processes(3, in_each_of_three, stores, tmp_path)
    assert all((found["resumed"][key] == value).all() for key, value in found["undisturbed"].items())


def test_a_split_smaller_than_a_batch_is_a_clear_fault(by_two) -> None:
    message = "train.batch_size: expected at most 8, the training videos, with 2 processes, got 10"
    assert by_two[0]["few"] == message


def fail(folder: Path, place: Path, how: str) -> None:
    """One process meets a fault in its third step; the other waits for it."""
    torch.set_num_threads(1)
    params, calls, total_loss = parallel(RESUMED), [], train_module.total_loss

    def wrong(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        if len(calls) == 3:
            torch.distributed.barrier()  # the first process has kept the checkpoint of the second step
        total, terms = total_loss(*args, **kwargs)
        if os.environ["LOCAL_RANK"] == "0" or len(calls) < 3:
            return total, terms
        if how == "disk":
            raise OSError(errno.ENOSPC, "No space left on device", "some/file")
        if how == "crash":
            raise RuntimeError("out of memory")
        if how == "hang":
            time.sleep(600)
        if how == "exit":
            os._exit(7)
        if how == "abort":
            os.abort()
        return total, {**terms, "mha": terms["mha"] * math.nan}

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(train_module, "total_loss", wrong)
        patched.setattr(train_module, "probed_batches", lambda total: set())  # calls are steps
        patched.setattr(parallel_module, "_SILENCE", timedelta(seconds=10 if how == "hang" else 300))
        checkpoint = Checkpoint(Cache(place / "cache"), KEY, ALWAYS)
        trained(folder, place, params, parallel=True, checkpoint=checkpoint)


FAULTS = [
    ("not finite", ValueError, r"^mha not finite in epoch 1; videos of the batch: (v\d)$"),
    pytest.param("disk", OSError, r"^\[Errno 28\] No space left on device: 'some/file'$", marks=pytest.mark.slow),
    pytest.param("abort", ValueError, f"^process 2 of 2 was killed by SIGABRT; {GOES_ON}$", marks=pytest.mark.slow),
    pytest.param(
        "hang",
        ValueError,
        rf"^process 1 of 2 has lost another one \(.*[Tt]imed out.*\); {GOES_ON}$",
        marks=pytest.mark.slow,
    ),
    pytest.param("exit", ValueError, f"^process 2 of 2 ended with exit status 7; {GOES_ON}$", marks=pytest.mark.slow),
    pytest.param(
        "crash",
        RuntimeError,
        r"^process 2 of 2:\nTraceback(?s:.)*RuntimeError: out of memory\n$",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(
    ("how", "error", "message"), FAULTS, ids=["not finite", "disk", "abort", "hang", "exit", "crash"]
)
def test_a_fault_of_one_process_ends_all(stores: Path, tmp_path: Path, how: str, error: type, message: str) -> None:
    """Its own, not that the other one has lost it; the checkpoint is that of the last step of all."""
    with pytest.raises(error, match=message) as raised:
        run_in_processes(2, fail, stores, tmp_path, how)
    assert not multiprocessing.active_children()
    train_set = split(stores, "train", RESUMED)
    if how == "not finite":
        third = list(loader(train_set, 2, workers=0, shuffle=True, share=(1, 2)))[2]
        assert str(raised.value).endswith(f" {train_set.table['video'][int(third['row'])]}")
    unit = Cache(tmp_path / "cache").load(KIND, KEY)
    assert unit is not None
    state = torch.load(io.BytesIO(unit[8 + int.from_bytes(unit[:8], "little") :]), weights_only=True)
    assert (state["position"]["batch"], len(state["processes"])) == (2, 2)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"devices": 3}, "batch_size: expected a multiple of devices * nodes (3), got 4"),
        ({"devices": 2, "nodes": 4}, "batch_size: expected a multiple of devices * nodes (8), got 4"),
        ({"sync_batchnorm": True}, "sync_batchnorm: expected false on the CPU, got true"),
        ({"devices": 0}, "greater than or equal to 1"),
    ],
)
def test_parameters_that_do_not_fit(train: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        changed(train=train)


def test_synchronised_batchnorm_needs_gpus() -> None:
    params = changed(train={"devices": 2, "sync_batchnorm": True, "accelerator": "auto"})
    with pytest.raises(ValueError, match=r"^train\.sync_batchnorm: expected false on the CPU, got true$"):
        join_processes(params)


def test_batchnorm_without_weights_is_synchronised_unless_it_is_frozen(make_model: Callable) -> None:
    network = make_model(frozen="stem")
    for place in (network.extractor[0], network.extractor[1]):
        place.add_module("more", nn.BatchNorm3d(4, affine=False))
    synchronise(network)
    assert [type(network.extractor[at].more) for at in (0, 1)] == [nn.BatchNorm3d, nn.SyncBatchNorm]


def test_frozen_blocks_keep_their_own_batchnorm(make_model: Callable) -> None:
    """Their statistics stay; all others are converted, with the same weights under the same names."""
    plain, network = make_model(frozen="stem").train(), make_model(frozen="stem").train()
    synchronise(network)
    frozen = set(network.extractor[0].modules())
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    assert {module for module in norms if not isinstance(module, nn.SyncBatchNorm)} == {
        module for module in frozen if isinstance(module, _BatchNorm)
    }
    assert not any(module.training for module in norms if module in frozen)
    assert plain.state_dict().keys() == network.state_dict().keys()
    clips = torch.rand(2, 3, 4, 32, 32)
    for expected, value in zip(plain.eval()(clips), network.eval()(clips), strict=True):
        torch.testing.assert_close(value, expected)
