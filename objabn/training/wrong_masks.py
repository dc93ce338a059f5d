"""Read masks that are wrong on purpose (`masks` of a control).

Rows trained with wrong masks tell what the right masks are worth. The readers stand in the mask store's place, for
training only. They return masks that are shifted to another place of the frame, or another video's masks.
"""

import numpy as np
import pandas as pd

from objabn.clips.partners import partners
from objabn.clips.seeds import video_number
from objabn.stores.array import StoreReader
from objabn.stores.table import RowNumbers

_LEAST = 1 / 4  # of the frame: the least shift, along one side at least


def shift_of(video: str, seed: int, size: int) -> tuple[int, int]:
    """Draw how far a video's masks are shifted.

    Returns dy and dx in [0, size) cells, for a frame with `size` cells a side. Masks that leave the frame come in on
    the other side. So a shift by dy is also a shift by size - dy backwards; the shorter way counts as the distance. The
    shift is drawn from (seed, video), evenly over all shifts whose distance is a quarter of the frame or more along one
    side at least.
    """
    draw = np.random.default_rng([seed, video_number(video)])
    while True:
        shift = draw.integers(size, size=2)
        if np.minimum(shift, size - shift).max() >= _LEAST * size:
            return int(shift[0]), int(shift[1])


class ShiftedMasks:
    """Read each video's own masks, moved by the same shift in all frames.

    The part of a mask that leaves the frame comes in on the other side. So area, shape and movement of the masks are
    right, and only the place is wrong.
    """

    def __init__(self, masks: StoreReader, seed: int) -> None:
        self._masks, self._seed = masks, seed

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return shifted planes uint8 (n, 2, G, G), as `StoreReader.read`."""
        return self._shifted(video, self._masks.read(video, indices))

    def read_all(self, video: str) -> np.ndarray:
        """Return all shifted planes of a video, as `StoreReader.read_all`."""
        return self._shifted(video, self._masks.read_all(video))

    def _shifted(self, video: str, planes: np.ndarray) -> np.ndarray:
        return np.roll(planes, shift_of(video, self._seed, planes.shape[-1]), axis=(-2, -1))


class OtherMasks:
    """Read the masks of a video's partner (`partners`) in place of the video's own.

    Where the partner has fewer frames, the partner's masks start again from the first.

    Args:
        videos: ids of the videos that exchange masks.
        classes: their class numbers, int (V,).
    """

    def __init__(self, masks: StoreReader, videos: pd.Series, classes: np.ndarray, seed: int) -> None:
        self._masks, self._rows = masks, RowNumbers(videos)
        self._names = np.array([video.encode() for video in videos], dtype=bytes)
        self._partners = partners(classes, seed)

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return the partner's planes uint8 (n, 2, G, G), as `StoreReader.read`.

        Raises:
            ValueError: for a video that takes no part in the exchange.
        """
        row = self._rows.find(video)
        if row is None:
            raise ValueError(f"{video}: expected one of the videos that exchange masks")
        partner = self._names[self._partners[row]].decode()
        return self._masks.read(partner, indices % self._masks.num_frames(partner))

    def read_all(self, video: str) -> np.ndarray:
        """Return the partner's planes for all frames of a video."""
        return self.read(video, np.arange(self._masks.num_frames(video)))


def wrong_masks(
    how: str, seed: int, masks: StoreReader, videos: pd.Series, classes: np.ndarray
) -> ShiftedMasks | OtherMasks:
    """Make the reader that a control's `masks` asks for, "shifted" or "other".

    Raises:
        ValueError: another `how`, or fewer than two videos to exchange masks.
    """
    if how == "shifted":
        return ShiftedMasks(masks, seed)
    if how == "other":
        return OtherMasks(masks, videos, classes, seed)
    raise ValueError(f"masks: expected shifted or other, got {how!r}")
