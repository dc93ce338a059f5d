"""Segment every decoded video once, through the side cache, into the mask store.

Two steps: the units that are not in the side cache are computed into it, and all units become the store. An engine with
processes of its own does the first step before the second; where this process computes, both go on side by side.
"""

import functools
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from objabn.config.schema import Dataset
from objabn.progress import progress
from objabn.segmentation.prefetch import beside
from objabn.segmentation.segmenters.choice import build
from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.segmentation.units import KIND, Unit, pack, unpack
from objabn.stores.array import StoreWriter
from objabn.stores.frames import Reader, open_frames
from objabn.stores.masks import GRID, GROUPS, INSTANCES, group_attributes, shard_length
from objabn.system.cache import Cache

ROWS_PER_GROUP = 100_000  # of the table of instances: a group a video makes it slow to open
ZSTD_LEVEL = 9  # 29 % smaller than 3 and read as fast, for 0.03 ms a frame; 19 saves 20 % more, but takes 1 ms
_INSTANCE_SCHEMA = pa.schema(
    [("video", pa.string()), ("frame", pa.int32()), ("class", pa.string()), ("score", pa.float32())]
    + [(side, pa.float32()) for side in ("x0", "y0", "x1", "y1")]
)


Compute = Callable[[Sequence[Unit]], Iterator[Unit]]
Arrays = Mapping[str, np.ndarray]  # of a unit, by name


def make_compute(frames: Path, params: Dataset, *, cache: Path | None = None, overlap: bool = False) -> Compute:
    """Make a function that puts videos' units into the side cache; for engines that compute in other processes.

    The function is `compute_missing`, with units for its only argument.

    Args:
        frames: the frame store.
        cache: the side cache's directory; None asks the environment, which another process may not share.
        overlap: as of `segment_videos`.
    """
    reader = open_frames(frames, Path(params.videos), params.decode)
    segmenter = build(**params.segment.model_dump(), decode_stride=params.decode.stride)
    kept, groups = Cache(cache), params.plane_names
    overlap = overlap and getattr(params.segment, "overlap", True)
    return partial(compute_missing, frames=reader, segmenter=segmenter, cache=kept, overlap=overlap, groups=groups)


def compute_missing(
    units: Sequence[Unit],
    frames: Reader,
    segmenter: Segmenter,
    cache: Cache,
    *,
    overlap: bool = False,
    groups: Sequence[str] = GROUPS,
) -> Iterator[Unit]:
    """Put videos' units into the cache, one after the other; yields each that is there.

    A unit that is there already is not computed: a process that was lost later has made it, or another one just now.

    Args:
        overlap: reads the next video, and packs and writes the last one, in threads beside the segmenter.
        groups: names of the planes (`Dataset.plane_names`).
    """
    is_there = [cache.has(KIND, unit.name) for unit in units]
    yield from (unit for unit, there in zip(units, is_there, strict=True) if there)
    missing = [unit for unit, there in zip(units, is_there, strict=True) if not there]
    yield from _compute(missing, frames, segmenter, cache, groups, overlap=overlap)


def segment_videos(
    table: pd.DataFrame,
    names: list[str],
    frames: Reader,
    store: Path,
    *,
    make_segmenter: Callable[[], Segmenter],
    cache: Cache,
    fill: Callable[[list[Unit]], None] | None = None,
    overlap: bool = False,
    groups: Sequence[str] = GROUPS,
) -> tuple[int, int]:
    """Write the mask store and its table of instances; how many videos were segmented, and how many were in the cache.

    Args:
        table: the table of videos; failed ones get no frames.
        names: keys of their units in the side cache (`units.unit_names`).
        frames: where their frames are read.
        store: directory to write to; must exist.
        make_segmenter: makes it, called only when a video has to be segmented here, and once.
        cache: finished units, one a video.
        fill: has the missing units put into the cache by other processes; None computes here.
        overlap: reads and writes in threads beside the segmenter; pays where it computes on another device.
        groups: names of the planes (`Dataset.plane_names`).
    """
    units = [Unit(*unit) for unit in zip(table["video"], names, table["frames"].tolist(), strict=True)]
    missing = list({unit.name: unit for unit in units if unit.name and not cache.has(KIND, unit.name)}.values())
    segmented = {unit.name for unit in missing}
    waiting = set(segmented)
    segmenter = functools.cache(make_segmenter)
    if fill is not None:
        fill(missing)
        waiting.clear()

    def computed() -> Generator[Unit, None, None]:
        with frames_bar(missing) as bar:
            for unit in compute_missing(missing, frames, segmenter(), cache, overlap=overlap, groups=groups):
                bar.update(unit.frames)
                yield unit

    def in_turn() -> Iterator[tuple[Unit, Arrays | None]]:
        """Each video with its unit, once that is there; one that is damaged, or removed meanwhile, is made again."""
        computing = computed()
        for unit in units:
            while unit.name in waiting:
                waiting.discard(next(computing).name)
            arrays = _load(cache, unit)
            if unit.name and arrays is None:
                list(_compute([unit], frames, segmenter(), cache, groups))
                segmented.add(unit.name)
                arrays = _load(cache, unit)
                assert arrays is not None, f"{unit.video}: its unit was not kept"
            yield unit, arrays
        computing.close()  # and its progress bar

    _assemble(in_turn(), sum(unit.frames for unit in units), store, groups, overlap=overlap)
    return len(segmented), sum(bool(unit.name) for unit in units) - len(segmented)


def frames_bar(units: Sequence[Unit]) -> Any:
    """Progress bar over the frames of videos."""
    return progress(total=sum(unit.frames for unit in units), desc="segment", unit="frame")


def _compute(
    units: Sequence[Unit],
    frames: Reader,
    segmenter: Segmenter,
    cache: Cache,
    groups: Sequence[str],
    *,
    overlap: bool = False,
) -> Iterator[Unit]:
    """As `compute_missing`, whatever is there: it may be damaged."""
    step: Any = beside if overlap else map

    def segmented() -> Iterator[tuple[Unit, list[Instances]]]:
        for unit, pixels in zip(units, step(frames.read_all, (unit.video for unit in units)), strict=True):
            yield unit, segmenter(pixels, unit.video)

    def keep(item: tuple[Unit, list[Instances]]) -> Unit:
        unit, instances = item
        cache.store(KIND, unit.name, pack(instances, groups))
        return unit

    yield from step(keep, segmented())


def _assemble(
    units: Iterator[tuple[Unit, Arrays | None]], num_frames: int, store: Path, groups: Sequence[str], *, overlap: bool
) -> None:
    """Write the store from all videos and their units; with `overlap` in a thread beside whoever makes them."""
    step: Any = beside if overlap else map
    item_shape, shard = (len(groups), GRID, GRID), shard_length(num_frames)
    writer = StoreWriter(store, item_shape, level=ZSTD_LEVEL, frames_per_shard=shard)
    pending: list[pa.Table] = []
    with pq.ParquetWriter(store / INSTANCES, _INSTANCE_SCHEMA, write_page_checksum=True) as instances:

        def append(item: tuple[Unit, Arrays | None]) -> None:
            unit, arrays = item
            if arrays is None:
                writer.append(np.zeros((0, *item_shape), np.uint8), video=unit.video)
                return
            writer.append(arrays["planes"], video=unit.video)
            pending.append(_instance_rows(unit.video, arrays))
            if sum(map(len, pending)) >= ROWS_PER_GROUP:
                instances.write_table(pa.concat_tables(pending))
                pending.clear()

        for _ in step(append, units):
            pass
        if pending:
            instances.write_table(pa.concat_tables(pending))
    writer.close(group_attributes(groups))


def _load(cache: Cache, unit: Unit) -> Arrays | None:
    """Read the arrays of a unit; None where it is not there, or damaged."""
    payload = cache.load(KIND, unit.name) if unit.name else None
    return None if payload is None else unpack(payload)


def _instance_rows(video: str, unit: Arrays) -> pa.Table:
    boxes = {side: unit["boxes"][:, column] for column, side in enumerate(("x0", "y0", "x1", "y1"))}
    columns = {"video": [video] * len(unit["frame"]), "frame": unit["frame"], "class": unit["classes"].tolist()}
    return pa.table({**columns, "score": unit["scores"], **boxes}, schema=_INSTANCE_SCHEMA)
