"""Clips a second of the training loader: from our frame store, and with decoders that seek in the videos instead.

python -m benchmarks.read

The same `ClipDataset` and loader around each: 16 frames of stride 4 from a random start. The videos are those of our
own renderer, with sensor noise, seen by a camera that a hand holds, so that a frame takes 1 to 2 kB, as in UCF101.
Each reader's frames are compared with those of decoding the file in order; of one that gives others, the speed is
worth nothing. Files are in the page cache.
"""

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import decord
import numpy as np
import pandas as pd
from torchcodec.decoders import VideoDecoder

from objabn.clips.batches import loader
from objabn.clips.dataset import ClipDataset
from objabn.config.file import load_params
from objabn.config.schema import Data, Decode, Mask
from objabn.decoding.decode import decode_videos
from objabn.index.table import build
from objabn.stores.frames import Reader, open_frames
from objabn.synthetic.scenes import ACTIONS, make_scene, render_video

HEIGHT, WIDTH, NUM_FRAMES, FPS = 240, 320, 180, 25
JPEG, ZSTD, NO_STORE = "our store, jpeg", "our store, zstd", "decode.store: false"
MARGIN = 32  # pixels by which the scene is larger than the video
FORMATS: dict[str, tuple[str, str, dict[str, str]]] = {  # name -> suffix, encoder, its options
    "H.264, GOP 250": ("mp4", "libx264", {"crf": "18", "bf": "3", "g": "250"}),  # x264's own but for crf
    "H.264, GOP 25": ("mp4", "libx264", {"crf": "18", "bf": "3", "g": "25"}),
    "MPEG-4 AVI": ("avi", "mpeg4", {"b": "400k", "bf": "2", "g": "25"}),  # with B-frames, as UCF101's
}
WRONG = 0.5  # levels of 255 by which another frame of the video may be nearer than the one asked for


def render(number: int, seed: int) -> np.ndarray:
    """A video's frames, uint8 (N, H, W, 3): a window that wanders over the rendered scene by up to 2 pixels a frame."""
    size = {"height": HEIGHT + MARGIN, "width": WIDTH + MARGIN}
    length = {"min_frames": NUM_FRAMES, "max_frames": NUM_FRAMES}
    scene = make_scene(ACTIONS[number % len(ACTIONS)], seed=seed, split="train", number=number, **size, **length)
    draw, time = np.random.default_rng([seed, number]), np.arange(NUM_FRAMES)
    swing = MARGIN / 2 * np.sin(time * draw.uniform(0.05, 0.125, (2, 1)) + draw.uniform(0, 6, (2, 1)))
    corners = np.rint(MARGIN / 2 + swing).astype(int).T
    frames = zip(render_video(scene)[0], corners.tolist(), strict=True)
    return np.stack([frame[y : y + HEIGHT, x : x + WIDTH] for frame, (y, x) in frames])


def encode(path: Path, frames: np.ndarray, codec: str, options: dict[str, str]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if codec == "mpeg4":
            stream.codec_context.codec_tag = "XVID"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


@dataclass
class Seeking:
    """A `Reader` that opens the video for each clip, as data sets that decode on the fly do."""

    paths: Mapping[str, Path]
    decode: Callable[[str, np.ndarray], np.ndarray]

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        frames = self.decode(str(self.paths[video]), indices)
        if frames.shape[1:3] != (HEIGHT, WIDTH):
            frames = np.stack([cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for frame in frames])
        return frames

    def read_all(self, video: str) -> np.ndarray:
        return self.read(video, np.arange(NUM_FRAMES))


@dataclass
class Renamed:
    """A `Reader` of several clips of each video: `video#3` is the video's fourth name."""

    reader: Reader
    size: tuple[int, int]  # of the frames

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        return self.reader.read(video.split("#")[0], indices)

    def read_all(self, video: str) -> np.ndarray:
        return self.reader.read_all(video.split("#")[0])


def by_decord(path: str, indices: np.ndarray, threads: int) -> np.ndarray:
    return decord.VideoReader(path, ctx=decord.cpu(0), num_threads=threads).get_batch(indices).asnumpy()


def by_torchcodec(path: str, indices: np.ndarray, mode: str) -> np.ndarray:
    decoder = VideoDecoder(path, dimension_order="NHWC", seek_mode=mode)
    return decoder.get_frames_at(indices.tolist()).data.numpy()


def by_opencv(path: str, indices: np.ndarray) -> np.ndarray:
    """Seeks to the first frame, then goes on; converts those wanted only."""
    capture, found = cv2.VideoCapture(path), {}
    capture.set(cv2.CAP_PROP_POS_FRAMES, int(indices[0]))
    for number in range(int(indices[0]), int(indices[-1]) + 1):
        if capture.grab() and number in indices:
            found[number] = cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
    return np.stack([found[number] for number in indices.tolist()])


def by_pyav(path: str, indices: np.ndarray) -> np.ndarray:
    """Seeks to the key frame before the first one, then goes on by time stamps; converts those wanted only."""
    found: dict[int, np.ndarray] = {}
    with av.open(path) as container:
        stream = container.streams.video[0]
        ticks = float(1 / (stream.average_rate * stream.time_base))
        start = next(container.decode(stream)).pts  # not start_time, which in AVI is of decoding
        early = max(int(indices[0]) - 3, 0)  # in AVI with B-frames, seeking may come too late
        container.seek(start + round(early * ticks), stream=stream)
        for frame in container.decode(stream):
            number = round((frame.pts - start) / ticks)
            if number in indices:
                found[number] = frame.to_ndarray(format="rgb24")
            if number >= indices[-1]:
                break
    return np.stack([found[number] for number in indices.tolist()])


PEERS: dict[str, Callable[[str, np.ndarray], np.ndarray]] = {
    "decord, 1 thread": lambda path, indices: by_decord(path, indices, 1),
    "decord": lambda path, indices: by_decord(path, indices, 0),  # its default: as many threads as it likes
    "torchcodec": lambda path, indices: by_torchcodec(path, indices, "exact"),  # its default
    "torchcodec, approximate": lambda path, indices: by_torchcodec(path, indices, "approximate"),
    "OpenCV": by_opencv,
    "PyAV": by_pyav,
}


def write_data(folder: Path, name: str, videos: list[np.ndarray]) -> pd.DataFrame:
    """Files of a format, and the index of them."""
    suffix, codec, options = FORMATS[name]
    (folder / "videos").mkdir(parents=True)
    rows = []
    for number, frames in enumerate(videos):
        path = f"{number:03}.{suffix}"
        encode(folder / "videos" / path, frames, codec, options)
        rows.append({"video": f"{number:03}", "path": path, "label": "any", "split": "train"})
    return build(pd.DataFrame(rows), folder / "videos")[0]


def open_readers(folder: Path, index: pd.DataFrame, decode: Decode) -> tuple[pd.DataFrame, dict[str, Reader]]:
    """The table of videos, and each way to read them; ours from stores that are written here as `decode` does."""
    readers: dict[str, Reader] = {}
    for name, change in {JPEG: {"codec": "jpeg"}, ZSTD: {"codec": "zstd"}, NO_STORE: {"store": False}}.items():
        settings = decode.model_copy(update=change)
        store = folder / name.replace(" ", "-")
        store.mkdir()
        table = decode_videos(index, folder / "videos", store, settings)
        assert (table["status"] == "ok").all(), table["error"].tolist()
        readers[name] = open_frames(store, folder / "videos", settings)
    paths = {video: folder / "videos" / path for video, path in zip(index["video"], index["path"], strict=True)}
    return table, readers | {name: Seeking(paths, peer) for name, peer in PEERS.items()}


def wrong_share(reader: Reader, truth: Reader, videos: list[str], draw: np.random.Generator, data: Data) -> float:
    """Share of frames that are others than those asked for: another one of the video is nearer, or it failed."""
    wrong = []
    for video in videos:
        frames = truth.read_all(video)[:, ::4, ::4].astype(np.int16)
        start = int(draw.integers(NUM_FRAMES - (data.num_frames - 1) * data.frame_stride))
        indices = start + data.frame_stride * np.arange(data.num_frames)
        for number, frame in zip(indices, reader.read(video, indices)[:, ::4, ::4], strict=True):
            far = np.abs(frames - frame).mean(axis=(1, 2, 3))
            wrong.append(far[number] > far.min() + WRONG)
    return float(np.mean(wrong))


def measure(
    readers: dict[str, Reader], table: pd.DataFrame, data: Data, mask: Mask, *, workers: int, repeats: int, names: int
) -> dict[str, float]:
    """Clips a second of each reader: median over the epochs, which take turns."""
    rows = pd.concat([table.assign(video=table["video"] + f"#{number}") for number in range(names)])
    size = readers[JPEG].size
    sets = {
        name: ClipDataset(rows, ["any"], Renamed(reader, size), None, data, mask, seed=0)
        for name, reader in readers.items()
    }
    speeds: dict[str, list[float]] = {name: [] for name in sets}
    gc.collect()  # PyAV's frames: a forked worker that frees one waits for threads that it does not have
    for epoch in range(repeats):
        for name, dataset in sets.items():
            began = time.perf_counter()
            clips = sum(len(batch["row"]) for batch in loader(dataset, 8, workers=workers, epoch=epoch, shuffle=True))
            speeds[name].append(clips / (time.perf_counter() - began))
    return {name: statistics.median(each) for name, each in speeds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=8, help=f"of {NUM_FRAMES} frames (default: 8)")
    parser.add_argument("--names", type=int, default=16, help="clips of each video an epoch (default: 16)")
    parser.add_argument("--repeats", type=int, default=3, help="epochs, of which the median counts (default: 3)")
    parser.add_argument("--workers", type=int, default=2, help="of the loader (default: 2)")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), help="(default: all)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    params = load_params().datasets["ucf101"]
    cv2.setNumThreads(1)  # as in a worker process
    videos = [render(number, args.seed) for number in range(args.videos)]
    ratios: dict[str, Any] = {}
    for name in args.formats:
        with tempfile.TemporaryDirectory() as folder:
            index = write_data(Path(folder), name, videos)
            table, readers = open_readers(Path(folder), index, params.decode)
            truth = readers[NO_STORE]
            for video in index["video"]:
                assert np.array_equal(readers[ZSTD].read_all(video), truth.read_all(video)), "zstd is not lossless"
            checked = index["video"].tolist()[:4]
            wrong = {
                each: wrong_share(reader, truth, checked, np.random.default_rng(args.seed), params.data)
                for each, reader in readers.items()
            }
            speeds = measure(
                readers, table, params.data, params.mask,
                workers=args.workers, repeats=args.repeats, names=args.names,
            )  # fmt: skip
        size = index["bytes"].astype(int).sum() / len(videos) / NUM_FRAMES
        print(f"\n{name}: {len(videos)} videos of {NUM_FRAMES} frames, {size:.0f} bytes a frame")
        print(f"{'':<24} {'clips/s':>8} {'wrong frames':>13} {'jpeg store is':>14} {'zstd store is':>14}")
        for each, speed in speeds.items():
            times = [f"{speeds[ours] / speed:.1f} times" for ours in (JPEG, ZSTD)]
            print(f"{each:<24} {speed:>8.1f} {wrong[each]:>13.1%} {times[0]:>14} {times[1]:>14}")
        ratios[name] = {
            each: {
                "jpeg_ratio": round(speeds[JPEG] / speed, 2),
                "zstd_ratio": round(speeds[ZSTD] / speed, 2),
                "wrong": round(wrong[each], 3),
            }
            for each, speed in speeds.items()
        }
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
