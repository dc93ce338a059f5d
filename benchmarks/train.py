"""Clips a second of training one row: ours, the loop that one writes around pytorchvideo, and the same network fed one
batch that lies on the device, which is the most that any input path can reach.

python -m benchmarks.train                       # the embedded data's profile, attention `mask`
python -m benchmarks.train --attention mha --repeats 5

The plain loop is float32 with contiguous tensors; its data set seeks with decord and scales, crops, flips and
normalises each clip on the CPU. All three train the same network with the same losses and optimiser, and take turns.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import decord
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from objabn.clips import ClipDataset, clip_tensors, crop_box, frame_indices, loader, mask_tensors
from objabn.decoding import decode_videos
from objabn.devices import make_fabric
from objabn.index import build
from objabn.losses import LossWeights, total_loss
from objabn.masks import union_mask
from objabn.model import ObjectABN
from objabn.parameter_file import load_params
from objabn.params import MAPS, Dataset
from objabn.resume import Parts, Position
from objabn.sources import open_frames
from objabn.stores import StoreReader
from objabn.synthetic import plan
from objabn.synthetic_files import write_videos
from objabn.training import _optimiser, _scheduler, _train_epoch, build_model

MEAN, STD = 0.45, 0.225


class PlainDataset(TorchDataset[dict]):
    """Clips as a pytorchvideo user has them: decoded, scaled, cropped and normalised one by one, float32."""

    def __init__(
        self, table: pd.DataFrame, videos: Path, names: list[str], masks: StoreReader, params: Dataset
    ) -> None:
        self._rows, self._videos, self._names = table.to_dict("records"), videos, names
        self._masks, self._params = masks, params
        self._draw = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        row, data = self._rows[number], self._params.data
        span = (data.num_frames - 1) * data.frame_stride + 1
        start = int(self._draw.integers(max(row["frames"] - span, 0) + 1))
        indices = frame_indices(row["frames"], start, data.num_frames, data.frame_stride, data.pad)
        reader = decord.VideoReader(str(self._videos / row["path"]), num_threads=1)
        frames = torch.from_numpy(reader.get_batch(indices).asnumpy()).permute(3, 0, 1, 2).float() / 255  # (3, T, H, W)
        box, flip = crop_box(data, row["height"], row["width"], self._draw)
        planes = self._masks.read(row["video"], indices)
        union = torch.from_numpy(union_mask(planes, self._params.mask.score_threshold, self._params.mask.groups))
        clip = self._cropped(frames, box, flip, data.crop)
        mask = self._cropped(union[None].float(), box, flip, data.crop)
        return {"clip": (clip - MEAN) / STD, "mask": mask[0], "label": torch.tensor(self._names.index(row["label"]))}

    @staticmethod
    def _cropped(video: Tensor, box: np.ndarray, flip: bool, size: int) -> Tensor:
        """(C, T, H, W) to (C, T, size, size): scaled as a whole first, as torchvision's and pytorchvideo's do."""
        x0, y0, x1, y1 = box.tolist()
        height, width = round(size / (y1 - y0)), round(size / (x1 - x0))
        scaled = F.interpolate(video.transpose(0, 1), (height, width), mode="bilinear", antialias=True).transpose(0, 1)
        top, left = min(round(y0 * height), height - size), min(round(x0 * width), width - size)
        cropped = scaled[..., top : top + size, left : left + size]
        return cropped.flip(-1) if flip else cropped


def step(network: ObjectABN, adam: Any, params: Dataset, attention: str, clips: Tensor, union: Any, labels: Tensor,
         clock: dict[str, float] | None = None) -> None:  # fmt: skip
    """One step of training, whose parts are added to `clock` in seconds."""
    marks = [now()]
    output = network(clips)
    loss, _ = total_loss(
        *output, labels, attention=attention, union_masks=union, centroids=network.centroids,
        weights=LossWeights(**params.weights.model_dump()), pc_norm=params.train.pc_norm,
    )  # fmt: skip
    marks.append(now())
    adam.zero_grad()
    loss.backward()
    marks.append(now())
    adam.step()
    marks.append(now())
    if clock is not None:
        for name, begin, end in zip(("forward", "backward", "optimiser"), marks, marks[1:], strict=False):
            clock[name] = clock.get(name, 0.0) + end - begin


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def make_loops(
    params: Dataset, attention: str, steps: int, place: Path, clock: dict[str, float]
) -> dict[str, Callable[[], None]]:
    """By name: trains as many clips as `steps` batches hold."""
    size = params.train.batch_size
    assert params.synthesize is not None
    scenes = [scene for scene in plan(**params.synthesize.model_dump()) if scene[2] == "train"][: steps * size]
    for name in ("videos", "truth", "frames"):
        (place / name).mkdir()
    index = build(pd.DataFrame(write_videos(scenes, place / "videos", place / "truth")), place / "videos")[0]
    table = decode_videos(index, place / "videos", place / "frames", params.decode)
    names, masks = sorted(set(table["label"])), StoreReader(place / "truth")
    readers = open_frames(place / "frames", place / "videos", params.decode), masks if "o" in MAPS[attention] else None
    own = ClipDataset(table, names, *readers, params.data, params.mask, seed=0)
    plain_set = PlainDataset(table, place / "videos", names, masks, params)
    fabric = make_fabric(params)

    def parts() -> tuple[Any, Parts]:
        torch.manual_seed(0)
        network = build_model(params, attention, False, len(names))
        adam = _optimiser(network, params)
        model, optimiser = fabric.setup(network, adam)
        return model, Parts(network, optimiser, _scheduler(adam, params, 10**6))

    def union_of(masks_: Tensor, network: ObjectABN) -> Tensor | None:
        size_ = (network.map_size, network.map_size)
        return F.interpolate(masks_, size_, mode="nearest") if "o" in MAPS[attention] else None

    model, ours = parts()
    _, plain = parts()
    plain.network.to(memory_format=torch.contiguous_format).train()
    _, ceiling = parts()
    ceiling.network.train()
    batch = fabric.to_device(next(iter(loader(own, size, workers=0, shuffle=True))))
    resident = clip_tensors(batch, params.data.crop)
    union = mask_tensors(batch, "masks", ceiling.network.map_size, params.mask.resize) if readers[1] else None

    def run_plain() -> None:
        for each in DataLoader(plain_set, batch_size=size, shuffle=True, num_workers=params.train.workers):
            each = fabric.to_device(each)
            target = union_of(each["mask"], plain.network)
            step(plain.network, plain.optimiser, params, attention, each["clip"], target, each["label"])

    def run_ceiling() -> None:
        for _ in range(steps):
            step(ceiling.network, ceiling.optimiser, params, attention, resident, union, batch["label"], clock)

    return {
        "plain loop": run_plain,
        "one resident batch": run_ceiling,
        "ours": lambda: _train_epoch(model, ours, fabric, params, attention, own, 0, Position(), None) and None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attention", choices=sorted(MAPS), default="mask")
    parser.add_argument("--steps", type=int, default=20, help="batches an epoch (default: 20)")
    parser.add_argument("--repeats", type=int, default=5, help="epochs of which the median counts (default: 5)")
    args = parser.parse_args()
    params = load_params(Path("params.yaml")).datasets["synthetic"]
    clock: dict[str, float] = {}
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        loops = make_loops(params, args.attention, args.steps, Path(place), clock)
        for repeat in range(args.repeats + 1):
            for name, loop in loops.items():
                began = now()
                loop()
                if repeat:  # the first round warms up
                    taken.setdefault(name, []).append(now() - began)
            if not repeat:
                clock.clear()
    clips = args.steps * params.train.batch_size
    rates = {name: clips / statistics.median(seconds) for name, seconds in taken.items()}
    print(f"{args.attention}, {params.train.batch_size} clips a batch, {torch.get_num_threads()} threads\n")
    for name, rate in rates.items():
        print(f"{name:<20} {rate:>8.1f} clips/s  {rate / rates['ours']:>6.2f} x ours")
    busy = rates["ours"] / rates["one resident batch"]
    total = sum(clock.values())
    shares = {name: round(busy * seconds / total, 3) for name, seconds in clock.items()}
    shares["data and the rest"] = round(1 - busy, 3)
    print("shares of our step: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    print(json.dumps({
        "plain_loop_ratio": round(rates["ours"] / rates["plain loop"], 3), "share_of_ceiling": round(busy, 3),
        "shares": shares, "peak_bytes": peak, "gpu_peak_bytes": gpu,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
