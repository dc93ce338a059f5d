"""Short measurements of this machine for a plan: what a frame costs to decode and to segment, and a clip to train.

Everything runs through the functions that the stages call, on a few videos in a temporary directory: the data set's own
where they are there, else synthetic ones of the profile's size.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from objabn.config.schema import Control, Dataset, Import, Motion, Table
from objabn.decoding.decode import make_writer, num_cores
from objabn.decoding.one_video import decode_one
from objabn.index.table import build as build_index
from objabn.model.device import make_fabric
from objabn.plan.clock import Clock, forget_gpu, gpu_bytes, least, quiet, stored_bytes
from objabn.plan.costs import MASK_BYTES, UNIT_BYTES, Counts, FrameRate, Rates, SegmentRate, duration, frame_seconds
from objabn.plan.measure_rows import measure_rows
from objabn.plan.stand_in_segmenter import segmenter_to_measure
from objabn.segmentation.quality import video_quality
from objabn.segmentation.segment import segment_videos
from objabn.segmentation.segmenters.choice import Segmenter
from objabn.stores.array import read_table
from objabn.stores.frames import Reader, open_frames
from objabn.synthetic.scenes import make_scene, plan
from objabn.synthetic.synthesize import write_videos
from objabn.system.cache import Cache, unit_key

OWN_VIDEOS, OWN_FRAMES = 3, 1000  # of the data set: so many, none longer
SCENES = 12  # of a synthesized data set
STAND_IN_FRAMES = 64  # of a synthetic clip where there are no videos
SHARD = 256  # frames
SHORT_SEC = 4.0  # aim, of making and of decoding videos
SEGMENT_SEC = 3.0  # aim
FEW_FRAMES = 2  # where a frame takes seconds
IMPORT_SEC = 0.005  # a frame of masks from elsewhere: an assumption
LEAST_FRAMES = 32  # fewer say nothing about bytes: a chunk has 16


class Sample(NamedTuple):
    """Videos to measure with: rows of an index, their directory, what they are, and what making them cost."""

    rows: pd.DataFrame
    videos: Path
    origin: str
    made: FrameRate | None


class Frames(NamedTuple):
    """A reader of frames in memory, uint8 (frames, H, W, 3) by video."""

    frames: dict[str, np.ndarray]

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        return self.frames[video][indices]

    def read_all(self, video: str) -> np.ndarray:
        return self.frames[video]


def measure(
    params: Dataset,
    table: Table,
    controls: Mapping[str, Control],
    counts: Counts,
    own: pd.DataFrame,
    place: Path,
    start_sec: float,
) -> Rates:
    """Rates of this machine, in less than a minute.

    Args:
        own: rows of the data set's index whose videos are there, with their `frames`; may be empty.
        place: an empty directory for what is written.
        start_sec: of a stage's process.

    Raises:
        ValueError: a device that is not there, weights that do not fit, or no video that could be decoded.
    """
    device = make_fabric(params).device
    sample = _sample(params, own, place)
    decode, videos, reader = _measure_decode(params, sample, place)
    segment = _measure_segment(params, videos, reader, place)
    rows, basis = measure_rows(params, table, controls, counts, videos, reader, place)
    gpus = torch.cuda.device_count() if params.segment.engine == "ray" else 1
    return Rates(
        device=_describe(device),
        start_sec=start_sec,
        synthesize=sample.made if params.synthesize else None,
        decode=decode,
        segment=segment,
        segmenters=max(min(gpus, params.segment.workers or gpus), 1),  # actors on one CPU share its cores
        rows=rows,
        rows_basis=basis,
    )


def _describe(training: torch.device) -> str:
    cpu = f"CPU, {torch.get_num_threads()} threads"
    if not torch.cuda.is_available():
        return f"{cpu} (no CUDA device)"
    gpu = f"CUDA, {torch.cuda.get_device_name(0)}"
    return gpu if training.type == "cuda" else f"{gpu}, but training on the {cpu}"


def _sample(params: Dataset, own: pd.DataFrame, place: Path) -> Sample:
    if len(own) and len(short := own[own["frames"] <= OWN_FRAMES]):
        chosen = short.iloc[np.unique(np.linspace(0, len(short) - 1, OWN_VIDEOS).round().astype(int))]
        number = "one" if len(chosen) == 1 else len(chosen)
        return Sample(chosen.drop(columns="frames"), Path(params.videos), f"{number} of its videos", None)
    if params.synthesize is not None:
        scenes = plan(**params.synthesize.model_dump())[:SCENES]
        origin = f"its first {len(scenes)} videos"
    else:
        height, width = (side + side % 2 for side in (params.decode.height, params.decode.width))
        size: dict[str, Any] = {"height": height, "width": width, "figure_size": 0.58}
        scene = make_scene(
            "walk", seed=0, split="train", number=0, min_frames=STAND_IN_FRAMES, max_frames=STAND_IN_FRAMES, **size
        )
        scenes = [("synthetic", "walk", "train", scene)]
        origin = f"a synthetic clip of {width} x {height} (real ones have other bytes)"
    listed: list[dict[str, str]] = []

    def write(directory: Path) -> None:
        for name in ("videos", "truth"):
            (directory / name).mkdir()
        listed[:] = write_videos(scenes, directory / "videos", directory / "truth")

    frames = sum(scene.num_frames for *_, scene in scenes)
    with quiet():
        sec, written = least(write, place / "made", room=SHORT_SEC)
    made = FrameRate(sec / frames, stored_bytes(written) / frames, f"measured on {origin}")
    videos = written / "videos"
    return Sample(build_index(pd.DataFrame(listed), videos)[0], videos, origin, made)


def _measure_decode(params: Dataset, sample: Sample, place: Path) -> tuple[FrameRate, pd.DataFrame, Reader]:
    """What a frame costs; the table of the sample's videos that have frames, and their reader."""
    small = params.decode.model_copy(update={"frames_per_shard": SHARD})
    rows: list[Any] = sample.rows.to_dict("records")
    decoded: list[tuple[np.ndarray, dict[str, Any]]] = []

    def decode(_directory: Path) -> None:
        size = (small.height, small.width)
        decoded[:] = [decode_one(sample.videos / row["path"], row["digest"], size=size) for row in rows]

    def keep(directory: Path) -> None:
        writer = make_writer(small, directory)
        for row, (frames, outcome) in zip(rows, decoded, strict=True):
            writer.append(frames, **row, **outcome)
        writer.close()

    decode_sec, _ = least(decode, place / "decoding", room=SHORT_SEC)
    store_sec, store = least(keep, place / "storing", room=SHORT_SEC)
    videos = read_table(store)
    frames = int(videos["frames"].sum())
    if not frames:
        lost = videos.iloc[0]
        raise ValueError(f"{sample.videos / lost['path']}: expected a video to measure with, got: {lost['error']}")
    store_sec, cores = store_sec if small.store else 0.0, num_cores()
    sec = frame_seconds(decode_sec, store_sec, workers=small.workers or cores, cores=cores) / frames
    stored = stored_bytes(store) / frames if small.store else 0.0
    reader = open_frames(store, sample.videos, small)
    return FrameRate(sec, stored, f"measured on {sample.origin}"), videos[videos["frames"] > 0], reader


def _measure_segment(params: Dataset, videos: pd.DataFrame, reader: Reader, place: Path) -> SegmentRate:
    if isinstance(params.segment, Import):
        basis = f"{duration(IMPORT_SEC)} and {MASK_BYTES:.0f} B a frame are assumptions"
        return SegmentRate(IMPORT_SEC, MASK_BYTES, basis, 0.0, UNIT_BYTES, 0)
    forget_gpu()
    with Clock() as building:
        segmenter, instead = segmenter_to_measure(params, place)
    whole = {video: reader.read_all(video) for video in videos["video"]}
    given = whole if isinstance(params.segment, Motion) else _some(segmenter, whole, params.segment.batch_size)
    part = videos[videos["video"].isin(given)]
    part = part.assign(frames=[len(given[video]) for video in part["video"]])
    names = [unit_key(video=video) for video in part["video"]]

    def work(directory: Path) -> None:
        (masks := directory / "masks").mkdir()
        cache = Cache(directory / "cache")
        segment_videos(part, names, Frames(given), masks, make_segmenter=lambda: segmenter, cache=cache)
        video_quality(part, masks, None)

    with quiet():
        sec, made = least(work, place / "masks", room=2 * SEGMENT_SEC)
    frames = int(part["frames"].sum())
    mask_bytes, unit_bytes, sizes = MASK_BYTES, UNIT_BYTES, f"{MASK_BYTES:.0f} B a frame assumed"
    if not instead and frames >= LEAST_FRAMES:
        mask_bytes, unit_bytes = stored_bytes(made / "masks") / frames, stored_bytes(made / "cache") / frames
        sizes = "and their bytes"
    basis = f"measured on {frames} frames, {f'{instead}, ' if instead else ''}{sizes}"
    return SegmentRate(sec / frames, mask_bytes, basis, building.sec, unit_bytes, gpu_bytes())


def _some(segmenter: Segmenter, whole: dict[str, np.ndarray], batch_size: int) -> dict[str, np.ndarray]:
    """Of each video as many frames as can be segmented in SEGMENT_SEC, or a few of the first one, after warming up."""
    video, frames = next(iter(whole.items()))
    segmenter(frames[:1], video)
    taken: list[float] = []
    while len(taken) < 3 and sum(taken) < SEGMENT_SEC / 2:  # the least of a few: others may use this machine
        with Clock() as clock:
            segmenter(frames[:1], video)
        taken.append(clock.sec)
    if min(taken) * batch_size > SEGMENT_SEC / 2:
        return {video: frames[:FEW_FRAMES]}
    segmenter(frames[:batch_size], video)
    room = int(SEGMENT_SEC / min(taken))
    return {video: frames[: max(room // len(whole), batch_size)] for video, frames in whole.items()}
