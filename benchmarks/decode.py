"""Decoding videos into a store of jpegs: frames a second with one worker and with two, and what the parent does.

python -m benchmarks.decode

Made videos (H.264, 240x320) are decoded by `decode_videos`, as the stage does: workers decode and encode, their parent
appends what they hand over. One worker and two take turns, and after them two workers whose parent encodes: raw frames
go through the pipes, as they did before the workers encoded. A decoding that is not counted starts the processes'
server first. The parent's share is its CPU time by the wall time: 1.0 is a whole core. Two workers need two free cores.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from objabn.config.file import load_params
from objabn.config.schema import Decode
from objabn.decoding import decode as decoding
from objabn.index.table import build
from objabn.synthetic.scenes import ACTIONS, make_scene, render_video
from objabn.video.write import write_video

HEIGHT, WIDTH, NUM_FRAMES = 240, 320, 180
ONE, TWO, BEFORE = "1 worker", "2 workers", "2 workers, the parent encodes"
WORKERS = {ONE: 1, TWO: 2, BEFORE: 2}


def make_videos(folder: Path, files: int, videos: int, seed: int) -> pd.DataFrame:
    """An index of so many videos, which share a few files."""
    length = {"min_frames": NUM_FRAMES, "max_frames": NUM_FRAMES}
    for number in range(files):
        action = ACTIONS[number % len(ACTIONS)]
        scene = make_scene(action, seed=seed, split="train", number=number, height=HEIGHT, width=WIDTH, **length)
        write_video(folder / f"{number}.mp4", render_video(scene)[0])
    rows = [
        {"video": f"{number:04}", "path": f"{number % files}.mp4", "label": "any", "split": "train"}
        for number in range(videos)
    ]
    return build(pd.DataFrame(rows), folder)[0]


def decode(index: pd.DataFrame, folder: Path, settings: Decode, variant: str) -> tuple[float, float]:
    """Frames a second, and the parent's share of a core."""
    store = folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    packing = (lambda _: np.ascontiguousarray) if variant == BEFORE else decoding.packing
    with mock.patch.object(decoding, "packing", packing):
        began, used = time.perf_counter(), time.process_time()
        table = decoding.decode_videos(index, folder / "videos", store, settings, workers=WORKERS[variant])
        wall, used = time.perf_counter() - began, time.process_time() - used
    assert (table["status"] == "ok").all(), table["error"].tolist()
    return int(table["frames"].sum()) / wall, used / wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=48, help=f"of {NUM_FRAMES} frames (default: 48)")
    parser.add_argument("--files", type=int, default=8, help="that the videos share (default: 8)")
    parser.add_argument("--repeats", type=int, default=5, help="of which the median counts (default: 5)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    settings = load_params().datasets["ucf101"].decode
    settings = settings.model_copy(update={"height": HEIGHT, "width": WIDTH, "codec": "jpeg"})
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in WORKERS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "videos").mkdir()
        index = make_videos(folder / "videos", args.files, args.videos, args.seed)
        decode(index.head(args.files), folder, settings, TWO)
        for _ in range(args.repeats):
            for name, each in measured.items():
                each.append(decode(index, folder, settings, name))
    size = f"{WIDTH} x {HEIGHT}"
    print(f"{args.videos} videos of {NUM_FRAMES} frames, {size}, jpeg; median of {args.repeats} (least to most)\n")
    print(f"{'':<32} {'frames/s':>22} {'parent, of a core':>20}")
    result: dict[str, Any] = {}
    for name, each in measured.items():
        speeds, shares = zip(*each, strict=True)
        speed, share = statistics.median(speeds), statistics.median(shares)
        spread = f"{speed:.0f} ({min(speeds):.0f} to {max(speeds):.0f})"
        print(f"{name:<32} {spread:>22} {share:>20.2f}")
        result[name] = {"frames_per_s": round(speed), "parent_share": round(share, 3)}
    pairs = [{name: each[turn][0] for name, each in measured.items()} for turn in range(args.repeats)]
    result["two_by_one"] = round(statistics.median(pair[TWO] / pair[ONE] for pair in pairs), 2)
    result["two_by_before"] = round(statistics.median(pair[TWO] / pair[BEFORE] for pair in pairs), 2)
    print(f"\ntwo workers are {result['two_by_one']} times as fast as one, median of the turns' ratios")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
