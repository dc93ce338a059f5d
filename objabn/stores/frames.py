"""Where frames come from: the frame store, or the video files themselves (`decode.store: false`)."""

from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from objabn.config.schema import Decode
from objabn.stores.array import StoreReader
from objabn.stores.table import RowNumbers, read_table
from objabn.video.read import read_video


class Reader(Protocol):
    """Frames' entries of a data set, by video."""

    def read(self, video: str, indices: np.ndarray) -> np.ndarray: ...

    def read_all(self, video: str) -> np.ndarray: ...


class VideoFiles:
    """Reads frames from the video files, each from its beginning: random access is silently wrong in some formats."""

    def __init__(self, table: pd.DataFrame, videos: Path, size: tuple[int, int]) -> None:
        self._rows = RowNumbers(table["video"])
        self._videos, self._paths = videos, table["path"].reset_index(drop=True)
        self._lengths = table["frames"].to_numpy()
        self._size = size

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        return self.read_all(video)[indices]

    def read_all(self, video: str) -> np.ndarray:
        row = self._rows.find(video)
        if row is None:
            raise ValueError(f"{self._videos}: has no video {video}")
        path = self._videos / self._paths[row]
        frames = read_video(path, size=self._size)[0]
        if len(frames) != self._lengths[row]:
            raise ValueError(f"{path}: expected {self._lengths[row]} frames, got {len(frames)}: it changed")
        return frames


def open_frames(store: Path, videos: Path, decode: Decode) -> Reader:
    """The reader that `decode.store` asks for; both give uint8 (n, decode.height, decode.width, 3)."""
    if decode.store:
        return StoreReader(store)
    return VideoFiles(read_table(store, ["video", "path", "frames"]), videos, (decode.height, decode.width))
