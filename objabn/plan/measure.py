"""Measure this machine for a plan: what a frame costs to decode and to segment, and a clip of one row to train.

Everything runs through the functions that the stages call, on a few videos: the data set's own where they are there,
else synthetic ones of the profile's size. Nothing is downloaded: a segmenter whose weights are not here has no time.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from objabn.clips.batches import Loader, loader
from objabn.clips.dataset import VALIDATION, ClipDataset
from objabn.config.rows import MAPS, Table
from objabn.config.schema import Dataset
from objabn.config.segmenters import Import, Motion
from objabn.decoding.decode import make_writer, packing
from objabn.decoding.one_video import decode_one
from objabn.evaluation.evaluate import evaluate_run
from objabn.index.table import build as build_index
from objabn.model.device import make_fabric
from objabn.model.run import Run
from objabn.plan.clock import Clock, least, quiet, stored_bytes
from objabn.plan.costs import Counts, FrameRate, Rates, RowRate, SegmentRate
from objabn.segmentation.segmenters.choice import build
from objabn.stores.frames import FrameReader, open_frames
from objabn.stores.masks import GRID, GROUPS
from objabn.stores.table import read_table
from objabn.synthetic.scenes import make_scene, plan
from objabn.synthetic.synthesize import write_videos
from objabn.system.workers import num_cores
from objabn.training.gradient_shares import probed_batches
from objabn.training.train import train, validate

VIDEOS, MOST_FRAMES = 3, 1000  # of the data set: so many, none longer
SCENES = 12  # synthetic videos of the embedded data
ROOM_SEC, ROW_SEC = 4.0, 12.0  # aim of a measurement, and of that of the row
FEW_CLIPS, MOST_STEPS = 2, 10
_Source = tuple[pd.DataFrame, Path, FrameRate | None, str]


def measure(params: Dataset, table: Table, counts: Counts, own: pd.DataFrame, place: Path, start_sec: float) -> Rates:
    """Measure the rates of this machine, in less than a minute. What is written goes to the empty directory `place`.

    Args:
        own: rows of the data set's index whose videos are there, with their `frames`; may be empty.
        start_sec: of a stage's process.

    Raises:
        ValueError: a device that is not there, or no video that could be decoded.
    """
    threads, device = torch.get_num_threads(), make_fabric(params).device
    own_threads = "" if (own_number := torch.get_num_threads()) == threads else f", {own_number} for a training"
    rows, videos, made, origin = _videos(params, counts, own, place)
    decode, clips, reader = _decoding(params, rows, videos, origin, place)
    torch.set_num_threads(1)  # as each process that segments
    segment = _segmentation(params, clips, reader)
    torch.set_num_threads(threads)  # training and evaluation set their own again
    cpu = f"CPU, {threads} thread{'' if threads == 1 else 's'}{own_threads}"
    return Rates(
        device=f"CUDA, {torch.cuda.get_device_name(0)}" if device.type == "cuda" else cpu,
        start_sec=start_sec,
        synthesize=made if params.synthesize else None,
        decode=decode,
        segment=segment,
        row=_row(params, table, counts, clips, reader, place),
    )


def _videos(params: Dataset, counts: Counts, own: pd.DataFrame, place: Path) -> _Source:
    """Index rows of videos to measure with, their directory, what making them cost, and what they are."""
    if len(own) and len(short := own[own["frames"] <= MOST_FRAMES]):
        chosen = short.iloc[np.unique(np.linspace(0, len(short) - 1, VIDEOS).round().astype(int))]
        return chosen.drop(columns="frames"), Path(params.videos), None, f"{len(chosen)} of its videos"
    if params.synthesize is not None:
        scenes = plan(**params.synthesize.model_dump())[:SCENES]
        origin = f"its first {len(scenes)} videos"
    else:
        height, width = (side + side % 2 for side in (params.decode.height, params.decode.width))
        size: dict[str, Any] = {"height": height, "width": width, "figure_size": 0.58}
        length = dict.fromkeys(("min_frames", "max_frames"), min(counts.frames // counts.videos, MOST_FRAMES))
        scenes = [("synthetic", "walk", "train", make_scene("walk", seed=0, split="train", number=0, **length, **size))]
        origin = f"a synthetic clip of {width} x {height} (real ones have other bytes)"
    for name in ("videos", "truth"):
        (place / name).mkdir()
    with quiet(), Clock() as clock:
        listed = write_videos(scenes, place / "videos", place / "truth", workers=1)
    frames = sum(-(-scene.num_frames // params.decode.stride) for *_, scene in scenes)
    num_bytes = stored_bytes(place / "videos") + stored_bytes(place / "truth")
    made = FrameRate(clock.sec / frames / num_cores(), num_bytes / frames, f"measured on {origin}")
    return build_index(pd.DataFrame(listed), place / "videos")[0], place / "videos", made, origin


def _decoding(
    params: Dataset, index: pd.DataFrame, videos: Path, origin: str, place: Path
) -> tuple[FrameRate, pd.DataFrame, FrameReader]:
    """The rate; the table of the videos that have frames, and the reader of their frames."""
    small, rows = params.decode.model_copy(update={"frames_per_shard": 256}), index.to_dict("records")
    size, decoded = (small.height, small.width), list[tuple[Any, dict[str, Any]]]()
    pack = packing(small) if small.store else np.ascontiguousarray

    def decode() -> None:
        every = (decode_one(videos / row["path"], row["digest"], size=size, stride=small.stride) for row in rows)
        decoded[:] = [(pack(frames), outcome) for frames, outcome in every]

    decode_sec = least(decode, room=ROOM_SEC)
    (store := place / "frames").mkdir()
    with Clock() as storing:
        writer = make_writer(small, store)
        for row, (frames, outcome) in zip(rows, decoded, strict=True):
            writer.append(frames, **{str(name): value for name, value in row.items()}, **outcome)
        writer.close()
    table = read_table(store)
    num_frames = int(table["frames"].sum())
    if not num_frames:
        lost = table.iloc[0]
        raise ValueError(f"{videos / lost['path']}: expected a video to measure with, got: {lost['error']}")
    store_sec, cores = storing.sec if small.store else 0.0, num_cores()
    workers = min(params.machine.decode_workers or cores, cores)
    sec = max(store_sec, decode_sec / workers, (decode_sec + store_sec) / cores)  # one more process appends
    rate = FrameRate(sec / num_frames, stored_bytes(store) / num_frames * small.store, f"measured on {origin}")
    return rate, table[table["frames"] > 0], open_frames(store, videos, small)


def _segmentation(params: Dataset, videos: pd.DataFrame, reader: FrameReader) -> SegmentRate:
    """The rate of the data set's own segmenter on some frames of one video; None where it would download weights."""
    segment = params.segment
    if isinstance(segment, Import):
        return SegmentRate(None, 0.0, "not measured: the masks are read, not computed")
    if not isinstance(segment, Motion) and not Path(segment.weights).exists():
        return SegmentRate(None, 0.0, f"not measured: segment.weights ({segment.weights}) is no file here; name one")
    with Clock() as building:
        try:
            segmenter = build(**segment.model_dump(exclude={"stride"}))
        except ValueError as error:
            return SegmentRate(None, 0.0, f"not measured: {error}")
    frames = reader.read_all(video := str(videos["video"].iloc[0]))
    segmenter(frames[:1], video)  # warms up
    with Clock() as one:
        segmenter(frames[:1], video)
    frames = frames[: max(min(int(ROOM_SEC / 2 / one.sec), len(frames)), min(getattr(segment, "batch_size", 1), 2))]
    sec = least(lambda: segmenter(frames, video), room=ROOM_SEC) / len(frames)
    gpus = torch.cuda.device_count() if params.machine.segment_engine == "ray" else 1
    most = num_cores() if isinstance(segment, Motion) or not torch.cuda.is_available() else gpus
    side = min(params.machine.segment_workers or most, most)
    return SegmentRate(sec / side, building.sec, f"measured on {len(frames)} frames")


class _Everywhere:
    """A reader of masks that cover the whole frame: what a row costs does not depend on them."""

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        return np.full((len(indices), len(GROUPS), GRID, GRID), 255, np.uint8)

    def read_all(self, video: str) -> np.ndarray:
        return self.read(video, np.arange(1))


def _row(
    params: Dataset, table: Table, counts: Counts, videos: pd.DataFrame, reader: FrameReader, place: Path
) -> RowRate:
    """The rate of the table's costliest row, from random weights and a few steps.

    Raises:
        ValueError: the GPU's memory does not hold a batch.
    """
    attention = max(table.attention, key=lambda name: len(MAPS[name]))
    processes, on_gpu = params.train.devices * params.train.nodes, make_fabric(params).device.type == "cuda"
    whole = params.train.batch_size // processes
    few = whole if on_gpu else min(FEW_CLIPS, whole)
    work = (attention, params, counts, videos, reader, place)
    if on_gpu:  # the segmenter's memory is none of the training's
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        rate = _steps(*work, few, 1)  # also warms up
        clip_sec = rate.train_sec + rate.val_sec + rate.eval_sec
        batch = whole if whole * clip_sec < ROW_SEC else few
        steps = int(np.clip(ROW_SEC / (3 * batch * clip_sec), 1, MOST_STEPS))
        rate = _steps(*work, batch, steps)
    except torch.cuda.OutOfMemoryError:
        memory = f"the memory of {torch.cuda.get_device_name(0)}"
        raise ValueError(f"train.batch_size: expected one that fits into {memory}, got {whole}") from None
    share = processes if on_gpu or params.train.threads else params.train.nodes  # else those of a CPU share its cores
    held = torch.cuda.max_memory_reserved() if on_gpu else 0
    basis = f"measured on {steps} step{'' if steps == 1 else 's'} of {batch} clips of {attention}, for all rows"
    return replace(rate, train_sec=rate.train_sec / share, basis=basis, gpu_bytes=held)


def _steps(
    attention: str, params: Dataset, counts: Counts, videos: pd.DataFrame, reader: FrameReader, place: Path,
    batch: int, steps: int,
) -> RowRate:  # fmt: skip
    short = params.model_copy(
        update={
            "model": params.model.model_copy(update={"pretrained": None}),
            "train": params.train.model_copy(update={"epochs": 1, "batch_size": batch}),
            "mask": params.mask.model_copy(update={"groups": list(GROUPS)}),  # of `_Everywhere`
            "eval": params.eval.model_copy(update={"views": 1, "batch_size": batch, "ranking_videos": 1}),
            "machine": params.machine.model_copy(update={"loader_workers": 0}),
        }
    )
    names = [*sorted(set(videos["label"])), *(f"class {number}" for number in range(counts.classes))][: counts.classes]

    def clips(number: int, evaluation: Any) -> ClipDataset:
        rows = videos.iloc[np.arange(number) % len(videos)]
        return ClipDataset(rows, names, reader, _Everywhere(), short.data, short.mask, seed=0, evaluation=evaluation)

    train_set, test_set = clips(batch * steps, None), clips(batch, VALIDATION)
    with quiet():
        with Clock() as whole:
            network, timing = train(Run(short, attention, False, 0), train_set, test_set, place, probe=False)
        with Clock() as validation:
            validate(network, Loader(test_set, batch, workers=0), short, make_fabric(short))
        with Clock() as evaluating:
            for _ in evaluate_run(network, attention, clips(batch, short.eval), short):
                pass
        with Clock() as ranking:
            for _ in evaluate_run(network, attention, clips(1, short.eval), short, rank=True):
                pass
        with Clock() as loading:
            loaded = sum(len(each["label"]) for each in loader(train_set, batch, workers=0))
    train_sec = max(timing["train_seconds"] - validation.sec, 0.0) / (batch * steps)
    epoch = max(counts.train // params.train.batch_size, 1)
    train_sec *= 1 + len(probed_batches(epoch)) / epoch  # a look at the gradient's shares takes about a step
    workers = min(params.machine.loader_workers, num_cores())
    hidden = workers and make_fabric(params).device.type != "cpu"  # behind a GPU's steps; a CPU does both
    load_sec = loading.sec / loaded
    steps_sec = [max(sec - load_sec, 0.0) for sec in (train_sec, validation.sec / batch, evaluating.sec / batch)]
    train_sec, val_sec, eval_sec = (max(sec, load_sec / workers) if hidden else sec + load_sec for sec in steps_sec)
    weights_bytes = sum(value.nbytes for value in network.state_dict().values())
    rank_sec = max(ranking.sec - evaluating.sec / batch, 0.0)
    return RowRate(train_sec, val_sec, eval_sec, rank_sec, whole.sec - timing["train_seconds"], weights_bytes, "")
