"""Read the masks that a control is trained with in place of the segmenter's: true ones, or those of motion.

The readers stand in the mask store's place. Their masks are unions already, so all planes of a frame hold the same: 255
where the mask is, and 0. `union_mask` finds this mask with any threshold and groups.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from objabn.config.control_masks import GivenMasks, MotionMasks, TrueMasks
from objabn.config.schema import Dataset
from objabn.segmentation import moving
from objabn.stores.array import StoreReader
from objabn.stores.frames import FrameReader, Reader, open_frames
from objabn.stores.masks import GRID, GROUPS
from objabn.stores.table import read_table
from objabn.stores.truth import TruthReader, open_truth
from objabn.system.cache import Cache, digest, unit_key
from objabn.system.files import file_digest

KIND = "motion"  # of a unit in the side cache: what moves in one video
MOST_LATE = 2  # last frames of a video that need no annotation of their own


class TruthPlanes:
    """Read the true masks of videos; last frames without an annotation have the mask of the last one with.

    Args:
        truth: they have an annotation in the first frames of these videos.
        frames: how many frames each video has.
        annotated: how many of its first frames have an annotation.
        groups: planes of the mask store, in whose place this reader stands.
    """

    def __init__(
        self, truth: TruthReader, frames: Mapping[str, int], annotated: Mapping[str, int], groups: int = len(GROUPS)
    ) -> None:
        self._truth, self._lengths, self._annotated, self._groups = truth, frames, annotated, groups

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return the planes of these frames, uint8 (n, groups, 128, 128)."""
        return _planes(self._truth.union(video, np.minimum(indices, self._annotated[video] - 1)), self._groups)

    def read_all(self, video: str) -> np.ndarray:
        """Return the planes of all frames of a video, as `StoreReader.read_all`."""
        return self.read(video, np.arange(self._lengths[video]))


class MotionPlanes:
    """Find what moves in the frames of a video when it is first read, and keep that.

    The masks, a few hundred bytes a frame, stay in the memory of each process that has read them, and in the side
    cache, where other trainings and processes find them.

    Args:
        frames: reader of stored frames.
        threshold, min_area: as for `moving_regions`; all regions count, whatever their score.
        cache: None keeps the masks in memory only.
        groups: planes of the mask store, in whose place this reader stands.
    """

    def __init__(
        self,
        frames: FrameReader,
        threshold: float,
        min_area: float,
        cache: Cache | None = None,
        groups: int = len(GROUPS),
    ) -> None:
        self._frames, self._settings, self._cache = frames, {"threshold": threshold, "min_area": min_area}, cache
        self._kept: dict[str, bytes] = {}
        self._groups = groups

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return the planes of these frames, uint8 (n, groups, 128, 128)."""
        return _planes(self._union(video)[indices], self._groups)

    def read_all(self, video: str) -> np.ndarray:
        """Return the planes of all frames of a video, as `StoreReader.read_all`."""
        return _planes(self._union(video), self._groups)

    def _union(self, video: str) -> np.ndarray:
        """What moves in each frame of a video, bool (frames, 128, 128)."""
        if video not in self._kept:
            frames = self._frames.read_all(video)
            content = {"frames": digest(frames.tobytes()).hex(), "shape": list(frames.shape)}
            key = unit_key(**content, code=file_digest(moving.__file__), **self._settings)
            kept = self._cache.load(KIND, key) if self._cache else None
            if kept is None:
                union = np.stack([each.masks.any(axis=0) for each in moving.moving_regions(frames, **self._settings)])
                kept = zlib.compress(np.packbits(union).tobytes(), level=1)
                if self._cache:
                    self._cache.store(KIND, key, kept)
            self._kept[video] = kept
        bits = np.frombuffer(zlib.decompress(self._kept[video]), np.uint8)
        return np.unpackbits(bits).reshape(-1, GRID, GRID).astype(bool)


def _planes(union: np.ndarray, groups: int) -> np.ndarray:
    """Put a union mask, bool (n, 128, 128), into all planes: uint8 (n, groups, 128, 128)."""
    return np.repeat(np.where(union, 255, 0).astype(np.uint8)[:, None], groups, axis=1)


def given_masks(how: GivenMasks, masks: StoreReader, videos: pd.Series, params: Dataset, frames: Path) -> Reader:
    """Open the masks that a control's block names.

    Args:
        masks: reader of the segmenter's masks.
        videos: ids of the videos that are trained on.
        params: parameters of the data set.
        frames: path of the store of frames.

    Raises:
        ValueError: true masks that lack a frame of these videos; or as `open_truth`.
    """
    if isinstance(how, MotionMasks):
        reader = open_frames(frames, Path(params.videos), params.decode)
        return MotionPlanes(reader, how.threshold, how.min_area, Cache(), masks.item_shape[0])
    if not isinstance(how, TrueMasks):
        return masks
    assert params.truth is not None, "the parameter file was checked"
    table = read_table(frames, ["video", "frames", "status"])
    table = table[table["video"].isin(set(videos))]
    truth = open_truth(params.truth, table, params.decode.stride)
    lengths = {video: int(length) for video, length in zip(table["video"], table["frames"], strict=True)}
    annotated = annotated_frames(truth, lengths, params.truth.store)
    return TruthPlanes(truth, lengths, annotated, masks.item_shape[0])


def annotated_frames(truth: TruthReader, lengths: Mapping[str, int], store: str) -> dict[str, int]:
    """Count the first frames of each video that have an annotation.

    These are all, but for at most MOST_LATE at its end.

    Args:
        lengths: how many frames each video has.
        store: path of the truth, for the message.

    Raises:
        ValueError: another frame has none.
    """
    return {video: _annotated_frames(truth, video, frames, store) for video, frames in lengths.items()}


def _annotated_frames(truth: TruthReader, video: str, frames: int, store: str) -> int:
    known = truth.known(video, np.arange(frames))
    number = frames - int(np.argmax(known[::-1])) if known.any() else 0
    if known[:number].all() and frames - number <= MOST_LATE:
        return number
    expected = f"expected an annotation of every frame that is trained on, but for the last {MOST_LATE} of a video"
    got = f"frame {int(np.argmin(known))} of {video}" if known.any() else f"any frame of {video}"
    raise ValueError(f"{store}: masks of truth: {expected}, got none of {got}")
