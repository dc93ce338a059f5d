"""All segmenters in one run: time of a frame, work, sizes and licence, beside detectron2's demo loop.

python -m benchmarks.segmenters                                  # all that are installed; on two CPU cores half an hour
python -m benchmarks.segmenters --only motion rf-detr-seg-small  # these
python -m benchmarks.segmenters --bf16                           # on a GPU: what has the switch in bf16, too
python -m benchmarks.segmenters --stage --only figures detectron2  # from frame store to side cache, overlapped or not

Networks have the published sizes and random weights: this says how fast they are, and nothing of their masks. Each
keeps what scores as high as its best ten instances of the first frame; SAM 3 keeps all. Semantic models have none. Rows
take turns; the first round does not count, and the median of the others does. The peer is `DefaultPredictor`, a frame
at a time, Mask R-CNN R50-FPN 3x, short edge 800. "adds MB" is what a row's library and its needs bring to an
environment that has requirements.txt. Operations are those that torch counts (products of matrices, convolutions).
"""

import argparse
import importlib.metadata
import importlib.util
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from packaging.requirements import Requirement
from pydantic import TypeAdapter
from torch.utils.flop_counter import flop_registry

from benchmarks.checkpoints import (
    CHECKPOINTS,
    FLOOR,
    best_score,
    write_checkpoint,
    write_detectron2,
    write_torchvision,
)
from benchmarks.segment import FIGURES, default_predictor_loop, embedded_frames
from objabn.config.segmenters import SEMANTIC, Segment
from objabn.plan.operations import Operations
from objabn.segmentation.provenance import LICENCES, provenance
from objabn.segmentation.segment import compute_missing
from objabn.segmentation.segmenters.choice import build
from objabn.segmentation.segmenters.detectron2 import MODEL
from objabn.segmentation.segmenters.rcnn import device_of
from objabn.segmentation.units import Unit
from objabn.stores.array import StoreReader, StoreWriter
from objabn.system.cache import Cache

ROOT = Path(__file__).parents[1]
PEER = "detectron2's demo loop"
SIZE = (320, 240)  # of the frames: UCF101's
MOTION = {"backend": "motion", "stride": 1, "threshold": 25.0, "min_area": 0.002}
MASK_RCNN = ("maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2")
PROMPTS = {"person": ["person"], "hand": ["hand"], "object": ["object held in the hand"]}
ROWS = ("motion", "figures", *SEMANTIC, *MASK_RCNN, PEER, "detectron2", *CHECKPOINTS)
NEEDS = {PEER: "detectron2", "detectron2": "detectron2", **dict.fromkeys(CHECKPOINTS, "transformers")}
VIDEOS = 6  # of --stage, of 64 frames
FEW = {"motion": 64, "figures": 64, "eomt-large-640": 1, "sam3": 1, "mask2former-swin-large": 1}  # frames, else 4


class Row(NamedTuple):
    """A segmenter that is ready."""

    run: Callable[[np.ndarray], Any]
    licence: str
    weights_bytes: int


def block_of(name: str, weights: Path) -> dict[str, Any]:
    """A row's block of params.yaml."""
    if name == "motion":
        return MOTION
    block: dict[str, Any] = {"stride": 1, "weights": str(weights)}
    if name in CHECKPOINTS:
        block |= {"revision": None, "score_floor": 0.05, "bf16": False, "overlap": True}
        if name == "sam3":
            return {"backend": "sam3", **block, "prompts": PROMPTS}
        short_edge = 800 if name.startswith("mask2former") else None
        return {"backend": "transformers", **block, "short_edge": short_edge, "class_names": "coco", "batch_size": 4}
    if name in SEMANTIC:
        return {"backend": "torchvision", **block, "model": name, "short_edge": 520, "batch_size": 4}
    block |= {"score_floor": 0.05, "short_edge": 800, "proposals": 1000, "batch_size": 4}
    if name == "figures":
        block |= {"short_edge": 192, "proposals": 30, "batch_size": 16}
    if name == "detectron2":
        return {"backend": "detectron2", **block, "model": MODEL}
    return {"backend": "torchvision", **block, "model": name}


def write_weights(name: str, folder: Path) -> Path:
    """Write a row's weights; the path that its block names."""
    if name == "figures":
        return FIGURES
    if name in CHECKPOINTS:
        return folder / name if (folder / name).is_dir() else write_checkpoint(name, folder / name)
    if name in (PEER, "detectron2"):
        path = folder / "detectron2.pth"
        return path if path.is_file() else write_detectron2(path)
    return write_torchvision(name, folder / f"{name}.pth")


def make(name: str, folder: Path, frames: np.ndarray, *, bf16: bool = False) -> Row:
    """Write a row's weights and load them."""
    weights = Path() if name == "motion" else write_weights(name, folder)
    file = weights / "model.safetensors" if weights.is_dir() else weights
    num_bytes = file.stat().st_size if name != "motion" else 0
    block = block_of("detectron2" if name == PEER else name, weights)
    told = provenance(TypeAdapter(Segment).validate_python(block))
    licence = told["licence"] if name in ("motion", "figures") else LICENCES[told.get("architecture", block["backend"])]
    if name not in ("motion", "figures", *SEMANTIC):
        block["score_floor"] = FLOOR
        if name != "sam3":  # it takes long, and some masks more are nothing beside it
            block["score_floor"] = best_score(build(**block)(frames[:1], "")[0].scores)
    if name == PEER:
        return Row(default_predictor_loop(weights, 800, block["score_floor"]), licence, num_bytes)
    segment = build(**{**block, "bf16": bf16})
    return Row(lambda batch: segment(batch, "v"), licence, num_bytes)


def measure(rows: dict[str, Row], frames: np.ndarray, repeats: int) -> dict[str, float]:
    """Seconds a frame: rows take turns, the median of the rounds after the first."""
    taken: dict[str, list[float]] = {name: [] for name in rows}
    for repeat in range(repeats + 1):
        for name, row in rows.items():
            batch = frames[: frames_of(name)]
            synchronise()
            began = time.perf_counter()
            row.run(batch)
            synchronise()
            if repeat:
                taken[name].append((time.perf_counter() - began) / len(batch))
    return {name: statistics.median(values) for name, values in taken.items()}


def frames_of(name: str) -> int:
    if torch.cuda.is_available():
        return 64 if name in ("motion", "figures") else 16
    return FEW.get(name.removesuffix(BF16), 4)


def measure_stage(rows: dict[str, Row], frames: np.ndarray, repeats: int) -> dict[str, tuple[float, float]]:
    """Frames a second from frame store to side cache: one after the other, and overlapped (`segment.overlap`)."""
    taken: dict[str, dict[bool, list[float]]] = {name: {False: [], True: []} for name in rows}
    with tempfile.TemporaryDirectory() as folder:
        (store := Path(folder, "frames")).mkdir()
        writer = StoreWriter(store, frames.shape[1:], frames_per_shard=1024)
        names = [f"v{number}" for number in range(VIDEOS)]
        for name in names:
            writer.append(frames, video=name)
        writer.close()
        for (repeat, overlap), (name, row) in product(product(range(repeats + 1), (False, True)), rows.items()):
            units = [Unit(video, f"{number:032x}", len(frames)) for number, video in enumerate(names)]
            began = time.perf_counter()
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                segmenter = lambda batch, _, row=row: row.run(batch)  # noqa: E731
                list(compute_missing(units, StoreReader(store), segmenter, Cache(Path(cache)), overlap=overlap))
            if repeat:
                taken[name][overlap].append(len(frames) * VIDEOS / (time.perf_counter() - began))
    return {name: (statistics.median(both[False]), statistics.median(both[True])) for name, both in taken.items()}


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def operations(row: Row, frames: np.ndarray) -> int:
    """FLOPs of a frame, as torch counts them: two for each product that is added."""
    with _Whole() as counted:
        row.run(frames[:1])
    return counted.flops


class _Whole(Operations):
    """In inference mode an operation that consists of others comes whole: count its parts."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._overloadpacket not in flop_registry:
            with self:
                parts = func.decompose(*args, **(kwargs or {}))
            if parts is not NotImplemented:
                return parts
        return super().__torch_dispatch__(func, types, args, kwargs)


def installed_bytes(library: str) -> int:
    """Bytes of the distributions that a library needs and requirements.txt does not bring."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    have = set().union(*(closure(line) for line in lines if line))
    return sum(size for name in closure(library) - have for size in file_sizes(name))


def closure(requirement: str) -> set[str]:
    """Names of the distributions that a requirement brings, as far as they are installed."""
    found: set[str] = set()
    todo = [Requirement(requirement)]
    while todo:
        wanted = todo.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        todo += [Requirement(each) for each in distribution.requires or ()]
    return found


def file_sizes(name: str) -> list[int]:
    files = importlib.metadata.distribution(name).files or []
    paths = [Path(str(file.locate())) for file in files]
    return [path.stat().st_size for path in paths if path.is_file()]


BF16 = ", bf16"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--bf16", action="store_true", help="what has the switch in bf16, too; on a GPU")
    parser.add_argument("--stage", action="store_true", help="frames/s from frame store to side cache, instead")
    parser.add_argument("--repeats", type=int, default=3, help="of which the median counts (default: 3)")
    args = parser.parse_args()
    names = [name for name in args.only or ROWS if NEEDS.get(name) is None or has(NEEDS[name])]
    small, _ = embedded_frames(64)
    frames = np.stack([cv2.resize(frame, SIZE, interpolation=cv2.INTER_LINEAR) for frame in small])
    with tempfile.TemporaryDirectory() as folder:
        rows = {}
        for name in names:
            rows[name] = make(name, Path(folder), frames)
            if args.bf16 and name in CHECKPOINTS:
                rows[name + BF16] = make(name, Path(folder), frames, bf16=True)
        if args.stage:
            for name, (alone, beside) in measure_stage(rows, frames, args.repeats).items():
                print(f"{name}: {alone:.3g} frames/s, overlapped {beside:.3g}, {beside / alone:.2f} times as fast")
            return
        seconds = measure(rows, frames, args.repeats)
        flops = {name: operations(row, frames) for name, row in rows.items()}
    adds = {library: installed_bytes(library) for library in set(NEEDS.values()) if has(library)}
    device = device_of("auto")
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads of a CPU"
    print(f"frames of {SIZE[0]} x {SIZE[1]}, {where}, torch {torch.__version__}\n")
    print("| segmenter | frames/s | x | GFLOPs a frame | weights MB | adds MB | licence of the weights |")
    print("|---|---|---|---|---|---|---|")
    result = {}
    for name, row in rows.items():
        ratio = seconds[PEER] / seconds[name] if PEER in seconds else float("nan")
        added = adds.get(NEEDS.get(name.removesuffix(BF16), ""), 0)
        cells = [
            f"{1 / seconds[name]:.3g}",
            f"{ratio:.3g}",
            f"{flops[name] / 1e9:.3g}",
            f"{row.weights_bytes / 1e6:.0f}",
        ]
        print(f"| `{name}` | {' | '.join(cells)} | {added / 1e6:.0f} | {row.licence} |")
        result[name] = {"ms": 1e3 * seconds[name], "x_peer": ratio, "flops": flops[name]}
    print(json.dumps({"device": where, "rows": result}))


def has(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


if __name__ == "__main__":
    main()
