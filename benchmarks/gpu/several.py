"""Part 8: several GPUs that train one network: the same loss as one, and a clear end when a process is killed."""

import csv
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.gpu.checkout import Checkout
from benchmarks.gpu.loading import write_stores
from benchmarks.gpu.report import Bench
from objabn.config.file import load_params

_MOST_DIFFERENCE = 0.01  # of the mean loss
_MESSAGE_SEC = 10.0
_STAGE_SEC = 180.0
# Equal up to rounding: no dropout, which each process draws for itself, and one set of statistics.
_CHANGES = (
    "decode.height=120", "decode.width=160", "model.dropout=0.0", "train.epochs=2", "train.batch_size=8",
    "train.precision=32-true", "machine.loader_workers=0",
)  # fmt: skip


def run(bench: Bench) -> None:
    """Report on two processes of one training, a GPU each."""
    if bench.on_cuda and torch.cuda.device_count() < 2:
        bench.note("several GPUs", "one GPU: not run")
        return
    with tempfile.TemporaryDirectory() as folder:
        own = (*_CHANGES, f"train.accelerator={bench.device.type}")
        checkout = Checkout(Path(folder), changes=own)
        data = checkout.folder / "data" / checkout.dataset
        data.mkdir(parents=True)
        params = load_params(checkout.folder / "params.yaml").datasets[checkout.dataset]
        write_stores(data, params, 32, 36, splits=("train", "train", "train", "test"))
        (data / "index.csv").write_text("made by the benchmark\n")
        (data / "masks/instances.parquet").write_text("made by the benchmark\n")
        losses = {}
        for devices in (1, 2):
            together = f"train.sync_batchnorm={str(bench.on_cuda and devices > 1).lower()}"
            checkout.write_params(*own, f"train.devices={devices}", together)
            began = time.perf_counter()
            printed = checkout.train(devices).end(_STAGE_SEC)
            run_dir = checkout.folder / "runs" / checkout.dataset / f"mask/pc-false/seed-{devices}"
            with open(run_dir / "curves.csv", newline="") as file:
                losses[devices] = statistics.mean(float(row["loss"]) for row in csv.DictReader(file))
            bench.note(f"{devices} devices", f"{time.perf_counter() - began:.1f} s; {printed[-1] if printed else ''}")
        difference = abs(losses[2] - losses[1]) / losses[1]
        text = f"loss of one {losses[1]:.4f}, of two {losses[2]:.4f} ({difference:.2%})"
        if bench.on_cuda:
            bench.check("two as one", difference <= _MOST_DIFFERENCE, text, difference=difference)
        else:
            bench.note("two as one", f"{text}; on the CPU each has statistics of its own clips", difference=difference)
        _kill_one(bench, checkout)


def _kill_one(bench: Bench, checkout: Checkout) -> None:
    """Kill a process of a training, and time the line that says so."""
    training = checkout.train(3)
    training.wait_for("epoch 1/", _STAGE_SEC)
    process = max(_children(training.process.pid))
    os.kill(process, signal.SIGKILL)
    began = time.perf_counter()
    line = training.wait_for("killed by SIGKILL", 3 * _MESSAGE_SEC)
    sec = time.perf_counter() - began
    training.process.wait(_STAGE_SEC)
    bench.check("one of two killed", sec <= _MESSAGE_SEC, f"after {sec:.1f} s: {line}", seconds=round(sec, 2))


def _children(process: int) -> list[int]:
    """Return the processes that a process has spawned to train; multiprocessing's own helper is none of them."""
    numbers = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(each) for each in numbers if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]
