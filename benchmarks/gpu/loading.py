"""Part 5: how many clips a second does the loader give, and does a step of training wait for them?

The store is made here, of pictures whose jpegs are as large as those of real videos, so no library of videos is asked.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.gpu.report import Bench
from benchmarks.gpu.timing import synchronise
from benchmarks.gpu.work import CLASSES, Training, parameters
from objabn.clips import batches
from objabn.clips.dataset import ClipDataset
from objabn.config.schema import Dataset
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.frames import open_frames
from objabn.stores.masks import GRID
from objabn.stores.table import read_table

_WORKERS = (0, 2, 8)
_BATCHES = {0: 6, 2: 16, 8: 60}  # that count, by workers
_STEPS = 80  # with the step of training
_MOST_WAITING = 0.05
_PREFETCHED = 2  # batches that each worker holds ready at the beginning


def run(bench: Bench) -> None:
    """Report the loader's rates, and the share of a step's time in which it waits."""
    params = parameters(bench.device, tiny=bench.tiny)
    with tempfile.TemporaryDirectory() as folder:
        videos, frames = (4, 12) if bench.tiny else (24, 96)
        size = write_stores(Path(folder), params, videos, frames)
        bench.note("store", f"{videos * frames} frames of {size / 1e3:.1f} kB", bytes_a_frame=round(size))
        for workers in (0, 2) if bench.tiny else _WORKERS:
            count = 2 if bench.tiny else _BATCHES[workers]
            first = 1 + _PREFETCHED * workers
            rate = _rate(open_clips(Path(folder), params, first + count), params, workers, first, bench.device)
            text = f"{rate:.0f} clips/s, {rate / max(workers, 1):.0f} a process"
            bench.note(f"loader, {workers} workers", text, clips_a_second=round(rate, 1))
        _with_step(bench, Path(folder), params)


def write_stores(
    folder: Path, params: Dataset, videos: int, frames: int, *, splits: tuple[str, ...] = ("train",)
) -> float:
    """Write a frame store and a mask store, and return the bytes of a frame.

    The pictures are smooth fields of colours with some noise, that move a little from frame to frame. Each video
    has a class of its own. The videos take turns in being of one of `splits`.
    """
    height, width = params.decode.height, params.decode.width
    (folder / "frames").mkdir()
    (folder / "masks").mkdir()
    decode, shard = params.decode, 256
    pictures = StoreWriter(
        folder / "frames", (height, width, 3), codec=decode.codec, quality=decode.quality, frames_per_shard=shard
    )
    masks = StoreWriter(folder / "masks", (2, GRID, GRID), frames_per_shard=shard)
    draw = np.random.default_rng(0)
    planes = np.zeros((frames, 2, GRID, GRID), np.uint8)
    planes[:, 0, 32:96, 32:96] = 255
    for number in range(videos):
        coarse = torch.from_numpy(draw.uniform(0, 255, (1, 3, height // 12, width // 12))).float()
        field = F.interpolate(coarse, (height, width), mode="bilinear")[0].permute(1, 2, 0).numpy()
        noise = draw.normal(0, 4, (8, height, width, 3))
        moved = [np.roll(field, at, axis=1) + noise[at % 8] for at in range(frames)]
        row = {
            "video": f"v{number}",
            "path": f"v{number}",
            "label": f"class {number:03}",
            "split": splits[number % len(splits)],
        }
        row |= {"height": height, "width": width, "status": "ok", "error": "", "digest": str(number)}
        pictures.append(np.clip(np.stack(moved), 0, 255).astype(np.uint8), **row)
        masks.append(planes, video=f"v{number}")
    pictures.close()
    masks.close()
    stored = sum(path.stat().st_size for path in (folder / "frames/array.zarr").rglob("*") if path.is_file())
    return stored / (videos * frames)


def open_clips(folder: Path, params: Dataset, num_batches: int) -> ClipDataset:
    """Open so many batches of training clips; videos come again and again."""
    table = read_table(folder / "frames")
    rows = table.iloc[np.arange(num_batches * params.train.batch_size) % len(table)]
    names = [f"class {number:03}" for number in range(CLASSES)]
    frames = open_frames(folder / "frames", folder, params.decode)
    return ClipDataset(rows, names, frames, StoreReader(folder / "masks"), params.data, params.mask, seed=0)


def _batches(dataset: ClipDataset, params: Dataset, workers: int, device: torch.device) -> Iterator[dict[str, Tensor]]:
    """Yield the batches of an epoch as a training gets them."""
    return batches.loader(dataset, params.train.batch_size, workers=workers, seed=0, shuffle=True, device=device)


def _rate(dataset: ClipDataset, params: Dataset, workers: int, first: int, device: torch.device) -> float:
    """Return clips a second, counted from a batch on: before it come the workers' start and what they held ready."""
    began, clips = 0.0, 0
    for number, batch in enumerate(_batches(dataset, params, workers, device), 1):
        if number > first:
            clips += len(batch["label"])
        elif number == first:
            began = time.perf_counter()
    return clips / (time.perf_counter() - began)


def _with_step(bench: Bench, folder: Path, params: Dataset) -> None:
    """Report the rate of training from the store, and the share of waiting once the workers are under way."""
    workers = 2 if bench.tiny else max(_WORKERS)
    first = 1 + _PREFETCHED * workers
    steps = 2 if bench.tiny else _STEPS
    training = Training(params)
    source = iter(_batches(open_clips(folder, params, first + steps), params, workers, bench.device))
    waited = began = 0.0
    for number in range(first + steps):
        if number == first:
            waited, began = 0.0, time.perf_counter()
        asked = time.perf_counter()
        batch = training.fabric.to_device(next(source))
        waited += time.perf_counter() - asked
        training.step(batch)
        synchronise(bench.device)
    whole = time.perf_counter() - began
    source.close()
    rate, share = steps * params.train.batch_size / whole, waited / whole
    text = f"{rate:.0f} clips/s from the store, {share:.1%} waiting, with {workers} workers"
    figures = {"clips_a_second": round(rate, 1), "waiting": round(share, 4)}
    if bench.on_cuda:
        bench.check("training from the store", share < _MOST_WAITING, text, **figures)
    else:
        bench.note("training from the store", text, **figures)
