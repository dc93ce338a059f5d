"""The mask store against per-frame PNG, COCO RLE json, npz and HDF5: bytes a frame, random reads of 16 frames.

python -m benchmarks.stores                                  # on masks that it makes
python -m benchmarks.stores --masks data/synthetic/masks     # on a data set's own
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from pycocotools import mask as coco

from objabn.segmentation.segment import ZSTD_LEVEL
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID, GROUPS, INSTANCES
from objabn.stores.table import read_table
from objabn.synthetic.scenes import plan, render_video
from objabn.synthetic.synthesize import on_grid

CLIP = 16  # consecutive frames of a read
Planes = dict[str, np.ndarray]  # video -> uint8 (frames, 2, 128, 128)
Read = Callable[[str, int], np.ndarray]  # video, first frame -> uint8 (16, 2, 128, 128)
OURS = "our store"


def make_planes(num_videos: int, seed: int) -> Planes:
    """Embedded videos' true masks; each instance's score drawn for each frame, as a detector's would vary."""
    planes = {}
    for video, _, _, scene in plan(seed=seed, train_videos=num_videos, test_videos=1)[:num_videos]:
        rng = np.random.default_rng([seed, len(planes)])
        _, person, other = render_video(scene)
        masks = np.stack([on_grid(person), on_grid(other)], axis=1)
        planes[video] = masks * rng.integers(180, 256, (len(masks), len(GROUPS), 1, 1), dtype=np.uint8)
    return planes


def write_ours(planes: Planes, folder: Path) -> Callable[[], Read]:
    num_frames = sum(map(len, planes.values()))
    shard = -(-num_frames // CLIP) * CLIP
    writer = StoreWriter(folder, (len(GROUPS), GRID, GRID), level=ZSTD_LEVEL, frames_per_shard=shard)
    for video, each in planes.items():
        writer.append(each, video=video)
    writer.close()

    def open_store() -> Read:
        reader = StoreReader(folder)
        return lambda video, first: reader.read(video, np.arange(first, first + CLIP))

    return open_store


def write_png(planes: Planes, folder: Path) -> Callable[[], Read]:
    """A grey PNG a frame, the planes one above the other."""
    for video, each in planes.items():
        (folder / video).mkdir(parents=True)
        for number, frame in enumerate(each):
            cv2.imwrite(str(folder / video / f"{number:05}.png"), frame.reshape(-1, GRID))

    def read(video: str, first: int) -> np.ndarray:
        files = [str(folder / video / f"{number:05}.png") for number in range(first, first + CLIP)]
        frames = [cv2.imread(file, cv2.IMREAD_GRAYSCALE) for file in files]
        return np.stack(frames).reshape(CLIP, len(GROUPS), GRID, GRID)

    return lambda: read


def write_coco(planes: Planes, folder: Path) -> Callable[[], Read]:
    """COCO's results format in one json file: an RLE mask and a score for each region of a plane with one score."""
    entries = []
    for video, each in planes.items():
        for number, group in np.ndindex(each.shape[:2]):
            plane = each[number, group]
            for score in np.unique(plane[plane > 0]).tolist():
                rle = coco.encode(np.asfortranarray((plane == score).astype(np.uint8)))
                rle["counts"] = rle["counts"].decode()
                entry = {"image_id": f"{video}/{number}", "category_id": group, "segmentation": rle}
                entries.append({**entry, "score": round(score / 255, 5)})
    (folder / "masks.json").write_text(json.dumps(entries, separators=(",", ":")))

    def open_json() -> Read:
        by_image: dict[str, list[dict[str, Any]]] = {}
        for entry in json.loads((folder / "masks.json").read_text()):
            by_image.setdefault(entry["image_id"], []).append(entry)

        def read(video: str, first: int) -> np.ndarray:
            found = np.zeros((CLIP, len(GROUPS), GRID, GRID), np.uint8)
            for at in range(CLIP):
                for entry in by_image.get(f"{video}/{first + at}", []):
                    mask = coco.decode(entry["segmentation"]).view(bool)
                    found[at, entry["category_id"]][mask] = round(entry["score"] * 255)
            return found

        return read

    return open_json


def write_npz(planes: Planes, folder: Path) -> Callable[[], Read]:
    """A compressed npz a video."""
    for video, each in planes.items():
        (folder / video).parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / f"{video}.npz", planes=each)

    def read(video: str, first: int) -> np.ndarray:
        with np.load(folder / f"{video}.npz") as unit:
            return unit["planes"][first : first + CLIP]

    return lambda: read


def write_hdf5(planes: Planes, folder: Path) -> Callable[[], Read]:
    """One dataset for all videos with our chunks, gzip 4 (h5py's default level)."""
    offsets = dict(zip(planes, np.cumsum([0, *map(len, planes.values())]).tolist(), strict=False))
    with h5py.File(folder / "masks.h5", "w") as file:
        content = np.concatenate(list(planes.values()))
        file.create_dataset("planes", data=content, chunks=(CLIP, len(GROUPS), GRID, GRID), compression="gzip")

    def open_file() -> Read:
        dataset = h5py.File(folder / "masks.h5", "r")["planes"]
        return lambda video, first: dataset[offsets[video] + first : offsets[video] + first + CLIP]

    return open_file


FORMATS: dict[str, Callable[[Planes, Path], Callable[[], Read]]] = {
    OURS: write_ours,
    "PNG a frame": write_png,
    "COCO RLE json": write_coco,
    "npz a video": write_npz,
    "HDF5 gzip": write_hdf5,
}


def measure(planes: Planes, folder: Path, *, repeats: int, reads: int, seed: int) -> dict[str, dict[str, float]]:
    """Of each format: bytes a frame, files, milliseconds to open it and a read (median of the repeats' means)."""
    num_frames = sum(map(len, planes.values()))
    results: dict[str, dict[str, float]] = {}
    readers: dict[str, Read] = {}
    for name, write in FORMATS.items():
        below = folder / name.replace(" ", "-")
        below.mkdir()
        open_it = write(planes, below)
        files = [path for path in below.rglob("*") if path.is_file()]
        began = time.perf_counter()
        readers[name] = open_it()
        opened = time.perf_counter() - began
        size = sum(path.stat().st_size for path in files)
        results[name] = {"bytes": size / num_frames, "files": len(files), "open_ms": opened * 1e3}
    long_enough = [video for video, each in planes.items() if len(each) >= CLIP]
    rng = np.random.default_rng(seed)
    seconds: dict[str, list[float]] = {name: [] for name in FORMATS}
    for repeat in range(repeats + 1):  # the first one fills the page cache and checks
        videos = rng.choice(long_enough, reads).tolist()
        places = [(video, int(rng.integers(len(planes[video]) - CLIP + 1))) for video in videos]
        for name, read in readers.items():
            began = time.perf_counter()
            for video, first in places:
                found = read(video, first)
                if repeat == 0:
                    np.testing.assert_array_equal(found, planes[video][first : first + CLIP], err_msg=name)
            if repeat:
                seconds[name].append((time.perf_counter() - began) / reads)
    for name, measured in seconds.items():
        results[name]["read_ms"] = statistics.median(measured) * 1e3
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=Path, help="a mask store (default: make masks of embedded videos)")
    parser.add_argument("--videos", type=int, default=96, help="how many videos (default: 96)")
    parser.add_argument("--repeats", type=int, default=7, help="of which the median counts (default: 7)")
    parser.add_argument("--reads", type=int, default=100, help="a repeat (default: 100)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.masks:
        reader, table = StoreReader(args.masks), read_table(args.masks)
        planes = {video: reader.read_all(video) for video in table["video"][table["frames"] > 0].head(args.videos)}
    else:
        planes = make_planes(args.videos, args.seed)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(planes, Path(folder), repeats=args.repeats, reads=args.reads, seed=args.seed)
    print(f"{len(planes)} videos, {sum(map(len, planes.values()))} frames; reads of {CLIP} consecutive frames\n")
    print(f"{'format':<14} {'bytes/frame':>11} {'files':>6} {'open ms':>8} {'read ms':>8}")
    for name, each in results.items():
        print(
            f"{name:<14} {each['bytes']:>11.1f} {each['files']:>6.0f} {each['open_ms']:>8.1f} {each['read_ms']:>8.2f}"
        )
    if args.masks:
        size = (args.masks / INSTANCES).stat().st_size / table["frames"].sum()
        print(f"\nour table of instances (boxes, classes, scores): {size:.1f} bytes a frame more")
    ours = results.pop(OURS)
    ratios: dict[str, Any] = {"bytes_per_frame": round(ours["bytes"], 1), "read_ms": round(ours["read_ms"], 3)}
    for name, each in results.items():  # above 1: ours is smaller, or quicker
        ratios[name] = {f"{key}_ratio": round(each[key] / ours[key], 3) for key in ("bytes", "read_ms")}
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
