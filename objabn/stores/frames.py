"""Read frames from the frame store, or from video files (`decode.store: false`)."""

from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from objabn.config.schema import Decode
from objabn.stores.array import StoreReader
from objabn.stores.table import RowNumbers, read_table
from objabn.video.read import read_video


class Reader(Protocol):
    """A reader of a data set's entries (frames or masks) by video."""

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return the entries of a video's frames with these numbers, uint8 (n, ...)."""
        ...

    def read_all(self, video: str) -> np.ndarray:
        """Return all entries of a video, uint8 (frames, ...)."""
        ...


class VideoFiles:
    """Read frames from video files, each file from its beginning.

    Random access to frames is silently wrong in some formats.

    Args:
        table: the table of videos (columns video, path, frames).
        videos: the folder of the video files.
        size: height and width of the frames to return.
    """

    def __init__(self, table: pd.DataFrame, videos: Path, size: tuple[int, int]) -> None:
        self._rows = RowNumbers(table["video"])
        self._videos, self._paths = videos, table["path"].reset_index(drop=True)
        self._lengths = table["frames"].to_numpy()
        self._size = size

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return the frames of a video with these numbers, uint8 (n, height, width, 3)."""
        return self.read_all(video)[indices]

    def read_all(self, video: str) -> np.ndarray:
        """Return all frames of a video, uint8 (frames, height, width, 3).

        Raises:
            ValueError: the video is unknown, or the file has another number of frames than the table says.
        """
        row = self._rows.find(video)
        if row is None:
            raise ValueError(f"{self._videos}: has no video {video}")
        path = self._videos / self._paths[row]
        frames = read_video(path, size=self._size)[0]
        if len(frames) != self._lengths[row]:
            raise ValueError(f"{path}: expected {self._lengths[row]} frames, got {len(frames)}: it changed")
        return frames


def open_frames(store: Path, videos: Path, decode: Decode) -> Reader:
    """Open the reader of frames that `decode.store` asks for.

    Both readers return frames uint8 (n, decode.height, decode.width, 3).
    """
    if decode.store:
        return StoreReader(store)
    return VideoFiles(read_table(store, ["video", "path", "frames"]), videos, (decode.height, decode.width))
