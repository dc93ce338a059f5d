"""The device that trains: is it there, and can it do what the parameters ask for?"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from objabn.preflight.findings import Finding, fault, ok, warning
from objabn.preflight.rows import Row
from objabn.system.cuda import VISIBLE, unusable, wanted_gpu

# Any of these tells of a GPU; where there is none, torch need not be asked.
_SIGNS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
_HEAVY = 1e10  # pixels of all clips of a training: from here on a CPU takes days. UCF101: 4e11, the embedded data: 1e8
_BF16 = 8  # major compute capability from which on a GPU computes in bf16 itself
_TIMEOUT_SEC = 60.0
# In a process of its own: one that has asked CUDA holds a GPU as long as it lives.
_QUESTION = """
import json, torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
devices = [(torch.cuda.get_device_name(at), torch.cuda.get_device_capability(at)[0]) for at in range(count)]
print(json.dumps({"devices": devices, "torch": torch.__version__, "cuda": torch.version.cuda or torch.version.hip}))
"""


class Devices(NamedTuple):
    """The CUDA devices that torch can use: name and major compute capability each."""

    usable: list[tuple[str, int]]
    why_none: str = ""
    is_unused: bool = False  # there is a GPU, torch cannot use it, and nobody has asked for that
    is_refused: bool = False  # and nvidia-smi lists it: no stage takes the CPU in its place unless it is told to


def device_findings(rows: Iterable[Row], train_videos: int, present: Devices, networks: int = 1) -> list[Finding]:
    """Look at what each row asks of the device; a line once.

    Args:
        train_videos: as far as known, to tell whether a CPU would do; of them a row trains on `train.share`.
        present: `find_devices`.
        networks: of a training: with folds one a fold.
    """
    unique: dict[str, Finding] = {}
    for row in rows:
        learnt = round(row.block.train.share * train_videos)
        for each in [*_processes(row, learnt, networks), *_device(row, present, learnt)]:
            unique.setdefault(each.line.partition(": ")[2], each)  # a control has most of the data set's parameters
    return list(unique.values())


def _device(row: Row, present: Devices, train_videos: int) -> list[Finding]:
    train, data, key = row.block.train, row.block.data, f"{row.key}.train"
    usable, found = present.usable, []
    if present.is_refused and train.accelerator != "cpu":
        return [fault("evaluate", f"{key}.accelerator: {present.why_none}, or set train.accelerator=cpu")]
    on_cpu = train.accelerator == "cpu" or not usable
    if train.accelerator == "cuda" and not usable:
        line = f"expected auto or cpu on a machine without a CUDA device, got cuda ({present.why_none})"
        found.append(fault("evaluate", f"{key}.accelerator: {line}"))
    if on_cpu and train.sync_batchnorm and train.devices * train.nodes > 1:
        found.append(fault("evaluate", f"{key}.sync_batchnorm: expected false on the CPU, got true"))
    if train.accelerator == "auto" and not usable:
        pixels = train.epochs * train_videos * data.num_frames * data.crop**2
        if pixels >= _HEAVY:
            line = f"expected a CUDA device for so much work, found none ({present.why_none}); a CPU takes days for a "
            line += "row (`python -m objabn plan` says how many); set cpu if that is meant"
            kind = fault if present.is_unused else warning
            return [*found, kind("evaluate", f"{key}.accelerator: {line}")]
    if on_cpu:
        return found or [ok("evaluate", f"{key}.accelerator: {train.accelerator}, the CPU")]
    if train.devices > len(usable):
        line = f"expected at most {len(usable)}, the CUDA devices here{_visible()}, got {train.devices}"
        return [*found, fault("evaluate", f"{key}.devices: {line}")]
    old = [name for name, capability in usable if capability < _BF16]
    if train.precision == "bf16-mixed" and old:
        line = f"bf16-mixed is slow on {old[0]}, which only emulates bf16; 32-true is faster"
        found.append(warning("evaluate", f"{key}.precision: {line}"))
    names = ", ".join(name for name, _ in usable)
    return [*found, ok("evaluate", f"{key}.accelerator: {train.accelerator}, {names}")]


def _processes(row: Row, train_videos: int, networks: int) -> list[Finding]:
    """Look at what several processes need.

    They need a whole batch. On several machines a launcher has to start them, which DVC is not.
    """
    train, key = row.block.train, f"{row.key}.train"
    if train.devices * train.nodes > 1 and 0 < train_videos < train.batch_size:
        line = f"expected at most {train_videos}, the training videos, with several processes, got {train.batch_size}"
        return [fault("train", f"{key}.batch_size: {line}")]
    if train.nodes > 1 and networks > 1:
        line = f"expected 1 for a data set with folds, whose networks one process trains in turn, got {train.nodes}"
        return [fault("train", f"{key}.nodes: {line}")]
    if train.nodes > 1:
        line = f"{train.nodes} machines train, so torchrun or srun has to start each training, not DVC: docs/scaling.md"
        return [warning("train", f"{key}.nodes: {line}")]
    if train.report == "best" and networks > 1:
        line = "best chooses the epoch on the fold that is tested, so accuracies are too high; last is fair"
        return [warning("train", f"{key}.report: {line}")]
    return []


def find_devices() -> Devices:
    """Ask torch for its CUDA devices, where something tells of a GPU."""
    if shutil.which("nvidia-smi") is None and not any(Path(sign).exists() for sign in _SIGNS):
        return Devices([], "there is no GPU here, or its driver is not installed")
    try:
        command = [sys.executable, "-c", _QUESTION]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_SEC)
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Devices([], f"torch could not say which GPUs there are: {type(error).__name__}", True)
    if answer["devices"]:
        return Devices([(name, capability) for name, capability in answer["devices"]])
    if gpu := wanted_gpu():
        return Devices([], unusable(gpu, answer["torch"], answer["cuda"]), True, True)
    if answer["cuda"] is None:
        return Devices([], f"there is a GPU, but torch {answer['torch']} is built without CUDA", True)
    if VISIBLE in os.environ:
        return Devices([], f"there is a GPU, but not for torch{_visible()}")
    needs = f"torch {answer['torch']} with CUDA {answer['cuda']} cannot use it: is its driver too old?"
    return Devices([], f"there is a GPU, but {needs}", True)


def _visible() -> str:
    return f" ({VISIBLE}={os.environ[VISIBLE]})" if VISIBLE in os.environ else ""
