"""A loader's processes: they live through the epochs, end with the loader, and may be started in any way."""

import functools
import multiprocessing
import pickle
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from objabn.clips import batches as module
from objabn.clips.batches import Batch, Loader, clip_tensors, loader
from tests.helpers.training import PARAMS, split

SETTINGS = {"seed": 4, "shuffle": True}


def processes() -> set[int | None]:
    return {child.pid for child in multiprocessing.active_children()}


def assert_same(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other) > 0
    for first, second in zip(one, other, strict=True):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first.keys() - {"frames"})
        assert torch.equal(clip_tensors(first, PARAMS.data.crop), clip_tensors(second, PARAMS.data.crop))


def test_workers_live_through_epochs_and_give_the_same_clips(stores: Path) -> None:
    """Also after an epoch that was left in its middle, and with an epoch that begins later."""
    train, before = split(stores, "train"), processes()
    with Loader(train, 2, workers=2, **SETTINGS) as batches:
        assert_same(list(batches.epoch(0)), list(loader(train, 2, workers=0, epoch=0, **SETTINGS)))
        workers = processes() - before
        next(batches.epoch(1))
        assert_same(list(batches.epoch(3)), list(loader(train, 2, workers=0, epoch=3, **SETTINGS)))
        rest = list(batches.epoch(4, first=1))
        assert_same(rest, list(loader(train, 2, workers=0, epoch=4, first=1, **SETTINGS)))
        assert processes() - before == workers
        assert len(workers) == 2
    assert processes() == before


@pytest.mark.parametrize("left_early", [True, False])
def test_a_loader_of_one_epoch_leaves_no_process(stores: Path, left_early: bool) -> None:
    before, batches = processes(), loader(split(stores, "train"), 2, workers=1, **SETTINGS)
    next(batches)
    assert len(processes() - before) == 1
    if left_early:
        batches.close()
    else:
        list(batches)
    assert processes() == before


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_draws_one_number_and_no_more(stores: Path, workers: int) -> None:
    """Dropout goes on from there, and so do the bits of a training."""
    with Loader(split(stores, "train"), 2, workers=workers, **SETTINGS) as batches:
        for epoch in (0, 1):
            torch.manual_seed(7)
            list(batches.epoch(epoch))
            after = torch.get_rng_state()
            torch.manual_seed(7)
            torch.empty((), dtype=torch.int64).random_()
            assert torch.equal(torch.get_rng_state(), after)


def test_a_data_set_survives_the_way_to_another_process(stores: Path) -> None:
    train = split(stores, "train")
    copy = pickle.loads(pickle.dumps(train))
    one, other = train[2, 3], copy[2, 3]
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_are_not_forked(stores: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    train = split(stores, "train")
    expected = list(loader(train, 2, workers=0, **SETTINGS))
    monkeypatch.setattr(module, "DataLoader", functools.partial(DataLoader, multiprocessing_context=method))
    assert_same(list(loader(train, 2, workers=1, **SETTINGS)), expected)


def test_too_little_shared_memory_is_a_fault_before_a_worker_starts(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(module, "check_shared_memory", lambda *arguments: asked.append(arguments))
    train = split(stores, "train")
    Loader(train, 4, workers=2, share=(1, 2), processes=2)
    Loader(train, 4, workers=0)
    assert asked == [(2, 2 * train.most_bytes(), 2)]
