"""Read frames from the frame store, or from video files (`decode.store: false`).

With `decode.stride: n` a frame's number counts stored frames: frame i is the video's frame n * i.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from objabn.config.schema import Decode
from objabn.stores.array import StoreReader
from objabn.stores.table import RowNumbers, read_table
from objabn.system.checkouts import why_absent
from objabn.system.files import file_digest
from objabn.video.probe import VideoError
from objabn.video.read import read_video


class Reader(Protocol):
    """A reader of a data set's entries (frames or masks) by video."""

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return the entries of a video's frames with these numbers, uint8 (n, ...)."""
        ...

    def read_all(self, video: str) -> np.ndarray:
        """Return all entries of a video, uint8 (frames, ...)."""
        ...


class FrameReader(Reader, Protocol):
    """Read videos' frames of one size."""

    @property
    def size(self) -> tuple[int, int]:
        """Return the height and width of a frame, pixels."""


class VideoFiles:
    """Read frames from video files, each file from its beginning.

    Random access to frames is silently wrong in some formats.

    Args:
        table: the table of videos (columns video, path, frames, digest).
        videos: the folder of the video files.
        size: height and width of the frames to return.
        stride: of the video's frames, those with the numbers 0, stride, 2 * stride, ... are there.
    """

    def __init__(self, table: pd.DataFrame, videos: Path, size: tuple[int, int], stride: int = 1) -> None:
        self._rows = RowNumbers(table["video"])
        self._videos, self._paths = videos, table["path"].reset_index(drop=True)
        self._lengths, self._digests = table["frames"].to_numpy(), table["digest"].to_numpy(dtype="S32")
        self._same = np.zeros(len(table), bool)  # files that this process has found to be what was registered
        self.size, self._stride = size, stride

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return the frames of a video with these numbers, uint8 (n, height, width, 3)."""
        return self.read_all(video)[indices]

    def read_all(self, video: str) -> np.ndarray:
        """Return all frames of a video, uint8 (frames, height, width, 3).

        Raises:
            ValueError: the video is unknown; its file cannot be read, or is not what the table says.
        """
        row = self._rows.find(video)
        if row is None:
            raise ValueError(f"{self._videos}: has no video {video}")
        path = self._videos / self._paths[row]
        try:
            if not self._same[row] and path.is_file():
                if file_digest(path).encode() != self._digests[row]:
                    raise ValueError(f"{path}: its content is not what index.csv registered; decode the data set again")
                self._same[row] = True
            frames = read_video(path, size=self.size)[0][:: self._stride]
        except VideoError as error:
            absent = "" if path.exists() else why_absent(path)
            raise ValueError(f"{path}: {error}{absent}") from error
        except OSError as error:
            raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
        if len(frames) != self._lengths[row]:
            raise ValueError(f"{path}: expected {self._lengths[row]} frames, got {len(frames)}: it changed")
        return frames


def open_frames(store: Path, videos: Path, decode: Decode) -> FrameReader:
    """Open the reader of frames that `decode.store` asks for.

    Both readers return frames uint8 (n, decode.height, decode.width, 3).
    """
    if decode.store:
        return StoreReader(store)
    table = read_table(store, ["video", "path", "frames", "digest"])
    return VideoFiles(table, videos, (decode.height, decode.width), decode.stride)
