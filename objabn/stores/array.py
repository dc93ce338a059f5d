"""Write and read frame and mask stores.

A store holds a whole data set: one sharded Zarr v3 array, and a table that says where each video is. It is a directory
with `array.zarr` and `videos.csv` (columns at least video, offset, frames). Video v occupies [offset, offset + frames)
of axis 0. Two processes that write the same shard lose chunks. So a store has one writer.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from objabn.stores.chunks import EncodedFrames, checksum_of, encode_frames, encode_zstd
from objabn.stores.layout import create_array, finish_array, open_layout
from objabn.stores.shards import Shards, ShardWriter
from objabn.stores.table import ARRAY, CHECKSUM, DESCRIPTION, RowNumbers, read_table, write_table


class Unfinished(NamedTuple):
    """What a `StoreWriter` had written at one moment, for another one that goes on from there."""

    rows: list[dict[str, Any]]
    pending: np.ndarray  # entries that fill no chunk yet, uint8 (n, *item_shape)
    sizes: np.ndarray  # of the chunks of the last shard that is not whole, bytes, int64 (chunks,)


class StoreWriter:
    """Append videos to a new store.

    Chunks go to the disk as they are full; the memory holds one of them. Only `close` makes a store of it: before that
    its last shard has no index, and there is no table.

    Args:
        path: directory of the store; must exist.
        item_shape: shape of one frame's entry, without axis 0.
        codec: "zstd" (lossless) or "jpeg" (uint8 RGB frames only).
        quality, level: of jpeg and of zstd.
        frames_per_chunk, frames_per_shard: along axis 0; a shard is a multiple of a chunk.
        threads: that encode chunks of zstd.
        resume: what `keep` of another writer at `path` returned; None begins a new store. The new writer goes on from
            that moment and drops what was written later. Of the other arguments only `threads` counts then.

    Raises:
        ValueError: there is no such store to go on with, or a shard of the store is missing or too short.
    """

    def __init__(
        self,
        path: Path,
        item_shape: Sequence[int] = (),
        *,
        codec: str = "zstd",
        quality: int = 95,
        level: int = 3,
        frames_per_chunk: int = 16,
        frames_per_shard: int = 4096,
        threads: int = 1,
        resume: Unfinished | None = None,
    ) -> None:
        self._path = path
        if resume is None:
            create_array(
                path, item_shape, codec=codec, quality=quality, level=level, frames_per_chunk=frames_per_chunk,
                frames_per_shard=frames_per_shard,
            )  # fmt: skip
        self._layout = layout = open_layout(path, "r+")
        num_chunks = layout.per_shard // layout.per_chunk
        self._pending = np.zeros((layout.per_chunk, *layout.item_shape), np.uint8)
        self._num_pending = 0
        self.rows: list[dict[str, Any]] = []  # of the table
        self.num_frames = 0
        num_whole, sizes = 0, np.zeros(0, np.int64)
        if resume is not None:
            self.rows, self._num_pending, sizes = list(resume.rows), len(resume.pending), resume.sizes
            self._pending[: self._num_pending] = resume.pending
            self.num_frames = sum(row["frames"] for row in self.rows)
            num_whole = (self.num_frames - self._num_pending) // layout.per_shard
        self._shards = ShardWriter(path, layout.shard_file, num_chunks, num_whole, sizes.tolist())
        self._threads = ThreadPoolExecutor(threads) if threads > 1 else None

    @property
    def num_whole_shards(self) -> int:
        """Return how many shards are whole."""
        return self._shards.num_whole

    def append(self, items: np.ndarray | EncodedFrames, **row: Any) -> None:
        """Add a video's entries and the video's row of the table.

        Args:
            items: uint8 (frames, *item_shape), or what `encode_frames` made of them with this store's quality.
            row: columns of the table: `video`, and what else is known of the video.
        """
        layout = self._layout
        if isinstance(items, np.ndarray):
            expected = layout.item_shape
            assert (items.shape[1:], items.dtype) == (expected, np.uint8), f"{items.shape} {items.dtype}, {expected}"
        if isinstance(items, np.ndarray) and layout.quality is not None:
            items = encode_frames(items, layout.quality)
        if isinstance(items, EncodedFrames):
            assert layout.quality is not None, "expected a store of jpegs"
            number, checksum = len(items.sizes), items.checksum
            self._shards.append(items.content, items.sizes)
        else:
            number, checksum = len(items), checksum_of(items)
            self._append_raw(items)
        self.rows.append({**row, "offset": self.num_frames, "frames": number, CHECKSUM: checksum})
        self.num_frames += number

    def keep(self) -> Unfinished:
        """Have the disk hold all that was appended.

        Returns what another writer needs to go on from here.
        """
        self._shards.sync()
        with open(self._path / ARRAY / DESCRIPTION, "rb") as file:
            os.fsync(file.fileno())
        sizes = np.array(self._shards.sizes, np.int64)
        return Unfinished(list(self.rows), self._pending[: self._num_pending].copy(), sizes)

    def close(self, attributes: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Write the pending entries and the table, and return the table.

        Args:
            attributes: of the array, for `StoreReader.attributes`; JSON-serialisable.
        """
        if self._num_pending:
            self._pending[self._num_pending :] = 0
            self._write([self._pending])
            self._num_pending = 0
        self._shards.close()
        if self._threads is not None:
            self._threads.shutdown()
        table = pd.DataFrame(self.rows, columns=None if self.rows else ["video", "offset", "frames", CHECKSUM])
        finish_array(self._layout, self.num_frames, {**write_table(self._path, table), **(attributes or {})})
        return table

    def _append_raw(self, items: np.ndarray) -> None:
        """Write the chunks that these entries fill, and keep the rest: a chunk may hold entries of several videos."""
        per_chunk = self._layout.per_chunk
        if self._num_pending:
            taken = items[: per_chunk - self._num_pending]
            self._pending[self._num_pending : self._num_pending + len(taken)] = taken
            self._num_pending += len(taken)
            items = items[len(taken) :]
            if self._num_pending < per_chunk:
                return
            self._write([self._pending])
        whole = len(items) // per_chunk * per_chunk
        self._write([items[first : first + per_chunk] for first in range(0, whole, per_chunk)])
        self._num_pending = len(items) - whole
        self._pending[: self._num_pending] = items[whole:]

    def _write(self, chunks: list[np.ndarray]) -> None:
        level = self._layout.level
        assert level is not None
        encode = partial(encode_zstd, level=level)
        for content in self._threads.map(encode, chunks) if self._threads else map(encode, chunks):
            self._shards.append(content, np.array([len(content)]))


class StoreReader:
    """Read the entries of a store by video.

    Open a store once in each process. A reader is safe to create before a fork. `attributes` are those that the store
    was closed with, and the writer's own.

    Raises:
        ValueError: when the store is incomplete or damaged; when reading, too. The message names store and shard.
    """

    def __init__(self, path: Path) -> None:
        table = read_table(path, ["video", "offset", "frames"])
        self._path = path
        self._rows = RowNumbers(table["video"])
        self._offsets, self._lengths = table["offset"].to_numpy(), table["frames"].to_numpy()
        layout = open_layout(path, "r")
        self.item_shape, self._per_chunk, self._per_shard = layout.item_shape, layout.per_chunk, layout.per_shard
        self._is_jpeg, self.attributes = layout.quality is not None, layout.attributes
        expected, length = int(table["frames"].sum()), layout.array.shape[0]
        if length != expected:
            raise ValueError(f"{path}: expected {expected} frames as its table says, got {length}; make it again")
        num_chunks = layout.per_shard // layout.per_chunk
        self._shards = Shards(path, layout.shard_file, num_chunks, has_checksums=layout.has_checksums)
        self._shards.check_files(-(-length // layout.per_shard))

    @property
    def size(self) -> tuple[int, int]:
        """Return the height and width of an entry of a store of frames."""
        height, width, _ = self.item_shape
        return height, width

    def num_frames(self, video: str) -> int:
        """Return how many frames a video has."""
        return self._place(video)[1]

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Return the entries of a video's frames with these numbers.

        Args:
            indices: frame numbers, int (n,) in [0, num_frames).

        Returns:
            uint8 (n, *item_shape).

        Raises:
            ValueError: for a number beyond the video's frames, where the next video's entries would be.
        """
        offset, num_frames = self._place(video)
        first, last = int(indices.min()), int(indices.max())
        if first < 0 or last >= num_frames:
            raise ValueError(f"{video}: expected frames in [0, {num_frames}), got {first} to {last}")
        return self._entries(offset + indices)

    def read_all(self, video: str) -> np.ndarray:
        """Return all entries of a video, uint8 (frames, *item_shape)."""
        offset, num_frames = self._place(video)
        return self._entries(np.arange(offset, offset + num_frames))

    def _place(self, video: str) -> tuple[int, int]:
        """Return a video's offset and number of frames. Raises: ValueError for an unknown video."""
        row = self._rows.find(video)
        if row is None:
            raise ValueError(f"{self._path}: has no video {video}")
        return int(self._offsets[row]), int(self._lengths[row])

    def _entries(self, places: np.ndarray) -> np.ndarray:
        """Return the entries at positions int (n,) of axis 0; decode each chunk that holds one of them once."""
        result = np.empty((len(places), *self.item_shape), np.uint8)
        entries = np.empty((self._per_chunk, *self.item_shape), np.uint8)  # of one chunk
        shards, within = np.divmod(places, self._per_shard)
        for shard in np.unique(shards).tolist():
            chunks = np.where(shards == shard, within // self._per_chunk, -1)
            for chunk, content in self._shards.read(shard, np.unique(chunks[chunks >= 0])):
                try:
                    self._decode(content, entries)
                except Exception as error:  # whatever a codec makes of garbled bytes
                    raise self._shards.damaged(shard) from error
                for row in np.flatnonzero(chunks == chunk).tolist():
                    result[row] = entries[within[row] % self._per_chunk]
        return result

    def _decode(self, content: bytes, entries: np.ndarray) -> None:
        """Decode a chunk into `entries`, uint8 (frames, *item_shape), contiguous. Raises: ValueError, RuntimeError."""
        import imagecodecs

        if self._is_jpeg:
            imagecodecs.jpeg8_decode(content, out=entries[0])
        elif len(imagecodecs.zstd_decode(content, out=entries.reshape(-1).data)) != entries.nbytes:
            raise ValueError("expected a whole chunk")
