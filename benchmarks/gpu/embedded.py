"""Part 7: the embedded data from its videos to its numbers, on this device; a killed training; two at a time.

The bounds are around what trainings of the row `mask` reach on CPUs (tables/synthetic.md).
"""

import importlib.util
import os
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.gpu.checkout import Checkout
from benchmarks.gpu.report import Bench
from objabn.config.file import load_params
from objabn.evaluation.numbers import column, over_seeds, read_numbers
from objabn.system.workers import num_cores

BOUNDS = {"top1": (88.0, 100.0), "entropy_o": (1.3, 1.8), "iou_truth_o": (0.58, 1.0)}
_LIBRARIES = ("av", "cv2", "imagecodecs", "zarr", "pyarrow", "scipy")  # of the stages
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_WAITS = "waiting for other stages"  # objabn/system/gpus.py
_STAGE_SEC = 240.0
_TINY = (
    "synthesize.train_videos=16", "synthesize.test_videos=8", "synthesize.min_frames=20", "synthesize.max_frames=22",
    "data.num_frames=4", "data.crop=32", "data.short_side_min=32", "data.short_side_max=36", "data.short_side_eval=32",
    "model.attention_channels=8", "model.attention_depth=1", "machine.max_failed=0.3",
)  # fmt: skip


def run(bench: Bench) -> None:
    """Report the row's numbers, and how interrupted and concurrent trainings end."""
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        bench.note("embedded data", f"not run: {', '.join(missing)} not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        changes = (f"train.accelerator={bench.device.type}", *(_TINY if bench.tiny else ()))
        checkout = Checkout(Path(folder), changes=changes)
        _numbers(bench, checkout)
        for test in (_killed, _two_at_a_time):
            try:
                test(bench, checkout)
            except Exception as error:
                bench.check(test.__name__.strip("_").replace("_", " "), False, f"{type(error).__name__}: {error}")


def _numbers(bench: Bench, checkout: Checkout) -> None:
    """Run all stages of a row, and check what evaluation finds."""
    row = ("--attention", "mask", "--pc", "false")
    began = time.perf_counter()
    _make_videos(checkout)
    bench.note("videos", f"made in {time.perf_counter() - began:.1f} s by {num_cores()} cores")
    stages = {"decode": (), "segment": (), "train": (*row, "--seed", "0"), "evaluate": row}
    for stage, arguments in stages.items():
        began = time.perf_counter()
        printed = checkout.start(stage, *arguments).end(_STAGE_SEC)
        sec = time.perf_counter() - began
        last = printed[-1] if printed and stage in ("segment", "train") else ""
        bench.note(f"stage {stage}", f"{sec:.1f} s{', ' if last else ''}{last}", seconds=round(sec, 2))
    results = checkout.folder / "results" / checkout.dataset / "mask/pc-false.csv"
    numbers = {column(*key): number.mean for key, number in over_seeds(read_numbers(results)).items()}
    for name, (low, high) in BOUNDS.items():
        text = f"{numbers[name]:.3f}, expected {low:g} to {high:g}"
        if bench.tiny:
            bench.note(f"row mask {name}", text)
        else:
            bench.check(f"row mask {name}", low <= numbers[name] <= high, text, value=numbers[name])


def _make_videos(checkout: Checkout) -> None:
    """Make videos, truth and index as the stage `synthesize` does, which would first check the whole pipeline."""
    from objabn.index.table import build, write_index
    from objabn.synthetic.scenes import plan
    from objabn.synthetic.synthesize import write_videos

    data = checkout.folder / "data" / checkout.dataset
    for name in ("videos", "truth"):
        (data / name).mkdir(parents=True)
    asked = load_params(checkout.folder / "params.yaml").datasets[checkout.dataset].synthesize
    assert asked is not None
    listed = write_videos(plan(**asked.model_dump()), data / "videos", data / "truth")
    write_index(build(pd.DataFrame(listed), data / "videos")[0], data / "index.csv")


def _killed(bench: Bench, checkout: Checkout) -> None:
    """Kill a training at half, and let another process go on."""
    epochs = 4
    training = checkout.train(1)
    training.wait_for(f"epoch {epochs // 2}/{epochs}: ", _STAGE_SEC)
    training.kill()
    began = time.perf_counter()
    printed = checkout.train(1).end(_STAGE_SEC)
    goes_on = [line for line in printed if line.startswith("goes on after ")]
    ended = any(f"epoch {epochs}/{epochs}: " in line for line in printed)
    text = f"{goes_on[0] if goes_on else 'began anew'}, ended in {time.perf_counter() - began:.1f} s"
    bench.check("killed at half", bool(goes_on) and ended and goes_on[0].split()[3] != "0", text)


def _two_at_a_time(bench: Bench, checkout: Checkout) -> None:
    """Start two trainings at once where CUDA shows one GPU: one of them has to wait."""
    one = {_VISIBLE: os.environ.get(_VISIBLE, "0").split(",")[0]} if bench.on_cuda else {}
    both = [checkout.train(seed, **one) for seed in (2, 3)]
    waits = [line for training in both for line in training.end(_STAGE_SEC) if _WAITS in line]
    if bench.on_cuda:
        text = waits[0] if waits else "none waited"
        bench.check("two at a time", bool(waits), f"{text}; both ended well")
    else:
        bench.note("two at a time", "both ended well; on the CPU neither waits")
