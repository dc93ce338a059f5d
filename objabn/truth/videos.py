"""The decoded videos of a data set, found by the names that annotations give them."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd


class Video(NamedTuple):
    """A decoded video, which annotations have to fit."""

    id: str
    frames: int  # stored ones
    stride: int  # between the video's frames that are stored
    fps: float  # of the stored ones
    height: int  # pixels, of the video
    width: int
    is_whole: bool = True  # False of one that could be decoded in part only: its last frames are missing

    @property
    def most_frames(self) -> int:
        """Return how many frames the video has at most, stored or not."""
        return self.frames * self.stride


class Videos:
    """Find the decoded videos of a data set by their ids, or by the last part of an id, in any case.

    Args:
        table: the frame store's table of videos (columns video, status, frames, fps, height, width).
        stride: `decode.stride`.
    """

    def __init__(self, table: pd.DataFrame, stride: int) -> None:
        rows = table[table["frames"] > 0]
        columns = (rows[name].tolist() for name in ("video", "status", "frames", "fps", "height", "width"))
        self.by_id: Mapping[str, Video] = {
            video: Video(video, frames, stride, fps, height, width, status == "ok")
            for video, status, frames, fps, height, width in zip(*columns, strict=True)
        }
        times = Counter(map(_last_part, self.by_id))
        self._by_part = {part: each for video, each in self.by_id.items() if times[part := _last_part(video)] == 1}

    def __len__(self) -> int:
        return len(self.by_id)

    def find(self, name: str) -> Video | None:
        """The video that annotations mean; None for another data set's, or where several have that last part."""
        return self.by_id.get(name) or self._by_part.get(_last_part(name))


def _last_part(name: str) -> str:
    return name.rpartition("/")[2].casefold()
