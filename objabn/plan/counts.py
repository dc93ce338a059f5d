"""How many videos and frames a data set has, as well as can be told without decoding it."""

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from objabn.config.schema import Dataset
from objabn.index.table import ALL_SPLITS, class_names, read_index
from objabn.plan.costs import Counts
from objabn.stores.splits import folds
from objabn.stores.table import TABLE, read_table
from objabn.synthetic.scenes import ACTIONS

# UCF101 split 1: 27 hours at 25 frames a second. Something-Something v2: 4.03 s at 12 frames a second on average.
PUBLISHED = {
    "ucf101": Counts(9_537, 3_783, 2_480_000, 101, "published numbers of UCF101, split 1"),
    "ssv2": Counts(168_913, 24_777, 9_400_000, 174, "published numbers of Something-Something v2, labelled splits"),
}
PROBED = 36  # videos whose headers are read


def count(name: str, params: Dataset) -> tuple[Counts, pd.DataFrame]:
    """Counts of a data set of the checkout in the working directory, and rows of its index whose videos are there.

    From what it is synthesized from, else from its index: with its decoded frames, or with the headers of a few dozen
    videos. Without an index the published numbers. Frames are those that `decode.stride` keeps. The rows have a column
    `frames`, all of a video, and are few.

    Raises:
        ValueError: there is none of these.
    """
    stride = params.decode.stride
    if params.synthesize is not None:
        made = params.synthesize
        frames = (made.train_videos + made.test_videos) * math.ceil((made.min_frames + made.max_frames) // 2 / stride)
        return Counts(made.train_videos, made.test_videos, frames, len(ACTIONS), "the block synthesize"), pd.DataFrame()
    path = Path("data") / name / "index.csv"
    if not path.is_file():
        if name in PUBLISHED:
            return replace(found := PUBLISHED[name], frames=math.ceil(found.frames / stride)), pd.DataFrame()
        raise ValueError(
            f"{path}: no such file, expected an index (`python -m objabn index`); "
            f"without one the numbers of {' and '.join(PUBLISHED)} alone are known"
        )
    index = read_index(path)
    known = splits_of(index) | {"classes": len(class_names(index))}
    probed = _probe(index, Path(params.videos))
    if ((store := path.with_name("frames")) / TABLE).is_file():
        table = read_table(store)
        if set(table["digest"]) == set(index["digest"]) and _has_stride(table, stride):
            origin, frames = f"{path} and its decoded frames", int(table["frames"].sum())
            return Counts(**known, frames=frames, origin=origin), probed
    if len(probed):
        origin = f"{path} and the headers of {len(probed)} videos"
        frames = round(len(index) * np.ceil(probed["frames"] / stride).mean())
        return Counts(**known, frames=frames, origin=origin), probed
    raise ValueError(f"{params.videos}: expected videos of {path}, found none; see datasets.{name}.videos")


def splits_of(index: pd.DataFrame) -> dict[str, int]:
    """Count the videos of each split, and of folds the networks: keywords of `Counts`."""
    if names := folds(index["split"]):
        return {"train": round(len(index) * (1 - 1 / len(names))), "test": len(index), "networks": len(names)}
    return {name: int((index["split"] == name).sum()) for name in ALL_SPLITS}


def _has_stride(table: pd.DataFrame, stride: int) -> bool:
    """Tell whether a decoded data set has every `stride`-th frame, as far as its files promise a number of frames."""
    if "container_frames" not in table:
        return True
    kept = table.loc[table["frames"] > 0]
    ratio = (kept["container_frames"] / kept["frames"]).median()
    return bool(np.isnan(ratio)) or round(float(ratio)) == stride


def _probe(index: pd.DataFrame, videos: Path) -> pd.DataFrame:
    """Up to PROBED rows spread over the index whose videos say how many frames they have, with a column `frames`."""
    chosen = index.iloc[np.unique(np.linspace(0, len(index) - 1, PROBED).round().astype(int))]
    frames = [_header_frames(videos / path) for path in chosen["path"]]
    chosen = chosen.assign(frames=frames)
    return chosen[chosen["frames"] > 0]


def _header_frames(path: Path) -> int:
    """Frames that a video's header promises; 0 where it does not tell, or there is no such video."""
    return max(int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)), 0) if path.is_file() else 0
