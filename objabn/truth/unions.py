"""The masks of a mask store as people see them: for each group of instances the union at a score."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from objabn.stores.array import StoreReader
from objabn.stores.masks import group_names, union_mask


class Video(NamedTuple):
    """A video whose masks go out."""

    id: str
    frames: int  # stored ones
    stride: int  # stored frame i is the video's frame i * stride
    height: int  # pixels of the video
    width: int
    fps: float  # of the stored frames

    @property
    def names(self) -> list[str]:
        """Names of its stored frames, as `import` wants them: <video id>/<frame number>.png."""
        return [f"{self.id}/{number * self.stride:05d}.png" for number in range(self.frames)]

    @property
    def cvat_names(self) -> list[str]:
        """Names of its frames up to the last stored one, as CVAT names those of a task of one video."""
        return [f"frame_{number:06d}.PNG" for number in range((self.frames - 1) * self.stride + 1)]


def read_unions(store: StoreReader, video: str, threshold: float) -> dict[str, np.ndarray]:
    """Read each group's union of instances of score `threshold` or more: bool (frames, GRID, GRID) by name."""
    planes, names = store.read_all(video), group_names(store)
    return {group: union_mask(planes, threshold, [group], names) for group in names}


def choose_videos(table: pd.DataFrame, stride: int, wanted: list[str] | None) -> list[Video]:
    """List the videos that have frames, all or the wanted ones, in the order of the table.

    Args:
        table: of the frame store: video, frames, height, width, fps.
        stride: `decode.stride`.
        wanted: their ids; None: all.

    Raises:
        ValueError: an id that is not in the table, or none of the videos has frames.
    """
    if unknown := sorted(set(wanted or ()) - set(table["video"])):
        raise ValueError(f"--videos: expected ids of decoded videos such as {table['video'].iloc[0]}, got {unknown[0]}")
    chosen = table if wanted is None else table[table["video"].isin(wanted)]
    rows = chosen[chosen["frames"] > 0]
    if rows.empty:
        raise ValueError(f"--videos: expected videos with frames, got {len(chosen)} that could not be decoded")
    return list(_videos(rows, stride))


def _videos(rows: pd.DataFrame, stride: int) -> Iterator[Video]:
    for row in rows.to_dict("records"):
        fps = row.get("fps")
        rate = float(fps) if fps is not None and np.isfinite(fps) and fps > 0 else 25.0
        yield Video(row["video"], int(row["frames"]), stride, int(row["height"]), int(row["width"]), rate)
