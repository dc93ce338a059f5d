"""Segments every decoded video once, through the side cache, into the mask store."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from objabn.config.schema import Dataset
from objabn.progress import progress
from objabn.segmentation.prefetch import beside
from objabn.segmentation.segmenters.choice import Instances, Segmenter, build, settings_key
from objabn.stores.array import StoreWriter
from objabn.stores.frames import Reader, open_frames
from objabn.stores.masks import GRID, GROUPS, score_planes
from objabn.system.cache import Cache, unit_key

INSTANCES = "instances.parquet"
KIND = "masks"  # of a unit in the side cache
UNIT_VERSION = 1  # raised when a unit's layout or content changes other than by its segmenter: here, in masks or video
ROWS_PER_GROUP = 100_000  # of the table of instances: a group a video makes it slow to open
ZSTD_LEVEL = 9  # 29 % smaller than 3 and read as fast, for 0.03 ms a frame; 19 saves 20 % more, but takes 1 ms
FRAMES_PER_SHARD = 16384  # 574 shards for the 9.4 million frames of SSv2
_INSTANCE_SCHEMA = pa.schema(
    [("video", pa.string()), ("frame", pa.int32()), ("class", pa.string()), ("score", pa.float32())]
    + [(side, pa.float32()) for side in ("x0", "y0", "x1", "y1")]
)


VideoKey = Callable[[str], Mapping[str, Any]]


def _same(_video: str) -> Mapping[str, Any]:
    """A video's masks depend on nothing but its frames and `key`."""
    return {}


def _pack(per_frame: list[Instances]) -> bytes:
    """A video's unit: score planes (frames, 2, 128, 128) and the instances of all frames, as npz behind zstd."""
    frame = np.repeat(np.arange(len(per_frame)), [len(each.scores) for each in per_frame])
    buffer = io.BytesIO()
    np.savez(
        buffer,
        planes=np.stack([score_planes(each.masks, each.scores, list(each.classes)) for each in per_frame]),
        frame=frame.astype(np.int32),
        classes=np.array([name for each in per_frame for name in each.classes], dtype="U"),
        scores=np.array([score for each in per_frame for score in each.scores], np.float32),
        boxes=np.array([box for each in per_frame for box in each.boxes], np.float32).reshape(-1, 4),
    )
    content = buffer.getvalue()
    return len(content).to_bytes(8, "little") + pa.compress(content, "zstd", asbytes=True)


def _unpack(payload: bytes) -> Mapping[str, np.ndarray]:
    """The arrays of a unit by name."""
    size = int.from_bytes(payload[:8], "little")
    with np.load(io.BytesIO(pa.decompress(payload[8:], size, "zstd", asbytes=True))) as unit:
        return dict(unit)


def output_key(dataset: Dataset) -> dict[str, Any]:
    """Everything besides a video's content that determines its masks, as JSON-serialisable values."""
    stored = dataset.decode.model_dump(include={"height", "width", "codec", "quality", "store"})
    return {"segment": settings_key(**dataset.segment.model_dump()), "decode": stored}


def unit_names(table: pd.DataFrame, key: Mapping[str, Any], video_key: VideoKey = _same) -> list[str]:
    """Key of each video's unit in the side cache; "" for one without frames.

    Args:
        table: the table of videos.
        key: `output_key`.
        video_key: more of it, by the video's id (`segmenters.video_key`); its names are not those of `key`.
    """
    rows = zip(table["video"], table["digest"], table["frames"].tolist(), strict=True)
    return [
        unit_key(version=UNIT_VERSION, content=content, frames=frames, **key, **video_key(video)) if frames else ""
        for video, content, frames in rows
    ]


def make_compute(frames: Path, dataset: Dataset) -> Callable[[Mapping[str, Any]], None]:
    """Function that puts a video's unit into the side cache; for engines that compute in other processes.

    Args:
        frames: the frame store.

    The function takes a mapping with `video` and `name`, its key in the side cache.
    """
    reader = open_frames(frames, Path(dataset.videos), dataset.decode)
    segment, cache = build(**dataset.segment.model_dump()), Cache()

    def compute(unit: Mapping[str, Any]) -> None:
        if cache.load(KIND, unit["name"]) is None:
            cache.store(KIND, unit["name"], _pack(segment(reader.read_all(unit["video"]), unit["video"])))

    return compute


def segment_videos(
    table: pd.DataFrame,
    names: Sequence[str],
    frames: Reader,
    store: Path,
    *,
    make_segmenter: Callable[[], Segmenter],
    cache: Cache,
    fill: Callable[[list[dict[str, Any]]], None] | None = None,
    overlap: bool = False,
) -> tuple[int, int]:
    """Writes the mask store and its table of instances; returns how many videos were segmented and found in the cache.

    Args:
        table: the table of videos; failed ones get no frames.
        names: their units' keys in the side cache (`unit_names`).
        frames: where their frames are read.
        store: directory to write to; must exist.
        make_segmenter: makes it, called only when a video has to be segmented.
        cache: finished units, one a video.
        fill: has the missing units (video, name, frames) put into the cache by other processes; None computes here.
        overlap: reads and writes in threads beside the segmenter; pays where it computes on another device.
    """
    shard = _shard_length(int(table["frames"].sum()))
    writer = StoreWriter(store, (len(GROUPS), GRID, GRID), level=ZSTD_LEVEL, frames_per_shard=shard)
    counts = {"segmented": 0, "cached": 0}
    pending: list[pa.Table] = []
    elsewhere: set[str] = set()
    if fill is not None:
        units = zip(table["video"], names, table["frames"].tolist(), strict=True)
        missing = [
            {"video": video, "name": name, "frames": number}
            for video, name, number in units
            if name and cache.load(KIND, name) is None
        ]
        fill(missing)
        elsewhere = {unit["name"] for unit in missing}
    payloads = _payloads(table, names, frames, make_segmenter, cache, beside if overlap else map)
    bar = progress(total=int(table["frames"].sum()), desc="segment", unit="frame")
    with bar, pq.ParquetWriter(store / INSTANCES, _INSTANCE_SCHEMA) as instances:
        for row, name, (payload, was_cached) in zip(table.to_dict("records"), names, payloads, strict=True):
            if payload is None:
                writer.append(np.zeros((0, len(GROUPS), GRID, GRID), np.uint8), video=row["video"])
                continue
            counts["cached" if was_cached and name not in elsewhere else "segmented"] += 1
            unit = _unpack(payload)
            writer.append(unit["planes"], video=row["video"])
            pending.append(_instance_rows(row["video"], unit))
            if sum(map(len, pending)) >= ROWS_PER_GROUP:
                instances.write_table(pa.concat_tables(pending))
                pending = []
            bar.update(row["frames"])
        if pending:
            instances.write_table(pa.concat_tables(pending))
    writer.close()
    return counts["segmented"], counts["cached"]


def _payloads(
    table: pd.DataFrame,
    names: Sequence[str],
    frames: Reader,
    make_segmenter: Callable[[], Segmenter],
    cache: Cache,
    step: Callable[..., Iterator[Any]],
) -> Iterator[tuple[bytes | None, bool]]:
    """Each video's unit, None for one without frames, and whether it was in the cache; others are computed into it.

    Args:
        step: runs what stands before and after the network: `map`, or `beside` it.
    """
    segmenter: Segmenter | None = None

    def read(item: tuple[str, str]) -> tuple[str, str, bytes | None, np.ndarray | None]:
        nonlocal segmenter
        video, name = item
        payload = cache.load(KIND, name) if name else None
        if not name or payload is not None:
            return video, name, payload, None
        segmenter = segmenter or make_segmenter()  # before the first frame is read: it may not be installed
        return video, name, None, frames.read_all(video)

    def look() -> Iterator[tuple[str, bytes | None, list[Instances] | None]]:
        for video, name, payload, pixels in step(read, zip(table["video"], names, strict=True)):
            yield name, payload, None if segmenter is None or pixels is None else segmenter(pixels, video)

    def keep(item: tuple[str, bytes | None, list[Instances] | None]) -> tuple[bytes | None, bool]:
        name, payload, found = item
        if found is None:
            return payload, True
        payload = _pack(found)
        cache.store(KIND, name, payload)
        return payload, False

    return step(keep, look())


def _shard_length(num_frames: int) -> int:
    """A small data set gets a small shard: the writer holds one in memory."""
    return min(FRAMES_PER_SHARD, max(1024, -(-num_frames // 16) * 16))


def _instance_rows(video: str, unit: Mapping[str, np.ndarray]) -> pa.Table:
    boxes = {side: unit["boxes"][:, column] for column, side in enumerate(("x0", "y0", "x1", "y1"))}
    columns = {"video": [video] * len(unit["frame"]), "frame": unit["frame"], "class": unit["classes"].tolist()}
    return pa.table({**columns, "score": unit["scores"], **boxes}, schema=_INSTANCE_SCHEMA)
