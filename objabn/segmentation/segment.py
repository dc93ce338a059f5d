"""Segment every decoded video once, through the side cache, into the mask store.

Two steps: the units that are not in the side cache are computed into it, then all units become the store.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from objabn.config.schema import Dataset
from objabn.progress import progress
from objabn.segmentation.prefetch import beside
from objabn.segmentation.segmenters.choice import build
from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.segmentation.units import KIND, pack, unpack
from objabn.stores.array import StoreWriter
from objabn.stores.frames import Reader, open_frames
from objabn.stores.masks import GRID, GROUPS, INSTANCES, shard_length
from objabn.system.cache import Cache

ROWS_PER_GROUP = 100_000  # of the table of instances: a group a video makes it slow to open
ZSTD_LEVEL = 9  # 29 % smaller than 3 and read as fast, for 0.03 ms a frame; 19 saves 20 % more, but takes 1 ms
_INSTANCE_SCHEMA = pa.schema(
    [("video", pa.string()), ("frame", pa.int32()), ("class", pa.string()), ("score", pa.float32())]
    + [(side, pa.float32()) for side in ("x0", "y0", "x1", "y1")]
)


class Unit(NamedTuple):
    """A video to segment: its id, the key of its unit in the side cache, and its number of frames."""

    video: str
    name: str
    frames: int


def make_compute(frames: Path, params: Dataset) -> Callable[[Mapping[str, Any]], None]:
    """Make a function that puts a video's unit into the side cache; for engines that compute in other processes.

    Args:
        frames: the frame store.

    The function takes a mapping with `video` and `name`, its key in the side cache.
    """
    reader = open_frames(frames, Path(params.videos), params.decode)
    segment, cache = build(**params.segment.model_dump(), decode_stride=params.decode.stride), Cache()

    def compute(unit: Mapping[str, Any]) -> None:
        if cache.load(KIND, unit["name"]) is None:
            cache.store(KIND, unit["name"], pack(segment(reader.read_all(unit["video"]), unit["video"])))

    return compute


def segment_videos(
    table: pd.DataFrame,
    names: list[str],
    frames: Reader,
    store: Path,
    *,
    make_segmenter: Callable[[], Segmenter],
    cache: Cache,
    fill: Callable[[list[dict[str, Any]]], None] | None = None,
    overlap: bool = False,
) -> tuple[int, int]:
    """Write the mask store and its table of instances; how many videos were segmented, and how many were in the cache.

    Args:
        table: the table of videos; failed ones get no frames.
        names: keys of their units in the side cache (`units.unit_names`).
        frames: where their frames are read.
        store: directory to write to; must exist.
        make_segmenter: makes it, called only when a video has to be segmented.
        cache: finished units, one a video.
        fill: has the missing units (video, name, frames) put into the cache by other processes; None computes here.
        overlap: reads and writes in threads beside the segmenter; pays where it computes on another device.
    """
    units = [Unit(*unit) for unit in zip(table["video"], names, table["frames"].tolist(), strict=True)]
    missing = list({unit.name: unit for unit in units if unit.name and cache.load(KIND, unit.name) is None}.values())
    if fill is not None:
        fill([unit._asdict() for unit in missing])
    elif missing:
        _compute(missing, frames, make_segmenter(), cache, overlap=overlap)
    _assemble(units, store, cache, lambda unit: _compute([unit], frames, make_segmenter(), cache))
    return len(missing), sum(bool(unit.name) for unit in units) - len(missing)


def _compute(units: list[Unit], frames: Reader, segmenter: Segmenter, cache: Cache, *, overlap: bool = False) -> None:
    """Segment videos into the cache, one after the other; with `overlap` the next is read and the last is written."""
    step: Any = beside if overlap else map

    def segmented() -> Iterator[tuple[Unit, list[Instances]]]:
        for unit, pixels in zip(units, step(frames.read_all, (unit.video for unit in units)), strict=True):
            yield unit, segmenter(pixels, unit.video)

    def keep(item: tuple[Unit, list[Instances]]) -> int:
        unit, instances = item
        cache.store(KIND, unit.name, pack(instances))
        return unit.frames

    with progress(total=sum(unit.frames for unit in units), desc="segment", unit="frame") as bar:
        for num_frames in step(keep, segmented()):
            bar.update(num_frames)


def _assemble(units: list[Unit], store: Path, cache: Cache, compute: Callable[[Unit], None]) -> None:
    """Write the store from the units in the cache; `compute` makes one that somebody has removed meanwhile."""
    shard = shard_length(sum(unit.frames for unit in units))
    writer = StoreWriter(store, (len(GROUPS), GRID, GRID), level=ZSTD_LEVEL, frames_per_shard=shard)
    pending: list[pa.Table] = []
    with pq.ParquetWriter(store / INSTANCES, _INSTANCE_SCHEMA, write_page_checksum=True) as instances:
        for unit in units:
            if not unit.name:
                writer.append(np.zeros((0, len(GROUPS), GRID, GRID), np.uint8), video=unit.video)
                continue
            payload = cache.load(KIND, unit.name)
            if payload is None:
                compute(unit)
                payload = cache.load(KIND, unit.name)
                assert payload is not None, f"{unit.video}: its unit was not kept"
            arrays = unpack(payload)
            writer.append(arrays["planes"], video=unit.video)
            pending.append(_instance_rows(unit.video, arrays))
            if sum(map(len, pending)) >= ROWS_PER_GROUP:
                instances.write_table(pa.concat_tables(pending))
                pending = []
        if pending:
            instances.write_table(pa.concat_tables(pending))
    writer.close()


def _instance_rows(video: str, unit: Mapping[str, np.ndarray]) -> pa.Table:
    boxes = {side: unit["boxes"][:, column] for column, side in enumerate(("x0", "y0", "x1", "y1"))}
    columns = {"video": [video] * len(unit["frame"]), "frame": unit["frame"], "class": unit["classes"].tolist()}
    return pa.table({**columns, "score": unit["scores"], **boxes}, schema=_INSTANCE_SCHEMA)
