"""What a process computes on, and how; CUDA is stood in for, so nothing is computed on it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lightning_fabric.accelerators import MPSAccelerator
from torch import nn

from objabn.model import depthwise, device
from objabn.model.device import (
    check_on_cpu,
    choose_kernels,
    compiled,
    computed_on,
    describe,
    make_fabric,
    resolve_precision,
)
from objabn.training.parallel import join_processes
from tests.helpers.training import changed

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def h100(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch says that there is one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "NVIDIA H100")


@pytest.fixture
def _kernels_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("benchmark", "deterministic"):
        monkeypatch.setattr(torch.backends.cudnn, name, getattr(torch.backends.cudnn, name))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), "32-true"), ((8, 0), "bf16-mixed"), ((12, 0), "bf16-mixed")]
)
def test_auto_is_bf16_where_a_gpu_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    assert resolve_precision("auto", on_cuda=True) == expected
    assert resolve_precision("auto", on_cuda=False) == "32-true"
    for asked in ("32-true", "bf16-mixed"):
        assert {resolve_precision(asked, on_cuda=on_cuda) for on_cuda in (True, False)} == {asked}


@pytest.mark.parametrize(("asked", "expected"), [("auto", "32-true"), ("bf16-mixed", "bf16-mixed")])
def test_a_fabric_has_the_precision_that_is_resolved(asked: str, expected: str) -> None:
    params = changed(train={"precision": asked})
    assert make_fabric(params)._precision.precision == expected


def test_the_cpu_is_taken_where_fabric_would_take_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MPSAccelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert make_fabric(changed(train={"accelerator": "auto"})).device == CPU


@pytest.mark.parametrize("accelerator", ["auto", "cuda", "cpu"])
def test_a_gpu_that_torch_cannot_use_is_a_fault_unless_the_cpu_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accelerator: str
) -> None:
    (tmp_path / "nvidia-smi").write_text('#!/bin/sh\necho "GPU 0: Tesla V100 (UUID: GPU-5f)"\n')
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    params = changed(train={"accelerator": accelerator})
    if accelerator == "cpu":
        assert make_fabric(params).device == CPU
        return
    line = r"^train.accelerator: expected a GPU that torch can use, got Tesla V100 .*, or set train.accelerator=cpu$"
    for make in (make_fabric, join_processes):
        with pytest.raises(ValueError, match=line):
            make(params)


@pytest.mark.usefixtures("_kernels_as_before")
def test_a_gpus_kernels() -> None:
    cudnn = torch.backends.cudnn
    choose_kernels(deterministic=True)
    assert (cudnn.benchmark, cudnn.deterministic) == (False, True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    choose_kernels(deterministic=False)
    assert (cudnn.benchmark, cudnn.deterministic) == (True, False)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("deterministic", [True, False])
def test_kernels_are_chosen_on_a_gpu_only(monkeypatch: pytest.MonkeyPatch, h100: None, deterministic: bool) -> None:
    chosen: list[bool] = []
    monkeypatch.setattr(device, "choose_kernels", lambda *, deterministic: chosen.append(deterministic))
    for accelerator in ("cpu", "auto"):
        check_on_cpu(changed(train={"accelerator": accelerator, "deterministic": deterministic}).train)
    assert chosen == [deterministic]


def test_only_a_gpus_network_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict] = []
    monkeypatch.setattr(torch, "compile", lambda net, **settings: seen.append(settings) or nn.Sequential(net))
    network, asked = nn.Linear(1, 1), changed(train={"compile": True}).train
    assert compiled(network, asked, CPU) is network
    assert compiled(network, changed(train={"compile": False}).train, CUDA) is network
    assert seen == []
    assert compiled(network, asked, CUDA) is not network
    assert seen == [{"dynamic": False}]


def test_what_a_training_computes_on(monkeypatch: pytest.MonkeyPatch, h100: None) -> None:
    monkeypatch.setattr(depthwise, "fault_of_triton", lambda: None)
    train = {"precision": "auto", "depthwise": "auto"}
    asked = changed(train=train).train
    assert computed_on(asked, CPU) == {"device": "cpu", "precision": "32-true"}
    assert computed_on(asked, CUDA) == {"device": "NVIDIA H100", "precision": "bf16-mixed"}
    threads = torch.get_num_threads()
    assert describe(asked, CPU) == f"on the CPU, 32-true, {threads} thread{'s' if threads > 1 else ''}"
    assert describe(asked, CUDA) == "on cuda:0 (NVIDIA H100), bf16-mixed, depthwise triton"
    monkeypatch.setattr(depthwise, "fault_of_triton", lambda: "no compiler")
    assert describe(asked, CUDA).endswith("depthwise native (not triton: no compiler)")
    asked = changed(train={**train, "depthwise": "conv2d", "compile": True, "deterministic": True}).train
    assert describe(asked, CUDA).endswith("bf16-mixed, depthwise conv2d, compile, deterministic")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (7, 5))
    asked = changed(train=train).train
    assert describe(asked, CUDA).endswith("32-true, depthwise native (not triton: sm_75 is older than sm_80)")
