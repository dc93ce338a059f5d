"""Segments every decoded video once, through the side cache, into the mask store."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from objabn.cache import Cache, unit_key
from objabn.masks import GRID, GROUPS, mask_iou, score_planes, union_mask
from objabn.progress import progress
from objabn.segmenters import Instances, Segmenter
from objabn.sources import Reader
from objabn.stores import StoreReader, StoreWriter

INSTANCES = "instances.parquet"
UNIT_VERSION = 1  # raised when a unit's layout or content changes other than by its segmenter: here, in masks or video
REPORT_SCORE = 0.5
ROWS_PER_GROUP = 100_000  # of the table of instances: a group a video makes it slow to open
FRAMES_PER_SHARD = 16384  # 576 shards for the 9.4 million frames of SSv2
_INSTANCE_SCHEMA = pa.schema(
    [("video", pa.string()), ("frame", pa.int32()), ("class", pa.string()), ("score", pa.float32())]
    + [(side, pa.float32()) for side in ("x0", "y0", "x1", "y1")]
)


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


def segment_videos(
    table: pd.DataFrame,
    frames: Reader,
    store: Path,
    *,
    build: Callable[[], Segmenter],
    key: Mapping[str, Any],
    cache: Cache,
) -> tuple[int, int]:
    """Writes the mask store and its table of instances; returns how many videos were segmented and found in the cache.

    Args:
        table: the table of videos; failed ones get no frames.
        frames: where their frames are read.
        store: directory to write to; must exist.
        build: makes the segmenter, called only when a video has to be segmented.
        key: everything besides the video's content that determines its masks.
        cache: finished units, one a video.
    """
    writer = StoreWriter(store, (len(GROUPS), GRID, GRID), frames_per_shard=_shard_length(int(table["frames"].sum())))
    segmenter: Segmenter | None = None
    counts = {"segmented": 0, "cached": 0}
    pending: list[pa.Table] = []
    with (
        pq.ParquetWriter(store / INSTANCES, _INSTANCE_SCHEMA) as instances,
        # Closed before a fault is reported: else the bar writes once more after the message.
        progress(total=int(table["frames"].sum()), desc="segment", unit="frame") as bar,
    ):
        for row in table.to_dict("records"):
            if row["frames"] == 0:
                writer.append(np.zeros((0, len(GROUPS), GRID, GRID), np.uint8), video=row["video"])
                continue
            name = unit_key(version=UNIT_VERSION, content=row["digest"], frames=row["frames"], **key)
            payload = cache.load("masks", name)
            counts["cached" if payload else "segmented"] += 1
            if payload is None:
                segmenter = segmenter or build()
                payload = _pack(segmenter(frames.read_all(row["video"])))
                cache.store("masks", name, payload)
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


def _shard_length(num_frames: int) -> int:
    """A small data set gets a small shard: the writer holds one in memory."""
    return min(FRAMES_PER_SHARD, max(1024, -(-num_frames // 16) * 16))


def _instance_rows(video: str, unit: Mapping[str, np.ndarray]) -> pa.Table:
    boxes = {side: unit["boxes"][:, column] for column, side in enumerate(("x0", "y0", "x1", "y1"))}
    columns = {"video": [video] * len(unit["frame"]), "frame": unit["frame"], "class": unit["classes"].tolist()}
    return pa.table({**columns, "score": unit["scores"], **boxes}, schema=_INSTANCE_SCHEMA)


def quality(table: pd.DataFrame, store: Path, truth: Path | None) -> dict[str, float]:
    """Quality of the masks of instances with a score of at least 0.5, whatever training chooses later.

    Keys: `frames`, `instances_per_frame`, `empty_share` (frames without an instance) and, where there is ground truth,
    the IoU of the union of all instances with the true one and that of persons only, mean over the frames of a video
    and then over the videos: `iou_truth`, `iou_truth_person`, and over the test split `iou_truth_test`,
    `iou_truth_person_test`.
    """
    masks = StoreReader(store)
    truths = StoreReader(truth) if truth else None
    usable = table[table["frames"] > 0].reset_index(drop=True)
    rows = []
    for video in usable["video"]:
        planes = masks.read_all(video)
        row = {"empty": (~union_mask(planes, REPORT_SCORE).any(axis=(-2, -1))).sum()}
        if truths is not None:
            true_planes = truths.read_all(video)[: len(planes)]
            for suffix, groups in (("", GROUPS), ("_person", GROUPS[:1])):
                found, true = (union_mask(each, REPORT_SCORE, groups) for each in (planes, true_planes))
                row[f"iou_truth{suffix}"] = mask_iou(found, true).mean()
        rows.append(row)
    per_video = pd.DataFrame(rows)
    frames = int(usable["frames"].sum())
    scores = pq.read_table(store / INSTANCES, columns=["score"])["score"].to_numpy()
    report = {
        "frames": frames,
        "instances_per_frame": (scores >= REPORT_SCORE).sum() / frames,
        "empty_share": per_video.pop("empty").sum() / frames,
        **per_video.mean(),
        **per_video[usable["split"] == "test"].mean().add_suffix("_test"),
    }
    return {name: round(float(value), 6) for name, value in report.items()}
