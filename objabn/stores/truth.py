"""Read ground-truth masks, which may cover some videos of a data set, and some frames of a video.

A truth store has the format of the mask store. Beside its array may stand ANNOTATED, a table of the frames that have an
annotation: columns video, first and end, for the frames [first, end) of the video. A frame with an annotation and
without an instance shows no object. Of a frame without an annotation nothing is known. Without the table all frames of
all videos of the store have an annotation.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from objabn.config.schema import Truth
from objabn.stores.array import StoreReader
from objabn.stores.masks import GROUPS, union_mask
from objabn.stores.table import RowNumbers, read_table

ANNOTATED = "annotated.parquet"
_GROUPS = b"groups"  # metadata of the table: which of GROUPS were annotated
_SCHEMA = pa.schema([("video", pa.string()), ("first", pa.int32()), ("end", pa.int32())])


def frame_spans(known: np.ndarray) -> list[tuple[int, int]]:
    """List the spans [first, end) of the frames that are known, in order.

    Args:
        known: bool (frames,).

    >>> import numpy as np
    >>> frame_spans(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def write_annotated(store: Path, spans: Iterable[tuple[str, int, int]], groups: Iterable[str] = GROUPS) -> None:
    """Write which frames of a truth store have an annotation.

    Args:
        spans: video, first and end of each span [first, end); those of a video do not overlap.
        groups: which of `GROUPS` the annotations tell of; of the others the store knows nothing.
    """
    columns = list(zip(*spans, strict=True)) or [(), (), ()]
    table = pa.table(dict(zip(_SCHEMA.names, columns, strict=True)), schema=_SCHEMA)
    table = table.replace_schema_metadata({_GROUPS: ",".join(groups).encode()})
    pq.write_table(table, store / ANNOTATED, write_page_checksum=True)


class Annotated:
    """Tell which frames of a truth store have an annotation.

    Args:
        store: a truth store.

    Raises:
        ValueError: the table of frames is damaged, or not of this store.
    """

    def __init__(self, store: Path) -> None:
        self.videos = read_table(store, ["video", "offset", "frames"])
        self.groups: tuple[str, ...] = GROUPS
        spans = pd.DataFrame({"video": self.videos["video"], "first": 0, "end": self.videos["frames"]})
        if (path := store / ANNOTATED).is_file():
            spans, self.groups = _read_spans(path, self.videos)
        spans = spans[spans["end"] > spans["first"]].sort_values(["video", "first"], ignore_index=True)
        starts = np.flatnonzero(~spans["video"].duplicated().to_numpy())
        self._rows = RowNumbers(spans["video"].iloc[starts])
        self._bounds = np.append(starts, len(spans))
        self._first, self._end = (spans[name].to_numpy(np.int64) for name in ("first", "end"))

    def known(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Tell which of these frames have an annotation, bool (n,).

        None of a video that is not in the store has one.
        """
        row = self._rows.find(video)
        if row is None:
            return np.zeros(len(indices), bool)
        spans = slice(self._bounds[row], self._bounds[row + 1])
        at = np.searchsorted(self._first[spans], indices, side="right") - 1
        return (at >= 0) & (indices < self._end[spans][at])

    def has(self, video: str) -> bool:
        """Tell whether any frame of a video has an annotation."""
        return self._rows.find(video) is not None


def _read_spans(path: Path, videos: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the spans and groups of a table that fits the videos of its store. Raises: ValueError."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        spans = table.select(_SCHEMA.names).cast(_SCHEMA).to_pandas()
        named = (table.schema.metadata or {}).get(_GROUPS)
    except (OSError, KeyError, pa.ArrowException) as error:
        expected = f"expected the columns {', '.join(_SCHEMA.names)}"
        raise ValueError(f"{path}: {expected}, got a file that cannot be read ({type(error).__name__})") from error
    groups = GROUPS if named is None else tuple(named.decode().split(","))
    if not groups or not set(groups) <= set(GROUPS):
        raise ValueError(f"{path}: expected groups of {', '.join(GROUPS)}, got {', '.join(groups)}")
    spans = spans.sort_values(["video", "first"], ignore_index=True)
    lengths = spans["video"].map(videos.set_index("video")["frames"])
    same = spans["video"].eq(spans["video"].shift())
    wrong = lengths.isna() | (spans["first"] < same * spans["end"].shift(fill_value=0)) | (spans["end"] > lengths)
    wrong |= spans["first"] >= spans["end"]
    if wrong.any():
        video, first, end = spans[wrong.to_numpy()].iloc[0]
        there = lengths[wrong.to_numpy()].iloc[0]
        of = "a video of the store" if np.isnan(there) else f"spans within its {there:.0f} frames that do not overlap"
        raise ValueError(f"{path}: expected {of}, got [{first}, {end}) of {video}")
    return spans, groups


class TruthReader:
    """Read the true masks of videos, as far as there are any.

    Frame numbers are those of the data set's stored frames.

    Args:
        truth: store, threshold and groups.
        stride: of the store's frames, those with the numbers 0, stride, 2 * stride, ... are the data set's.

    Raises:
        ValueError: there is no such store, or it is damaged; or it has no annotation of the groups.
    """

    def __init__(self, truth: Truth, stride: int = 1) -> None:
        self._path = path = Path(truth.store)
        self.score_threshold, self.groups = truth.score_threshold, truth.groups
        self._store, self._annotated, self._stride = StoreReader(path), Annotated(path), stride
        self.annotated_groups = self._annotated.groups
        if unknown := set(truth.groups) - set(self.annotated_groups):
            known = ", ".join(self.annotated_groups)
            raise ValueError(f"{path}: expected truth.groups that it annotates ({known}), got {', '.join(unknown)}")

    @property
    def videos(self) -> list[str]:
        """List the ids of all videos of the store."""
        return self._annotated.videos["video"].tolist()

    def has(self, video: str) -> bool:
        """Tell whether any frame of a video has an annotation."""
        return self._annotated.has(video)

    def num_frames(self, video: str) -> int:
        """Return how many frames a video of the store has."""
        return self._store.num_frames(video)

    def known(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Tell which of these frames have an annotation, bool (n,)."""
        return self._annotated.known(video, indices * self._stride)

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return the planes of these frames, 0 where there is no annotation.

        Returns uint8 (n, 2, 128, 128).

        Raises:
            ValueError: for a number beyond the frames that the store has of the video.
        """
        if self.has(video) and (last := int(indices.max()) * self._stride) >= (there := self.num_frames(video)):
            raise ValueError(f"{self._path}: {video}: expected at least {last + 1} frames, got {there}")
        known = self.known(video, indices)
        planes = np.zeros((len(indices), *self._store.item_shape), np.uint8)
        if known.any():
            planes[known] = self._store.read(video, indices[known] * self._stride)
        return planes

    def union(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return the union of the instances that count, bool (n, 128, 128).

        It is empty where there is no annotation.
        """
        return union_mask(self.read(video, indices), self.score_threshold, self.groups)


def open_truth(truth: Truth, table: pd.DataFrame, stride: int) -> TruthReader:
    """Open ground-truth masks of a data set's stored frames.

    The masks may be of all frames of the videos, as the embedded data's are, or of the stored ones only.

    Args:
        truth: store, threshold and groups.
        table: rows of the table of videos (columns video, frames, and status if it is known).
        stride: `decode.stride`.

    Raises:
        ValueError: none of the videos has an annotation; or one of them has masks of another number of frames, where
            truncated videos, which lost some, do not count; or as `TruthReader`.
    """
    reader = TruthReader(truth, 1)
    covered = table[[reader.has(video) for video in table["video"]]]
    if covered.empty:
        example = f"such as {table['video'].iloc[0]}" if len(table) else "of which there is none"
        raise ValueError(
            f"{truth.store}: expected annotations of some of the {len(table)} videos, {example}, got none of them"
        )
    whole = covered[covered["status"] == "ok"] if "status" in covered else covered
    whole = whole[whole["frames"] > 1]  # one frame is the first with any stride
    frames = whole["frames"].to_numpy()
    found = np.array([reader.num_frames(video) for video in whole["video"]], np.int64)
    of_stored = found == frames if stride > 1 else found >= frames
    of_all = (-(-found // stride) == frames) & (stride > 1)
    if of_stored.all() or of_all.all():
        return reader if of_stored.all() else TruthReader(truth, stride)
    is_all = bool(of_all[0])  # what the first video tells
    at = int(np.argmin(of_all if is_all else of_stored))
    between = f"{(frames[at] - 1) * stride + 1} to {frames[at] * stride}"
    expected = f"{between if is_all else frames[at]} frames of {whole['video'].iloc[at]}"
    if at and stride > 1:
        expected += f", as {whole['video'].iloc[0]} has masks of {'all' if is_all else 'the stored'} frames"
    elif stride > 1:
        expected += f", or {between} without decode.stride {stride}"
    raise ValueError(f"{truth.store}: expected {expected}, got {found[at]}")
