"""The device: what is asked of it and is not there, as far as it can be told without one."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from objabn.preflight import device
from objabn.preflight.device import Devices, device_findings, find_devices
from objabn.preflight.rows import table_rows
from tests.helpers.preflight import given

NONE, H100 = Devices([], "no GPU"), ("H100", 9)
KEY = "datasets.ucf101.train"


def look(present: Devices, *overrides: str, train_videos: int = 9537, networks: int = 1) -> list[tuple[str, str]]:
    rows = table_rows("ucf101", given("dataset=ucf101", *(f"{KEY}.{each}" for each in overrides)))
    return [(each.level, each.line) for each in device_findings(rows, train_videos, present, networks)]


def test_cuda_without_a_device() -> None:
    line = "expected auto or cpu on a machine without a CUDA device, got cuda (no GPU)"
    assert look(NONE, "accelerator=cuda") == [("fault", f"{KEY}.accelerator: {line}")]


@pytest.mark.parametrize(("is_unused", "level"), [(False, "warning"), (True, "fault")])
def test_a_cpu_for_work_of_days(is_unused: bool, level: str) -> None:
    present = Devices([], "no GPU", is_unused)
    ((got, line),) = look(present)
    assert got == level
    expected = "expected a CUDA device for so much work, found none (no GPU); a CPU takes days for a row"
    assert line.startswith(f"{KEY}.accelerator: {expected}")
    assert look(present, "accelerator=cpu") == [("ok", f"{KEY}.accelerator: cpu, the CPU")]
    assert look(present, train_videos=100) == [("ok", f"{KEY}.accelerator: auto, the CPU")]


def test_a_gpu_that_nvidia_smi_lists_and_torch_cannot_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stage would take the CPU in its place, however little there is to do."""
    answers = 'if [ "$1" = -L ]; then echo "GPU 0: Tesla V100 (UUID: GPU-5f)"; else echo 535.54.03; fi'
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{answers}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(device, "_QUESTION", """print('{"devices": [], "torch": "2.15.0", "cuda": "13.2"}')""")
    present = find_devices()
    expected = "expected a GPU that torch can use, got Tesla V100 (driver 535.54.03) and torch "
    assert present.why_none.startswith(f"{expected}2.15.0 for CUDA 13.2; install a newer driver")
    for accelerator in ("auto", "cuda"):
        line = f"{KEY}.accelerator: {present.why_none}, or set train.accelerator=cpu"
        assert look(present, f"accelerator={accelerator}", train_videos=100) == [("fault", line)]
    assert look(present, "accelerator=cpu") == [("ok", f"{KEY}.accelerator: cpu, the CPU")]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert look(find_devices(), train_videos=100) == [("ok", f"{KEY}.accelerator: auto, the CPU")]


def test_batchnorm_of_several_processes_on_a_cpu() -> None:
    asked = ("devices=2", "sync_batchnorm=true")
    found = look(NONE, *asked, train_videos=100)
    assert found == [("fault", f"{KEY}.sync_batchnorm: expected false on the CPU, got true")]
    assert look(Devices([H100] * 2), *asked) == [("ok", f"{KEY}.accelerator: auto, H100, H100")]
    assert look(NONE, "sync_batchnorm=true", train_videos=100)[0][0] == "ok"  # one process has all clips


def test_more_devices_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    line = "expected at most 1, the CUDA devices here (CUDA_VISIBLE_DEVICES=3), got 2"
    assert look(Devices([H100]), "devices=2") == [("fault", f"{KEY}.devices: {line}")]


def test_precision_that_a_device_only_emulates() -> None:
    old = Devices([("T4", 7)])
    assert [level for level, _ in look(old, "precision=bf16-mixed")] == ["warning", "ok"]
    assert look(old)[0][0] == look(Devices([H100]), "precision=bf16-mixed")[0][0] == "ok"


def test_fewer_videos_than_the_batch_of_several_processes() -> None:
    line = "expected at most 15, the training videos, with several processes, got 16"
    assert look(NONE, "devices=2", train_videos=15)[0] == ("fault", f"{KEY}.batch_size: {line}")
    assert look(NONE, train_videos=15) == look(NONE, "devices=2", train_videos=16)


def test_a_share_of_the_videos_is_what_is_trained_on() -> None:
    line = "expected at most 15, the training videos, with several processes, got 16"
    assert look(NONE, "devices=2", "share=0.25", train_videos=60)[0] == ("fault", f"{KEY}.batch_size: {line}")


def test_folds_on_several_machines_and_with_the_best_epoch() -> None:
    line = "expected 1 for a data set with folds, whose networks one process trains in turn, got 2"
    assert look(Devices([H100]), "nodes=2", networks=3)[0] == ("fault", f"{KEY}.nodes: {line}")
    line = "best chooses the epoch on the fold that is tested, so accuracies are too high; last is fair"
    assert look(Devices([H100]), "report=best", networks=3)[0] == ("warning", f"{KEY}.report: {line}")
    assert [level for level, _ in look(Devices([H100]), "report=best")] == ["ok"]


def test_several_machines_take_a_launcher() -> None:
    line = "2 machines train, so torchrun or srun has to start each training, not DVC: docs/scaling.md"
    assert look(Devices([H100]), "nodes=2")[0] == ("warning", f"{KEY}.nodes: {line}")
    assert [level for level, _ in look(Devices([H100]))] == ["ok"]


@pytest.mark.parametrize(
    ("answer", "visible", "expected"),
    [
        ({"devices": [["H100", 9]], "cuda": "13.2"}, None, Devices([H100])),
        ({"devices": [], "cuda": None}, None,
         Devices([], "there is a GPU, but torch 2.15.0 is built without CUDA", True)),
        ({"devices": [], "cuda": "13.2"}, "", Devices([], "there is a GPU, but not for torch (CUDA_VISIBLE_DEVICES=)")),
        ({"devices": [], "cuda": "13.2"}, None,
         Devices([], "there is a GPU, but torch 2.15.0 with CUDA 13.2 cannot use it: is its driver too old?", True)),
        (None, None, Devices([], "torch could not say which GPUs there are: JSONDecodeError", True)),
    ],
)  # fmt: skip
def test_why_torch_has_no_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: dict | None, visible: str | None, expected: Devices
) -> None:
    monkeypatch.setattr(device, "_SIGNS", (str(tmp_path),))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    printed = json.dumps({"torch": "2.15.0", **answer}) if answer else ""
    monkeypatch.setattr(device.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=printed))
    assert find_devices() == expected


def test_nobody_is_asked_where_nothing_tells_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.shutil, "which", lambda name: None)
    monkeypatch.setattr(device, "_SIGNS", ())
    monkeypatch.setattr(device.subprocess, "run", None)
    assert find_devices() == Devices([], "there is no GPU here, or its driver is not installed")


@pytest.mark.gpu
def test_the_devices_are_torchs() -> None:
    import torch

    present = find_devices()
    assert [name for name, _ in present.usable] == [
        torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())
    ]
    assert present.usable
