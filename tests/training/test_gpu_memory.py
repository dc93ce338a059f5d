"""A lack of memory on a GPU is one line."""

import multiprocessing
from pathlib import Path

import pytest
import torch

from objabn.config.schema import Dataset
from objabn.model.network import ObjectABN
from objabn.model.run import Run
from objabn.training.gpu_memory import out_of_memory_in_one_line
from objabn.training.tally import TrainingError
from objabn.training.train import train
from tests.helpers.training import PARAMS, changed, split


def fault(params: Dataset, precision: str = "32-true") -> str:
    with pytest.raises(TrainingError) as error, out_of_memory_in_one_line(params.train, precision):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate ...\n and more")
    return str(error.value)


def test_the_line_says_what_needs_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda: 23_500_000_000)
    begin = "train.batch_size: expected one that fits into the GPU's memory, got 16 (23.5 GB at the peak so far); "
    half = "batch_size 8 and accumulate 4 follow the same gradient but for BatchNorm"
    params = changed(train={"batch_size": 16, "accumulate": 2})
    assert fault(params) == f"{begin}{half}; precision bf16-mixed takes less"
    assert fault(params, "bf16-mixed") == begin + half
    several = changed(train={"batch_size": 16, "devices": 16})
    assert fault(several, "bf16-mixed") == f"{begin}make it smaller"


def test_a_training_ends_with_it_and_leaves_no_process(
    stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ObjectABN, "forward", forward)
    params = changed(machine={"loader_workers": 1})
    sets = split(stores, "train", PARAMS), split(stores, "test", PARAMS)
    with pytest.raises(TrainingError, match=r"^train\.batch_size: expected one that fits into the GPU's memory, got 4"):
        train(Run(params, "mask", False, 0), *sets, tmp_path)
    assert multiprocessing.active_children() == []
