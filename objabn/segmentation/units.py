"""A unit of segmentation: the masks of one video in the side cache, and the key that names it."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from objabn.config.schema import Dataset
from objabn.segmentation.segmenters.choice import bring_weights, settings_key, video_key
from objabn.segmentation.segmenters.instances import Instances, planes_of
from objabn.stores.masks import GROUPS
from objabn.system.cache import unit_key

KIND = "masks"  # of a unit in the side cache
UNIT_VERSION = 1  # raised when a unit's layout or content changes other than by its segmenter: here, in masks or video


class Unit(NamedTuple):
    """A video to segment: its id, the key of its unit in the side cache, and its number of frames."""

    video: str
    name: str
    frames: int


VideoKey = Callable[[str], Mapping[str, Any]]


def _same(_video: str) -> Mapping[str, Any]:
    """A video's masks depend on nothing but its frames and `key`."""
    return {}


def pack(per_frame: list[Instances], groups: Sequence[str] = GROUPS) -> bytes:
    """Pack the masks of a video: score planes (frames, groups, 128, 128) and all instances, as npz behind zstd."""
    frame = np.repeat(np.arange(len(per_frame)), [len(each.scores) for each in per_frame])
    drawn = {
        id(each): planes_of(each, groups) for each in {id(each): each for each in per_frame}.values()
    }  # some twice
    buffer = io.BytesIO()
    np.savez(
        buffer,
        planes=np.stack([drawn[id(each)] for each in per_frame]),
        frame=frame.astype(np.int32),
        classes=np.array([name for each in per_frame for name in each.classes], dtype="U"),
        scores=np.array([score for each in per_frame for score in each.scores], np.float32),
        boxes=np.array([box for each in per_frame for box in each.boxes], np.float32).reshape(-1, 4),
    )
    content = buffer.getvalue()
    return len(content).to_bytes(8, "little") + pa.compress(content, "zstd", asbytes=True)


def unpack(payload: bytes) -> Mapping[str, np.ndarray]:
    """Read the arrays of a unit, by name."""
    size = int.from_bytes(payload[:8], "little")
    with np.load(io.BytesIO(pa.decompress(payload[8:], size, "zstd", asbytes=True))) as unit:
        return dict(unit)


def output_key(params: Dataset) -> dict[str, Any]:
    """Collect everything besides a video's content that determines its masks, as JSON-serialisable values."""
    names = {"height", "width", "codec", "quality", "store"}
    stored = params.decode.model_dump(include=names | ({"stride"} if params.decode.stride > 1 else set()))
    return {"segment": settings_key(**params.segment.model_dump()), "decode": stored}


def unit_names(table: pd.DataFrame, key: Mapping[str, Any], more: VideoKey = _same) -> list[str]:
    """Name the unit of each video in the side cache by its key; "" for a video without frames.

    Args:
        table: the table of videos.
        key: `output_key`.
        more: of it, by the video's id (`choice.video_key`); its names are not those of `key`.
    """
    rows = zip(table["video"], table["digest"], table["frames"].tolist(), strict=True)
    return [
        unit_key(version=UNIT_VERSION, content=content, frames=frames, **key, **more(video)) if frames else ""
        for video, content, frames in rows
    ]


def dataset_units(table: pd.DataFrame, params: Dataset, *, bring: bool = False) -> list[str]:
    """Name the units of a data set's videos under its present parameters; "" for a video without frames.

    Args:
        bring: downloads weights of the Hub that are not here, whose content counts. Raises: ValueError when they cannot
            be had.
    """
    if bring:
        bring_weights(**params.segment.model_dump())
    return unit_names(table, output_key(params), video_key(**params.segment.model_dump()))
