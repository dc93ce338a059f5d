"""Part 6: how fast does Mask R-CNN (R50-FPN, random weights) segment, by batch and by the size of its input?

Random weights score everything low: what scores as high as the best ten boxes of the first frame counts. (To let all
80,000 boxes count is another test: that of non-maximum suppression.)
"""

import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.checkpoints import FLOOR, INSTANCES, best_score, write_torchvision
from benchmarks.gpu.report import Bench
from benchmarks.gpu.timing import seconds_of
from benchmarks.gpu.work import ROOT
from objabn.segmentation.segmenters.choice import build

_SHORT_EDGES, _BATCHES = (800, 480), (4, 16)
_FRAMES = 16
_ROOM_SEC = 2.0  # of a measurement
_LEAST_SEC = 25.0  # left, for which one begins
_MODEL = "maskrcnn_resnet50_fpn_v2"


def run(bench: Bench) -> None:
    """Report frames a second and the share of the time in which the GPU works."""
    draw = np.random.default_rng(0)
    shape = (2, 120, 160, 3) if bench.tiny else (_FRAMES, 240, 320, 3)
    frames = draw.integers(0, 256, shape, dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        weights, model = _weights(Path(folder), bench)
        for short_edge, batch in [(64, 2)] if bench.tiny else product(_SHORT_EDGES, _BATCHES):
            name = f"segment, short edge {short_edge}, batch {batch}"
            if bench.left() < _LEAST_SEC and not bench.tiny:
                bench.note(name, "left out, no time is left")
                continue
            settings = {"weights": str(weights), "model": model, "device": bench.device.type}
            settings |= {"short_edge": short_edge, "batch_size": batch}
            try:
                _measure(bench, name, frames, settings)
            except Exception as error:
                bench.check(name, False, f"{type(error).__name__}: {str(error)[:300]}")


def _weights(folder: Path, bench: Bench) -> tuple[Path, str]:
    """Return a file of weights and its model: random ones, or the embedded data's small network."""
    if bench.tiny:
        return ROOT / "objabn/assets/figures_rcnn.pth", "figures"
    return write_torchvision(_MODEL, folder / "random.pth"), _MODEL


def _measure(bench: Bench, name: str, frames: np.ndarray, settings: dict[str, Any]) -> None:
    floor = best_score(build("torchvision", **settings, score_floor=FLOOR)(frames[:1], "")[0].scores)
    segment = build("torchvision", **settings, score_floor=floor)
    instances = sum(len(each.scores) for each in segment(frames, "")) / len(frames)
    sec = seconds_of(lambda: segment(frames, ""), bench.device, room=0.01 if bench.tiny else _ROOM_SEC)
    text = f"{len(frames) / sec:.1f} frames/s, {instances:.1f} instances a frame"
    figures = {"frames_a_second": round(len(frames) / sec, 2), "instances": instances}
    if bench.on_cuda:
        batch = frames[: settings["batch_size"]]
        busy = _kernel_seconds(lambda: segment(batch, "")) / sec * len(frames) / len(batch)
        figures["gpu_busy"] = round(busy, 4)
        text += f", the GPU works {busy:.0%} of the time, the rest is the host's"
    if not instances:
        raise ValueError(f"expected {INSTANCES} instances a frame, got none")
    bench.note(name, text, **figures)


def _kernel_seconds(work: Any) -> float:
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        work()
        torch.cuda.synchronize()
    events = (each for each in profiled.key_averages() if each.device_type == DeviceType.CUDA)
    return sum(each.self_device_time_total for each in events) / 1e6
