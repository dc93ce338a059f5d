"""A GPU that nvidia-smi lists and torch cannot use; nvidia-smi is a script that stands in for it."""

from pathlib import Path

import pytest
import torch

from objabn.system.cuda import refuse_unusable_gpu, wanted_gpu

LISTED = "GPU 0: Tesla V100-SXM2-16GB (UUID: GPU-5f)\nGPU 1: NVIDIA T4 (UUID: GPU-60)"
LINE = (
    "train.accelerator: expected a GPU that torch can use, got Tesla V100-SXM2-16GB (driver 535.54.03) and torch "
    "{torch} {built}; install {newer} for this driver (https://pytorch.org/get-started/locally), or set "
    "CUDA_VISIBLE_DEVICES= (to nothing) to compute on the CPU"
)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def install(folder: Path, listed: str = LISTED, status: int = 0) -> None:
    """A program nvidia-smi that lists GPUs and knows its driver."""
    program = folder / "nvidia-smi"
    answers = f'case "$1" in -L) echo "{listed}";; *) echo 535.54.03; echo 535.54.03;; esac'
    program.write_text(f"#!/bin/sh\n{answers}\nexit {status}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("cuda", "built", "newer"),
    [("13.2", "for CUDA 13.2", "a newer driver, or a torch"), (None, "without CUDA", "a torch")],
)
def test_a_gpu_that_torch_cannot_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: str | None, built: str, newer: str
) -> None:
    install(tmp_path)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    with pytest.raises(ValueError, match=r"^train.accelerator: ") as error:
        refuse_unusable_gpu("train.accelerator")
    assert str(error.value) == LINE.format(torch=torch.__version__, built=built, newer=newer)


def test_a_gpu_that_torch_can_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    refuse_unusable_gpu("train.accelerator")


@pytest.mark.parametrize("setting", ["", "-1", " -1,0", "NoDevFiles"])
def test_nobody_wants_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    install(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
    refuse_unusable_gpu("train.accelerator")


@pytest.mark.parametrize("setting", ["0", "GPU-5f", "MIG-1", "7"])
def test_the_setting_stands_in_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    install(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
    assert wanted_gpu() == f"Tesla V100-SXM2-16GB (driver 535.54.03, CUDA_VISIBLE_DEVICES={setting})"


@pytest.mark.parametrize(
    ("listed", "status"), [("No devices found.", 0), (LISTED, 9), ("", 0)], ids=["none", "it fails", "nothing"]
)
def test_no_gpu_is_listed(tmp_path: Path, listed: str, status: int) -> None:
    install(tmp_path, listed, status)
    assert wanted_gpu() == ""
    refuse_unusable_gpu("train.accelerator")


def test_no_nvidia_smi() -> None:
    assert wanted_gpu() == ""


def test_an_nvidia_smi_that_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/no/such/shell\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert wanted_gpu() == ""
