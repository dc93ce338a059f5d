"""Clips a second of training one row: ours, the loop that one writes around pytorchvideo, and our network fed one batch
that lies on the device, which is the most that any input path can reach.

python -m benchmarks.train                                  # the embedded data's profile, attention `mask`
python -m benchmarks.train --dataset ucf101 --batch-size 4 --steps 2 --repeats 3      # X3D-M, clips of 16 x 224 x 224
python -m benchmarks.train --busy           # ours alone and beside two busy loops of the lowest priority, by turns
python -m benchmarks.train --waits [--busy] # how ours waits for its threads: asleep, or looking for work so many times

The plain loop is float32 with contiguous tensors, pytorchvideo's layers and torch's defaults; its data set seeks with
decord and scales, crops, flips and normalises each clip on the CPU. All three train the same network with the same
losses and optimiser. Each has a process of its own, and they take turns. The videos are synthetic, H.264, of the
profile's size.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
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

import objabn.model.network
from benchmarks.waiting import POLICIES, VARIABLES, Environment, Served, measure_waiting, report_waiting
from objabn.clips.batches import Loader, clip_tensors, loader, mask_tensors
from objabn.clips.dataset import ClipDataset
from objabn.clips.sampling import crop_box, frame_indices
from objabn.config.file import load_params
from objabn.config.rows import MAPS
from objabn.config.schema import Dataset
from objabn.decoding.decode import decode_videos
from objabn.index.table import build
from objabn.model.device import make_fabric
from objabn.model.network import ObjectABN
from objabn.model.run import Run, build_model
from objabn.stores.array import StoreReader
from objabn.stores.frames import open_frames
from objabn.stores.masks import union_mask
from objabn.stores.table import read_table
from objabn.synthetic.scenes import plan
from objabn.synthetic.synthesize import write_videos
from objabn.system.waiting import wait_passively
from objabn.system.workers import num_cores
from objabn.training.checkpoint import Parts, Position
from objabn.training.losses import settings, total_loss
from objabn.training.optimiser import make_optimiser, make_scheduler
from objabn.training.train import train_epoch

MEAN, STD = 0.45, 0.225
PARTS = ("forward", "backward", "optimiser")
LOOPS = ("plain loop", "one resident batch", "ours")


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
        output, labels, attention=attention, union_masks=union, centroids=network.class_centroids,
        **settings(params),
    )  # fmt: skip
    marks.append(now())
    adam.zero_grad()
    loss.backward()
    marks.append(now())
    adam.step()
    marks.append(now())
    if clock is not None:
        for name, begin, end in zip(PARTS, marks, marks[1:], strict=False):
            clock[name] = clock.get(name, 0.0) + end - begin


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def load_profile(dataset: str, batch_size: int | None, workers: int | None, threads: int | None) -> Dataset:
    """A block of params.yaml, with no more loader processes than cores, and without a backbone's weights: they do not
    matter here and may not be there."""
    if workers is None:
        workers = min(load_params(Path("params.yaml")).datasets[dataset].machine.loader_workers, num_cores())
    changes = [f"datasets.{dataset}.machine.loader_workers={workers}"]
    if dataset != "synthetic":
        changes.append(f"datasets.{dataset}.model.pretrained=null")
    if batch_size:
        changes.append(f"datasets.{dataset}.train.batch_size={batch_size}")
    if threads:
        changes.append(f"datasets.{dataset}.train.threads={threads}")
    return load_params(Path("params.yaml"), changes).datasets[dataset]


def make_data(params: Dataset, clips: int, place: Path) -> None:
    """Writes synthetic videos, as many as an epoch has clips, their masks and the frame store."""
    for name in ("videos", "truth", "frames"):
        (place / name).mkdir()
    video = load_params(Path("params.yaml")).datasets["synthetic"].synthesize
    assert video is not None
    settings = video.model_dump() | {"train_videos": clips}
    if params.synthesize is None:  # about UCF101's length
        settings |= {
            "height": params.decode.height, "width": params.decode.width, "min_frames": 160, "max_frames": 200,
        }  # fmt: skip
    scenes = [scene for scene in plan(**settings) if scene[2] == "train"]
    index = build(pd.DataFrame(write_videos(scenes, place / "videos", place / "truth")), place / "videos")[0]
    decode_videos(index, place / "videos", place / "frames", params.decode)


class Loop:
    """One of the three, in a process of its own: `run` trains an epoch."""

    def __init__(self, name: str, params: Dataset, attention: str, place: Path) -> None:
        if name == "plain loop":
            objabn.model.network.quicken = lambda *_: None
        table = read_table(place / "frames")
        names, masks = sorted(set(table["label"])), StoreReader(place / "truth")
        used = masks if "o" in MAPS[attention] else None
        frames = open_frames(place / "frames", place / "videos", params.decode)
        self.own = ClipDataset(table, names, frames, used, params.data, params.mask, seed=0)
        self.plain = PlainDataset(table, place / "videos", names, masks, params)
        self.params, self.attention, self.clock = params, attention, dict[str, float]()
        torch.manual_seed(0)
        self.training = Run(params, attention, False, 0)
        self.network = build_model(self.training, len(names))
        self.run = {"plain loop": self._plain, "one resident batch": self._resident, "ours": self._ours}[name]
        if name == "plain loop":
            self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            self.network.to(self.device, memory_format=torch.contiguous_format).train()
            self.adam: Any = torch.optim.Adam(value for value in self.network.parameters() if value.requires_grad)
            return
        self.fabric = make_fabric(params)
        self.adam = make_optimiser(self.network, params)
        self.scheduler = make_scheduler(self.adam, params, 10**6)
        self.model, self.adam = self.fabric.setup(self.network, self.adam)
        self.network.train()
        workers = params.machine.loader_workers
        self.batches = Loader(
            self.own, params.train.batch_size, workers=workers, shuffle=True, device=self.fabric.device
        )
        batch = self.fabric.to_device(next(iter(loader(self.own, params.train.batch_size, workers=0, shuffle=True))))
        self.labels, self.clips = batch["label"], clip_tensors(batch, params.data.crop)
        self.union = mask_tensors(batch, "masks", self.network.map_size, params.mask.resize) if used else None

    def _plain(self) -> None:
        size = (self.network.map_size, self.network.map_size)
        train = self.params.train
        for each in DataLoader(
            self.plain, batch_size=train.batch_size, shuffle=True, num_workers=self.params.machine.loader_workers
        ):
            each = {name: value.to(self.device) for name, value in each.items()}
            union = F.interpolate(each["mask"], size, mode="nearest") if "o" in MAPS[self.attention] else None
            step(self.network, self.adam, self.params, self.attention, each["clip"], union, each["label"])

    def _resident(self) -> None:
        for _ in range(len(self.own) // self.params.train.batch_size):
            step(
                self.model, self.adam, self.params, self.attention, self.clips, self.union, self.labels, self.clock
            )  # fmt: skip

    def _ours(self) -> None:
        parts = Parts(self.network, self.adam, self.scheduler, {})
        train_epoch(self.model, parts, self.fabric, self.training, self.batches, Position(), None, probe=False)


def serve(loop: Loop) -> None:
    """Trains an epoch for each line of the standard input and prints what it took."""
    for _ in sys.stdin:
        loop.clock.clear()
        began = now()
        loop.run()
        report = {"seconds": now() - began, "clock": loop.clock, "threads": torch.get_num_threads()}
        report["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        report["gpu_peak_bytes"] = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
        print(json.dumps(report), flush=True)


def start(arguments: list[str], place: str, loop: str, environment: Environment) -> Served:
    """Start a loop in a process of its own."""
    return Served(
        loop, [sys.executable, "-m", "benchmarks.train", *arguments, "--place", place, "--loop", loop], environment
    )


def measure(arguments: list[str], place: str, repeats: int) -> dict[str, list[dict[str, Any]]]:
    """What each loop reported of each of its epochs but the first, which warms up."""
    torchs = {name: os.environ.get(name) for name in VARIABLES}  # the plain loop waits as torch does by default
    wait_passively()
    processes = {name: start(arguments, place, name, torchs if name == "plain loop" else {}) for name in LOOPS}
    rounds = [{name: process.run() for name, process in processes.items()} for _ in range(repeats + 1)]
    for process in processes.values():
        process.end()
    return {name: [each[name] for each in rounds[1:]] for name in processes}


def waiting(args: argparse.Namespace, clips: int, place: str) -> None:
    """Measure ours as `--busy` and `--waits` say, and print the ratios."""

    def ours(threads: int | None, environment: Environment) -> Served:
        chosen = ["--threads", str(threads)] if threads else []
        return start([*sys.argv[1:], *chosen], place, "ours", environment)

    threads = [1, 2] if args.waits and not args.threads else [args.threads]
    policies = list(POLICIES) if args.waits else ["passive"]
    report_waiting(measure_waiting(ours, threads, policies, busy=args.busy, repeats=args.repeats), clips)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="synthetic", help="a block of params.yaml (default: synthetic)")
    parser.add_argument("--attention", choices=sorted(MAPS), default="mask")
    parser.add_argument("--batch-size", type=int, help="clips (default: the profile's)")
    parser.add_argument("--workers", type=int, help="loader processes (default: the profile's, at most one a core)")
    parser.add_argument("--steps", type=int, default=20, help="batches an epoch (default: 20)")
    parser.add_argument("--repeats", type=int, default=5, help="epochs of which the median counts (default: 5)")
    parser.add_argument("--threads", type=int, help="of each process on the CPU (default: the profile's)")
    parser.add_argument(
        "--busy", type=int, nargs="?", const=2, default=0, metavar="N", help="ours alone and beside N busy loops (2)"
    )
    parser.add_argument(
        "--waits", action="store_true", help="ours, by how its threads wait; with --busy also beside them"
    )
    parser.add_argument("--loop", help=argparse.SUPPRESS)  # in a process of its own
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    params = load_profile(args.dataset, args.batch_size, args.workers, args.threads)
    if args.loop:
        serve(Loop(args.loop, params, args.attention, args.place))
        return
    clips = args.steps * params.train.batch_size
    with tempfile.TemporaryDirectory() as place:
        make_data(params, clips, Path(place))
        if args.busy or args.waits:
            waiting(args, clips, place)
            return
        reports = measure(sys.argv[1:], place, args.repeats)
    rates = {name: clips / statistics.median(each["seconds"] for each in all_) for name, all_ in reports.items()}
    threads = reports["ours"][0]["threads"]
    print(f"\n{args.dataset}, {args.attention}, {params.train.batch_size} clips a batch, {threads} threads\n")
    for name, rate in rates.items():
        print(f"{name:<20} {rate:>8.2f} clips/s  {rate / rates['ours']:>6.3f} x ours")
    busy = rates["ours"] / rates["one resident batch"]
    clock = {name: sum(each["clock"][name] for each in reports["one resident batch"]) for name in PARTS}
    shares = {name: round(busy * seconds / sum(clock.values()), 3) for name, seconds in clock.items()}
    shares["data and the rest"] = round(1 - busy, 3)
    print("shares of our step: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    last = reports["ours"][-1]
    print(f"peak memory {last['peak_bytes'] / 1e9:.1f} GB, of the GPU {last['gpu_peak_bytes'] / 1e9:.1f} GB")
    print(json.dumps({
        "plain_loop_ratio": round(rates["ours"] / rates["plain loop"], 3), "share_of_ceiling": round(busy, 3),
        "shares": shares, "peak_bytes": last["peak_bytes"], "gpu_peak_bytes": last["gpu_peak_bytes"],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
