"""Masks that are wrong on purpose, for rows which tell what the right ones are worth (`masks` of a control).

Readers in the mask store's place, for training only: shifted to another place of the frame, or another video's.
"""

import numpy as np
import pandas as pd

from objabn.clips.partners import partners
from objabn.clips.seeds import video_number
from objabn.stores.array import StoreReader
from objabn.stores.table import RowNumbers

_LEAST = 1 / 4  # of the frame, that masks are shifted by along one side at least


def shift_of(video: str, seed: int, size: int) -> tuple[int, int]:
    """How far a video's masks are shifted, dy and dx in [0, size) cells around a frame of `size` a side.

    Drawn from (seed, video), evenly over all shifts that are a quarter of the frame or more along one side at least;
    forwards or backwards, whichever is shorter around it.
    """
    draw = np.random.default_rng([seed, video_number(video)])
    while True:
        shift = draw.integers(size, size=2)
        if np.minimum(shift, size - shift).max() >= _LEAST * size:
            return int(shift[0]), int(shift[1])


class ShiftedMasks:
    """Each video's own masks, all frames moved by one shift; what leaves the frame comes in on the other side.

    So area, shape and movement are the own ones, the place alone is wrong.
    """

    def __init__(self, masks: StoreReader, seed: int) -> None:
        self._masks, self._seed = masks, seed

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """As `StoreReader.read`: planes uint8 (n, 2, G, G)."""
        return self._shifted(video, self._masks.read(video, indices))

    def read_all(self, video: str) -> np.ndarray:
        return self._shifted(video, self._masks.read_all(video))

    def _shifted(self, video: str, planes: np.ndarray) -> np.ndarray:
        return np.roll(planes, shift_of(video, self._seed, planes.shape[-1]), axis=(-2, -1))


class OtherMasks:
    """For each video the masks of its partner (`partners`), from the start again where the partner's are fewer frames.

    Args:
        videos: ids of the videos that exchange masks.
        classes: their class numbers, int (V,).
    """

    def __init__(self, masks: StoreReader, videos: pd.Series, classes: np.ndarray, seed: int) -> None:
        self._masks, self._rows = masks, RowNumbers(videos)
        self._names = np.array([video.encode() for video in videos], dtype=bytes)
        self._partners = partners(classes, seed)

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """As `StoreReader.read`: planes uint8 (n, 2, G, G). Raises: ValueError for a video that takes no part."""
        row = self._rows.find(video)
        if row is None:
            raise ValueError(f"{video}: expected one of the videos that exchange masks")
        partner = self._names[self._partners[row]].decode()
        return self._masks.read(partner, indices % self._masks.num_frames(partner))

    def read_all(self, video: str) -> np.ndarray:
        return self.read(video, np.arange(self._masks.num_frames(video)))


def wrong_masks(
    how: str, seed: int, masks: StoreReader, videos: pd.Series, classes: np.ndarray
) -> ShiftedMasks | OtherMasks:
    """The reader that a control's `masks` asks for, "shifted" or "other".

    Raises:
        ValueError: another `how`, or fewer than two videos to exchange masks.
    """
    if how == "shifted":
        return ShiftedMasks(masks, seed)
    if how == "other":
        return OtherMasks(masks, videos, classes, seed)
    raise ValueError(f"masks: expected shifted or other, got {how!r}")
