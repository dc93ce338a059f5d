"""Read masks that are wrong on purpose (`masks` of a control).

Rows trained with wrong masks tell what the right masks are worth. The readers stand in the mask store's place, for
training only. They return masks that are shifted to another place of the frame, or another video's masks; or, as a
control's block says, masks of another source (`given_masks`), shifted by a given length and missing in some frames.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from objabn.clips.partners import partners
from objabn.clips.seeds import video_number
from objabn.config.control_masks import GivenMasks, TrueMasks
from objabn.config.schema import Dataset
from objabn.stores.array import StoreReader
from objabn.stores.frames import Reader
from objabn.stores.table import RowNumbers
from objabn.training.given_masks import given_masks

_LEAST = 1 / 4  # of the frame: the least shift, along one side at least
_DIRECTION, _DROPPED = 1, 2  # what is drawn, so that one draw says nothing of the other


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
        """Return shifted planes uint8 (n, groups, G, G), as `StoreReader.read`."""
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
        """Return the partner's planes uint8 (n, groups, G, G), as `StoreReader.read`.

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


def offset_of(video: str, seed: int, size: int, share: float) -> tuple[int, int]:
    """Draw the direction in which a video's masks are shifted by a given length.

    Returns dy and dx in cells, rounded, whose length is `share` of the frame with `size` cells a side. The direction is
    drawn from (seed, video), evenly over all directions; it does not depend on the length.
    """
    draw = np.random.default_rng([seed, video_number(video), _DIRECTION])
    angle = 2 * np.pi * draw.random()
    return round(share * size * float(np.sin(angle))), round(share * size * float(np.cos(angle)))


def dropped_frames(video: str, seed: int, num_frames: int, share: float) -> np.ndarray:
    """Draw the frames of a video whose masks are dropped, bool (num_frames,).

    They are `share` of the frames, rounded to a whole number, drawn from (seed, video). Frames that a small share drops
    are among those that a large one drops.
    """
    order = np.random.default_rng([seed, video_number(video), _DROPPED]).permutation(num_frames)
    return order < int(share * num_frames + 0.5)


class DisturbedMasks:
    """Read masks that are shifted by a given length, and empty in a given share of the frames.

    Shift and frames are the same each time that a video is read (`offset_of`, `dropped_frames`). What leaves the frame
    comes in on the other side.

    Args:
        given: reader of the masks.
        masks: the mask store's reader, which knows how many frames a video has.
        shift: length of the shift, as a share of the frame's side.
        drop: share of the frames whose mask is emptied.
    """

    def __init__(self, given: Reader, masks: StoreReader, seed: int, shift: float, drop: float) -> None:
        self._given, self._masks, self._seed, self._shift, self._drop = given, masks, seed, shift, drop

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return disturbed planes uint8 (n, groups, G, G), as `StoreReader.read`."""
        return self._disturbed(video, indices, self._given.read(video, indices))

    def read_all(self, video: str) -> np.ndarray:
        """Return all disturbed planes of a video, as `StoreReader.read_all`."""
        planes = self._given.read_all(video)
        return self._disturbed(video, np.arange(len(planes)), planes)

    def _disturbed(self, video: str, indices: np.ndarray, planes: np.ndarray) -> np.ndarray:
        offset = offset_of(video, self._seed, planes.shape[-1], self._shift)
        dropped = dropped_frames(video, self._seed, self._masks.num_frames(video), self._drop)[indices]
        disturbed = np.roll(planes, offset, axis=(-2, -1))
        disturbed[dropped] = 0
        return disturbed


def true_stores(how: str | GivenMasks, params: Dataset) -> list[Path]:
    """List the stores of true masks that a row is trained with: one, or none."""
    return [Path(params.truth.store)] if params.truth and isinstance(how, TrueMasks) else []


def wrong_masks(
    how: str | GivenMasks,
    seed: int,
    masks: StoreReader,
    videos: pd.Series,
    classes: np.ndarray,
    *,
    params: Dataset | None = None,
    frames: Path | None = None,
) -> Reader:
    """Make the reader of the masks that a row is trained with.

    Args:
        how: "own", "shifted", "other", or a control's block.
        masks: the mask store's reader.
        videos: ids of the videos that are trained on.
        classes: their class numbers, int (V,).
        params: parameters of the data set; a block needs them, and the next.
        frames: path of the store of frames.

    Raises:
        ValueError: another `how`, or fewer than two videos to exchange masks; or as `given_masks`.
    """
    if how == "own":
        return masks
    if how == "shifted":
        return ShiftedMasks(masks, seed)
    if how == "other":
        return OtherMasks(masks, videos, classes, seed)
    if isinstance(how, str):
        raise ValueError(f"masks: expected own, shifted or other, got {how!r}")
    assert params is not None
    assert frames is not None
    return DisturbedMasks(given_masks(how, masks, videos, params, frames), masks, seed, how.shift, how.drop)
