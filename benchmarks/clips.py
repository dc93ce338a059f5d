"""Milliseconds of a clip's way from the store to the network, part by part, and bytes of a batch.

python -m benchmarks.clips                       # the embedded data's profile, one thread
python -m benchmarks.clips --dataset ucf101

The crops are sampled in two ways that take turns: by embedding bags, as here on the CPU, and by grid_sample, as on a
GPU. The bytes are those that a worker hands over, with whole frames and with cut ones. The epochs are of a loader whose
workers live on, and of a new loader each time.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import default_collate

from benchmarks.train import load_profile, make_data
from objabn.clips import geometry
from objabn.clips.batches import Loader, clip_tensors, loader, mask_tensors
from objabn.clips.cuts import collate_cuts
from objabn.clips.dataset import ClipDataset
from objabn.config.schema import Dataset
from objabn.stores.array import StoreReader
from objabn.stores.frames import open_frames
from objabn.stores.table import read_table
from objabn.system.memory import reuse_freed_memory


def in_turn(parts: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each part; each is done once before to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for repeat in range(repeats + 1):
        for name, part in parts.items():
            began = time.perf_counter()
            part()
            if repeat:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def by_grid_sample(batch: dict[str, torch.Tensor], crop: int) -> torch.Tensor:
    has_fast_bags = geometry.has_fast_bags
    geometry.has_fast_bags = lambda: False
    try:
        return clip_tensors(batch, crop)
    finally:
        geometry.has_fast_bags = has_fast_bags


def measure(params: Dataset, place: Path, repeats: int) -> dict[str, float]:
    table, size = read_table(place / "frames"), params.train.batch_size
    names, frames = sorted(set(table["label"])), open_frames(place / "frames", place / "videos", params.decode)
    dataset = ClipDataset(table, names, frames, StoreReader(place / "truth"), params.data, params.mask, seed=0)
    batch = next(loader(dataset, size, workers=0, shuffle=True))
    crop, resize = params.data.crop, params.mask.resize
    alike = torch.equal(clip_tensors(batch, crop), by_grid_sample(batch, crop))
    seconds = in_turn(
        {
            "read": lambda: [dataset[number] for number in range(size)],
            "clips": lambda: clip_tensors(batch, crop),
            "clips by grid_sample": lambda: by_grid_sample(batch, crop),
            "masks": lambda: mask_tensors(batch, "masks", 14, resize),
        },
        repeats,
    )
    result = {f"{name}, ms a clip": 1e3 * statistics.median(values) / size for name, values in seconds.items()}
    pairs = zip(seconds["clips by grid_sample"], seconds["clips"], strict=True)
    result["grid_sample / bags"] = statistics.median(slow / fast for slow, fast in pairs)
    result["the same bits"] = float(alike)
    items = [dataset[number] for number in range(size)]
    for name, collate in (("whole", default_collate), ("cut", collate_cuts)):
        result[f"bytes of a batch, {name}"] = sum(value.nbytes for value in collate(items).values())
    with Loader(dataset, size, workers=2, shuffle=True) as living:
        epochs = in_turn(
            {
                "living": lambda: next(living.epoch(0)),
                "new": lambda: next(loader(dataset, size, workers=2, shuffle=True)),
            },
            repeats,
        )
    return result | {f"first batch of 2 {name} workers, ms": 1e3 * statistics.median(epochs[name]) for name in epochs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="synthetic", help="a block of params.yaml (default: synthetic)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15, help="measurements of which the median counts (default: 15)")
    args = parser.parse_args()
    reuse_freed_memory()
    torch.set_num_threads(args.threads)
    params = load_profile(args.dataset, None, 0)
    with tempfile.TemporaryDirectory() as place:
        make_data(params, 2 * params.train.batch_size, Path(place))
        result = measure(params, Path(place), args.repeats)
    for name, value in result.items():
        print(f"{name:<36} {value:>14,.2f}")
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
