"""Write and read frame and mask stores.

A store holds a whole data set: one sharded Zarr v3 array, and a table that says where each video is. It is a directory
with `array.zarr` and `videos.csv` (columns at least video, offset, frames). Video v occupies [offset, offset + frames)
of axis 0. Two processes that write the same shard lose chunks. So a store has one writer, and the writer writes whole
shards. This is the only module that imports zarr.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import zarr
from zarr.abc.codec import ArrayBytesCodec
from zarr.codecs import BytesCodec, Crc32cCodec, ZstdCodec
from zarr.registry import register_codec

from objabn.stores.shards import Shards
from objabn.stores.table import ARRAY, CHECKSUM, DESCRIPTION, REMEDY, RowNumbers, read_table, write_table


@dataclass(frozen=True)
class JpegCodec(ArrayBytesCodec):
    """A Zarr v3 codec that keeps each frame as a baseline JPEG file (imagecodecs).

    A chunk is one RGB frame, uint8 (1, H, W, 3).
    """

    quality: int = 95
    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: Any) -> "JpegCodec":
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> Any:
        return {"name": "objabn.jpeg", "configuration": {"quality": self.quality}}

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        import imagecodecs

        image = np.ascontiguousarray(chunk_array.as_numpy_array()[0])
        return chunk_spec.prototype.buffer.from_bytes(bytes(imagecodecs.jpeg8_encode(image, level=self.quality)))

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        import imagecodecs

        image = imagecodecs.jpeg8_decode(chunk_bytes.to_bytes())
        return chunk_spec.prototype.nd_buffer.from_numpy_array(image.reshape(chunk_spec.shape))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        raise NotImplementedError("the size of a JPEG file is known only once it is written")


register_codec("objabn.jpeg", JpegCodec)


class StoreWriter:
    """Append videos to a new store.

    Axis 0 of the array grows with each video. Whole shards go to the disk.

    Args:
        path: directory of the store; must exist.
        item_shape: shape of one frame's entry, without axis 0.
        codec: "zstd" (lossless) or "jpeg" (uint8 RGB frames only).
        quality, level: of jpeg and of zstd.
        frames_per_chunk, frames_per_shard: along axis 0; a shard is a multiple of a chunk.
        resume: `rows` and `pending` of another writer at one moment; None begins a new store. The new writer goes on
            with the other writer's store at `path` from that moment, and drops the shards that were written later.

    Raises:
        ValueError: there is no such store to go on with, or a shard of the store is missing.
    """

    def __init__(
        self,
        path: Path,
        item_shape: Sequence[int],
        *,
        codec: str = "zstd",
        quality: int = 95,
        level: int = 3,
        frames_per_chunk: int = 16,
        frames_per_shard: int = 4096,
        resume: tuple[list[dict[str, Any]], np.ndarray] | None = None,
    ) -> None:
        self._path = path
        self._pending = np.empty((frames_per_shard, *item_shape), np.uint8)
        self._num_pending = 0
        self._num_written = 0
        self.rows: list[dict[str, Any]] = []  # of the table
        if resume is not None:
            self._resume(*resume)
            return
        chunk = 1 if codec == "jpeg" else frames_per_chunk
        self._array = zarr.create_array(
            path / ARRAY,
            shape=(0, *item_shape),
            chunks=(chunk, *item_shape),
            shards=(frames_per_shard, *item_shape),
            dtype="uint8",
            serializer=JpegCodec(quality) if codec == "jpeg" else BytesCodec(),
            compressors=(*(() if codec == "jpeg" else (ZstdCodec(level=level),)), Crc32cCodec()),
            fill_value=0,
            chunk_key_encoding={"name": "default", "separator": "."},  # no folders: DVC counts each as a file
            config={"write_empty_chunks": True},  # so a missing shard always means damage, never zeros
        )

    def _resume(self, rows: list[dict[str, Any]], pending: np.ndarray) -> None:
        self.rows, self._num_pending = list(rows), len(pending)
        self._num_written = sum(row["frames"] for row in rows) - len(pending)
        self._pending[: len(pending)] = pending
        self._array = open_layout(self._path, "r+").array.with_config({"write_empty_chunks": True})
        shards = self.whole_shards()
        if not all(path.is_file() for path in shards):
            raise ValueError(f"{self._path}: expected {len(shards)} shards of an unfinished store")
        for path in (self._path / ARRAY).iterdir():  # later shards, and files that zarr was writing
            if path not in shards and path.name != DESCRIPTION:
                path.unlink()
        self._array.resize((self._num_written, *self._array.shape[1:]))

    @property
    def pending(self) -> np.ndarray:
        """Return the entries behind the last whole shard, not yet on the disk.

        Returns uint8 (n, *item_shape), a view.
        """
        return self._pending[: self._num_pending]

    def whole_shards(self) -> list[Path]:
        """List the files of the shards on the disk."""
        return [_shard_file(self._path, self._array, shard) for shard in range(self._num_written // len(self._pending))]

    @property
    def num_frames(self) -> int:
        """Return how many frames the store holds, with the pending ones."""
        return self._num_written + self._num_pending

    def append(self, items: np.ndarray, **row: Any) -> None:
        """Add a video's entries and the video's row of the table.

        Args:
            items: uint8 (frames, *item_shape).
            row: columns of the table: `video`, and what else is known of the video.
        """
        expected = self._array.shape[1:]
        assert (items.shape[1:], items.dtype) == (expected, np.uint8), f"{items.shape} {items.dtype}, {expected} uint8"
        checksum = f"{zlib.crc32(np.ascontiguousarray(items).data):08x}"
        self.rows.append({**row, "offset": self.num_frames, "frames": len(items), CHECKSUM: checksum})
        while len(items):
            taken = items[: len(self._pending) - self._num_pending]
            self._pending[self._num_pending : self._num_pending + len(taken)] = taken
            self._num_pending += len(taken)
            items = items[len(taken) :]
            if self._num_pending == len(self._pending):
                self._flush()

    def close(self) -> pd.DataFrame:
        """Write the pending entries and the table, and return the table."""
        self._flush()
        table = pd.DataFrame(self.rows, columns=None if self.rows else ["video", "offset", "frames", CHECKSUM])
        self._array.update_attributes(write_table(self._path, table))
        return table

    def _flush(self) -> None:
        if self._num_pending:
            self._array.resize((self.num_frames, *self._array.shape[1:]))
            self._array[self._num_written :] = self._pending[: self._num_pending]
            self._num_written, self._num_pending = self.num_frames, 0


def _shard_file(store: Path, array: Any, shard: int) -> Path:
    return store / ARRAY / array.metadata.encode_chunk_key((shard, *[0] * (array.ndim - 1)))


@dataclass(frozen=True)
class Layout:
    """What the description of a store's array (zarr.json) says."""

    array: Any
    item_shape: tuple[int, ...]
    per_chunk: int  # frames
    per_shard: int
    is_jpeg: bool
    has_checksums: bool  # of each chunk
    shard_file: Callable[[int], Path]


def open_layout(store: Path, mode: Literal["r", "r+"] = "r") -> Layout:
    """Open the array of a store by its description.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    try:
        array: Any = zarr.open_array(store / ARRAY, mode=mode)
        codecs = array.metadata.codecs[0].codecs
        return Layout(
            array,
            array.shape[1:],
            array.chunks[0],
            array.shards[0],
            isinstance(codecs[0], JpegCodec),
            isinstance(codecs[-1], Crc32cCodec),
            partial(_shard_file, store, array),
        )
    except FileNotFoundError:
        raise ValueError(f"{store}: expected a store with {ARRAY}, found none") from None
    except Exception as error:  # Zarr raises half a dozen types for a description that it cannot read
        raise ValueError(f"{store}: {ARRAY}/{DESCRIPTION} is damaged; {REMEDY}") from error


class StoreReader:
    """Read the entries of a store by video.

    Open a store once in each process. A reader is safe to create before a fork.

    Raises:
        ValueError: when the store is incomplete or damaged; when reading, too. The message names store and shard.
    """

    def __init__(self, path: Path) -> None:
        table = read_table(path, ["video", "offset", "frames"])
        self._path = path
        self._rows = RowNumbers(table["video"])
        self._offsets, self._lengths = table["offset"].to_numpy(), table["frames"].to_numpy()
        layout = open_layout(path, "r")
        self._item_shape, self._per_chunk, self._per_shard = layout.item_shape, layout.per_chunk, layout.per_shard
        self._is_jpeg = layout.is_jpeg
        expected, length = int(table["frames"].sum()), layout.array.shape[0]
        if length != expected:
            raise ValueError(f"{path}: expected {expected} frames as its table says, got {length}; make it again")
        num_chunks = layout.per_shard // layout.per_chunk
        self._shards = Shards(path, layout.shard_file, num_chunks, has_checksums=layout.has_checksums)
        self._shards.check_files(-(-length // layout.per_shard))

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
        result = np.empty((len(places), *self._item_shape), np.uint8)
        entries = np.empty((self._per_chunk, *self._item_shape), np.uint8)  # of one chunk
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
