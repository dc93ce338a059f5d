"""Read and write the shards of a store, and tell damaged ones from sound ones.

A shard is one file: its chunks, then an index with the place and size of each chunk, then the index's CRC-32C. Each
chunk ends with its own CRC-32C (Zarr's codec `crc32c`), but in stores that were made before there were checksums.
Zarr's own reader is not used: for each chunk its event loop opens the shard, and costs more than decoding 16 frames.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np

from objabn.stores.chunks import with_checksum
from objabn.stores.table import DESCRIPTION, REMEDY

_told: set[Path] = set()  # stores without checksums of which this process has said so


class Shards:
    """Read the chunks of a store.

    Args:
        store: the store's directory, for messages.
        file_of: gives the path of a shard's file.
        num_chunks: of each shard.
        has_checksums: whether each chunk ends with a checksum.
    """

    def __init__(self, store: Path, file_of: Callable[[int], Path], num_chunks: int, *, has_checksums: bool) -> None:
        self._store, self._file_of, self._num_chunks = store, file_of, num_chunks
        self._has_checksums = has_checksums
        self._checked: set[int] = set()  # shards whose index is known to be undamaged
        if not has_checksums:
            _say_unchecked(store)

    def check_files(self, num_shards: int) -> None:
        """Check that the files of all shards are there.

        Zarr would read a missing one as zeros.

        Raises:
            ValueError: one is missing.
        """
        for shard in range(num_shards):
            if not self._file_of(shard).is_file():
                raise self._missing(shard)

    def read(self, shard: int, chunks: np.ndarray) -> Iterator[tuple[int, bytes]]:
        """Yield each of these chunks, its number and its content without the checksum.

        Args:
            chunks: numbers within the shard, int (n,), at least one.

        Raises:
            ValueError: the shard is missing, cannot be read, or is damaged where it was read.
        """
        try:
            with open(self._file_of(shard), "rb", buffering=0) as file:
                first = int(chunks.min())
                extents, end = self._extents(file, shard, first, int(chunks.max()))
                for chunk in chunks.tolist():
                    begin, size = extents[chunk - first].tolist()
                    if begin + size > end:
                        raise self.damaged(shard)
                    file.seek(begin)
                    yield chunk, self._checked_content(file.read(size), size, shard)
        except FileNotFoundError:
            raise self._missing(shard) from None
        except OSError as error:
            raise ValueError(f"{self._store}: shard {shard} cannot be read: {error.strerror or error}") from error

    def damaged(self, shard: int) -> ValueError:
        """Make the error that names a damaged shard."""
        return ValueError(f"{self._store}: shard {shard} is damaged; {REMEDY}")

    def _missing(self, shard: int) -> ValueError:
        return ValueError(f"{self._store}: shard {shard} is missing; {REMEDY}")

    def _extents(self, file: BinaryIO, shard: int, first: int, last: int) -> tuple[np.ndarray, int]:
        """Return where chunks `first` to `last` begin and their sizes, uint64 (n, 2), and where the index begins.

        The index is checked once, since it is as long as several frames. Raises: ValueError when it is damaged.
        """
        begin = file.seek(0, os.SEEK_END) - 16 * self._num_chunks - 4  # two numbers a chunk, then a checksum
        if shard not in self._checked:
            file.seek(max(begin, 0))
            index = file.read()
            if begin < 0 or google_crc32c.value(index[:-4]) != int.from_bytes(index[-4:], "little"):
                raise self.damaged(shard)
            self._checked.add(shard)
        file.seek(begin + 16 * first)
        return np.frombuffer(file.read(16 * (last - first + 1)), "<u8").reshape(-1, 2), begin

    def _checked_content(self, content: bytes, size: int, shard: int) -> bytes:
        """Return a chunk without its checksum. Raises: ValueError when the checksum does not fit."""
        if not self._has_checksums:
            return content
        inner = content[:-4]
        if len(content) != size or google_crc32c.value(inner) != int.from_bytes(content[-4:], "little"):
            raise self.damaged(shard)
        return inner


class ShardWriter:
    """Write the shards of a store as Zarr does, but a chunk at a time.

    A shard gets its index when it is full, or by `close`.

    Args:
        store: the store's directory, for messages.
        file_of: gives the path of a shard's file.
        num_chunks: of each shard.
        num_whole: shards that are there already.
        sizes: of the chunks, bytes, that are there already of the next shard. What follows them is dropped, in its file
            and in others.

    Raises:
        ValueError: of what is there already something is missing.
    """

    def __init__(
        self,
        store: Path,
        file_of: Callable[[int], Path],
        num_chunks: int,
        num_whole: int = 0,
        sizes: Sequence[int] = (),
    ) -> None:
        self._file_of, self._num_chunks = file_of, num_chunks
        self.num_whole = self._num_synced = num_whole
        self.sizes = list(sizes)  # bytes of the chunks of the shard that is not whole
        self._file: BinaryIO | None = None
        kept = [file_of(shard) for shard in range(num_whole)]
        if sizes:
            kept.append(file_of(num_whole))
        if not all(path.is_file() for path in kept) or (sizes and kept[-1].stat().st_size < sum(sizes)):
            raise ValueError(f"{store}: expected {len(kept)} shards of an unfinished store")
        for path in file_of(0).parent.iterdir():
            if path not in kept and path.name != DESCRIPTION:
                path.unlink()
        if sizes:
            self._file = open(kept[-1], "r+b")  # noqa: SIM115
            self._file.truncate(sum(sizes))
            self._file.seek(0, os.SEEK_END)

    def append(self, content: bytes, sizes: np.ndarray) -> None:
        """Add chunks.

        Args:
            content: the chunks with their checksums, one behind the other.
            sizes: of each chunk, bytes, int (n,).
        """
        left, begin = memoryview(content), 0
        while begin < len(sizes):
            taken = sizes[begin : begin + self._num_chunks - len(self.sizes)].tolist()
            if self._file is None:
                self._file = open(self._file_of(self.num_whole), "wb")  # noqa: SIM115
            self._file.write(left[: sum(taken)])
            self.sizes += taken
            left, begin = left[sum(taken) :], begin + len(taken)
            if len(self.sizes) == self._num_chunks:
                self._end_shard()

    def sync(self) -> None:
        """Have the disk hold all that was appended."""
        if self._file is not None:
            self._file.flush()
        for shard in range(self._num_synced, self.num_whole + bool(self.sizes)):
            with open(self._file_of(shard), "rb") as file:
                os.fsync(file.fileno())
        self._num_synced = self.num_whole

    def close(self) -> None:
        """Give the last shard its index."""
        if self.sizes:
            self._end_shard()

    def _end_shard(self) -> None:
        assert self._file is not None
        extents = np.full((self._num_chunks, 2), np.iinfo(np.uint64).max, "<u8")  # Zarr's for a chunk that is not there
        sizes = np.array(self.sizes, "<u8")
        extents[: len(sizes)] = np.stack([sizes.cumsum() - sizes, sizes], axis=1)
        with self._file as file:
            file.write(with_checksum(extents.tobytes()))
        self._file, self.sizes = None, []
        self.num_whole += 1


def _say_unchecked(store: Path) -> None:
    """Say once that nothing tells damage in a store. Worker processes are silent: their parent has said it."""
    if store not in _told and multiprocessing.parent_process() is None:
        _told.add(store)
        print(
            f"{store}: has no checksums, damage may go unnoticed; made again, it has some", file=sys.stderr, flush=True
        )
