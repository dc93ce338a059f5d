"""Batches arrive on the device, in their order and whole."""

from pathlib import Path

import pytest
import torch
from torch.utils.data import default_collate

from objabn.clips.batches import Loader, loader
from objabn.clips.cuts import collate_cuts
from objabn.clips.prefetch import prefetched
from tests.helpers.training import split


def test_on_the_cpu_each_batch_comes_when_it_is_asked_for(stores: Path) -> None:
    train, asked = split(stores, "train"), []

    def batches():
        for number, collate in enumerate((collate_cuts, default_collate)):
            asked.append(number)
            yield collate([train[number]])

    arriving = prefetched(batches(), torch.device("cpu"))
    for number in (0, 1):
        batch = next(arriving)
        assert asked == list(range(number + 1))
        assert (batch["row"].item(), batch["frames"].shape) == (number, (1, 4, 32, 40, 3))
    assert next(arriving, None) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("workers", [0, 2])
def test_on_a_gpu_they_are_the_same(stores: Path, workers: int) -> None:
    """Also while the device is busy with what came before: a batch that came too early would be of another moment."""
    train, device = split(stores, "train"), torch.device("cuda", 0)
    busy = torch.ones(2000, 2000, device=device)
    with Loader(train, 2, workers=workers, shuffle=True, device=device) as batches:
        for epoch in range(3):
            arrived = []
            for batch in batches.epoch(epoch):
                for _ in range(20):
                    busy = (busy @ busy).clamp(max=1)
                arrived.append({name: value.clone() for name, value in batch.items()})
            expected = list(loader(train, 2, workers=0, epoch=epoch, shuffle=True))
            assert len(arrived) == len(expected)
            for one, other in zip(arrived, expected, strict=True):
                assert all(value.is_cuda for value in one.values())
                assert all(torch.equal(one[name].cpu(), other[name]) for name in other.keys() - {"frames"})
                seen = one["frames"].cpu() > 0
                assert seen.any()
                assert torch.equal(one["frames"].cpu()[seen], other["frames"][seen])
