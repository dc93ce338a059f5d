"""Frame and mask stores: one sharded Zarr v3 array for a whole data set, and a table that says where each video is.

A store is a directory with `array.zarr` and `videos.csv` (columns at least video, offset, frames). Video v occupies
[offset, offset + frames) of axis 0. Two processes that write one shard lose chunks, so a store has one writer, and
it writes whole shards. This is the only module that imports zarr.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from zarr.abc.codec import ArrayBytesCodec
from zarr.codecs import BytesCodec, ZstdCodec
from zarr.registry import register_codec

ARRAY, TABLE = "array.zarr", "videos.csv"


@dataclass(frozen=True)
class JpegCodec(ArrayBytesCodec):
    """Zarr v3 codec: a chunk of one RGB frame, uint8 (1, H, W, 3), as a baseline JPEG file (imagecodecs)."""

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
    """Appends videos to a new store; axis 0 grows, whole shards go to the disk.

    Args:
        path: directory of the store; must exist.
        item_shape: shape of one frame's entry, without axis 0.
        codec: "zstd" (lossless) or "jpeg" (uint8 RGB frames only).
        quality, level: of jpeg and of zstd.
        frames_per_chunk, frames_per_shard: along axis 0; a shard is a multiple of a chunk.
        resume: go on with the store at `path` that another writer left: its `rows`, and the `pending` entries of that
            moment. Shards that were written later are dropped.

    Raises:
        ValueError: there is no such store to go on with, or a shard of it is missing.
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
            compressors=() if codec == "jpeg" else (ZstdCodec(level=level),),
            fill_value=0,
            config={"write_empty_chunks": True},  # so that a missing shard is a damaged store, never an empty one
        )

    def _resume(self, rows: list[dict[str, Any]], pending: np.ndarray) -> None:
        self.rows, self._num_pending = list(rows), len(pending)
        self._num_written = sum(row["frames"] for row in rows) - len(pending)
        self._pending[: len(pending)] = pending
        if not all(path.is_file() for path in self.whole_shards()):
            raise ValueError(f"{self._path}: expected {len(self.whole_shards())} shards of an unfinished store")
        try:
            self._array = zarr.open_array(self._path / ARRAY, mode="r+", config={"write_empty_chunks": True})
        except FileNotFoundError:
            raise ValueError(f"{self._path}: expected an unfinished store with {ARRAY}, found none") from None
        self._array.resize((self._num_written, *self._array.shape[1:]))

    @property
    def pending(self) -> np.ndarray:
        """Entries behind the last whole shard, not yet on the disk, uint8 (n, *item_shape); a view."""
        return self._pending[: self._num_pending]

    def whole_shards(self) -> list[Path]:
        """Files of the shards on the disk."""
        zeros = ["0"] * (self._pending.ndim - 1)
        num_shards = self._num_written // len(self._pending)
        return [(self._path / ARRAY / "c" / str(shard)).joinpath(*zeros) for shard in range(num_shards)]

    @property
    def num_frames(self) -> int:
        return self._num_written + self._num_pending

    def append(self, items: np.ndarray, **row: Any) -> None:
        """Adds a video's entries, uint8 (frames, *item_shape), and its row of the table (`video` and what is known)."""
        expected = self._array.shape[1:]
        assert (items.shape[1:], items.dtype) == (expected, np.uint8), f"{items.shape} {items.dtype}, {expected} uint8"
        self.rows.append({**row, "offset": self.num_frames, "frames": len(items)})
        while len(items):
            taken = items[: len(self._pending) - self._num_pending]
            self._pending[self._num_pending : self._num_pending + len(taken)] = taken
            self._num_pending += len(taken)
            items = items[len(taken) :]
            if self._num_pending == len(self._pending):
                self._flush()

    def close(self) -> pd.DataFrame:
        """Writes what is pending and the table, and returns the table."""
        self._flush()
        table = pd.DataFrame(self.rows, columns=None if self.rows else ["video", "offset", "frames"])
        table.to_csv(self._path / TABLE, index=False, lineterminator="\n")
        return table

    def _flush(self) -> None:
        if self._num_pending:
            self._array.resize((self.num_frames, *self._array.shape[1:]))
            self._array[self._num_written :] = self._pending[: self._num_pending]
            self._num_written, self._num_pending = self.num_frames, 0


def read_table(path: Path) -> pd.DataFrame:
    """The videos table of a store. Raises: ValueError when there is none."""
    if not (path / TABLE).is_file():
        raise ValueError(f"{path / TABLE}: expected a store's table of videos, found none")
    text = {"video": str, "path": str, "label": str, "split": str, "status": str, "error": str, "decoder": str}
    text["digest"] = str
    return pd.read_csv(
        path / TABLE, dtype=text, keep_default_na=False, na_values={"fps": [""], "container_frames": [""]}
    )


class StoreReader:
    """Reads frames' entries of a store by video. Opened once a process; safe to create before a fork.

    Raises:
        ValueError: when the store is incomplete: zarr would read a missing shard as zeros.
    """

    def __init__(self, path: Path) -> None:
        table = read_table(path)
        self._path = path
        self._offsets = dict(zip(table["video"], table["offset"], strict=True))
        self._lengths = dict(zip(table["video"], table["frames"], strict=True))
        try:
            self._array: Any = zarr.open_array(path / ARRAY, mode="r")
        except FileNotFoundError:
            raise ValueError(f"{path}: expected a store with {ARRAY}, found none") from None
        expected, length = int(table["frames"].sum()), self._array.shape[0]
        if length != expected:
            raise ValueError(f"{path}: expected {expected} frames as its table says, got {length}; make it again")
        zeros = ["0"] * (self._array.ndim - 1)
        for shard in range(-(-length // (self._array.shards or self._array.chunks)[0])):
            if not (path / ARRAY / "c" / str(shard)).joinpath(*zeros).is_file():
                raise ValueError(f"{path}: shard {shard} is missing; make it again or get it by `dvc checkout`")

    def num_frames(self, video: str) -> int:
        if video not in self._lengths:
            raise ValueError(f"{self._path}: has no video {video}")
        return int(self._lengths[video])

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        """Entries of one video, uint8 (len(indices), *item_shape), by frame numbers int (n,) in [0, num_frames).

        Raises:
            ValueError: for a number beyond the video's frames; the next video's would be there.
        """
        first, last = int(indices.min()), int(indices.max())
        if first < 0 or last >= self.num_frames(video):
            raise ValueError(f"{video}: expected frames in [0, {self.num_frames(video)}), got {first} to {last}")
        steps = np.diff(indices)
        step = int(steps[0]) if len(steps) and steps[0] > 0 and (steps == steps[0]).all() else 1
        offset = int(self._offsets[video])
        block = self._array[offset + first : offset + last + 1 : step]
        return block[(indices - first) // step]

    def read_all(self, video: str) -> np.ndarray:
        """All entries of one video, uint8 (frames, *item_shape)."""
        num_frames = self.num_frames(video)
        offset = int(self._offsets[video])
        return self._array[offset : offset + num_frames]
