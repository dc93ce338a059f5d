"""Shards written a chunk at a time: Zarr's own bytes, from any moment on, in little memory."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, ZstdCodec

from objabn.stores.array import StoreWriter
from objabn.stores.chunks import encode_frames
from objabn.stores.layout import JpegCodec
from objabn.stores.table import write_table

LENGTHS = {"a": 3, "none": 0, "b": 5, "c": 19, "d": 1, "e": 6}  # "b" ends with a shard, "c" covers four
CODECS: dict[str, dict[str, Any]] = {
    "zstd": {"codec": "zstd", "level": 9, "frames_per_chunk": 4},
    "threads": {"codec": "zstd", "level": 9, "frames_per_chunk": 4, "threads": 3},
    "jpeg": {"codec": "jpeg", "quality": 70},
}


def frames_of(video: str) -> np.ndarray:
    n, y, x = np.ogrid[: LENGTHS[video], :24, :32]
    ramps = np.stack(np.broadcast_arrays(4 * x + 9 * n, 200 - 5 * y - 0 * x - n, ord(video[0]) + 3 * (x + y)), axis=-1)
    return ramps.astype(np.uint8)


def begin(path: Path, codec: str) -> StoreWriter:
    path.mkdir()
    return StoreWriter(path, (24, 32, 3), frames_per_shard=8, **CODECS[codec])


def content(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.mark.parametrize("codec", CODECS)
def test_the_bytes_are_those_that_zarr_writes(tmp_path: Path, codec: str) -> None:
    """Of stores that Zarr wrote, as it did once, nothing goes stale."""
    writer = begin(tmp_path / "ours", codec)
    for video in LENGTHS:
        writer.append(frames_of(video), video=video)
    table = writer.close()
    is_jpeg = codec == "jpeg"
    array = zarr.create_array(
        tmp_path / "zarr/array.zarr",
        shape=(0, 24, 32, 3),
        chunks=(1 if is_jpeg else 4, 24, 32, 3),
        shards=(8, 24, 32, 3),
        dtype="uint8",
        serializer=JpegCodec(70) if is_jpeg else BytesCodec(),
        compressors=(*(() if is_jpeg else (ZstdCodec(level=9),)), Crc32cCodec()),
        fill_value=0,
        chunk_key_encoding={"name": "default", "separator": "."},
        config={"write_empty_chunks": True},
    )
    frames = np.concatenate([frames_of(video) for video in LENGTHS])
    for first in range(0, len(frames), 8):
        array.resize((min(first + 8, len(frames)), 24, 32, 3))
        array[first:] = frames[first : first + 8]
    array.update_attributes(write_table(tmp_path / "zarr", table))
    assert len(content(tmp_path / "zarr")) == 7
    assert content(tmp_path / "ours") == content(tmp_path / "zarr")


def test_frames_may_come_encoded(tmp_path: Path) -> None:
    stores = []
    for name, encode in (("raw", lambda frames: frames), ("encoded", lambda frames: encode_frames(frames, 70))):
        writer = begin(tmp_path / name, "jpeg")
        for video in LENGTHS:
            writer.append(encode(frames_of(video)), video=video)
        writer.close()
        stores.append(content(tmp_path / name))
    assert stores[0] == stores[1]


@pytest.mark.parametrize("codec", ["zstd", "jpeg"])
def test_another_writer_goes_on_from_any_moment(tmp_path: Path, codec: str) -> None:
    """Whatever the first one has written since: nothing, a part of a shard, the index of it, more shards."""
    whole = begin(tmp_path / "whole", codec)
    for video in LENGTHS:
        whole.append(frames_of(video), video=video)
    whole.close()
    videos = list(LENGTHS)
    for kept in range(len(videos) + 1):
        for more in range(kept, len(videos) + 1):
            path = tmp_path / f"{kept}-{more}"
            first = begin(path, codec)
            for video in videos[:kept]:
                first.append(frames_of(video), video=video)
            state = first.keep()
            for video in videos[kept:more]:
                first.append(frames_of(video), video=video)
            first.keep()
            if more == len(videos):
                first.close()
            second = StoreWriter(path, resume=state)
            for video in videos[kept:]:
                second.append(frames_of(video), video=video)
            second.close()
            assert content(path) == content(tmp_path / "whole"), (kept, more)


def test_what_was_written_later_is_dropped(tmp_path: Path) -> None:
    for name, later in (("one", "cde"), ("other", "")):
        first = begin(tmp_path / name, "jpeg")
        first.append(frames_of("a"), video="a")
        state = first.keep()
        for video in later:
            first.append(frames_of(video), video=video)
        first.keep()
        StoreWriter(tmp_path / name, resume=state).close()
    assert content(tmp_path / "one") == content(tmp_path / "other")


@pytest.mark.parametrize("damage", ["gone", "cut", "no whole one"])
def test_a_shard_that_lacks_what_was_kept_is_refused(tmp_path: Path, damage: str) -> None:
    writer = begin(tmp_path / "store", "jpeg")
    for video in "ab":
        writer.append(frames_of("c")[:11], video=video)
    state = writer.keep()
    assert len(state.sizes) == 6
    shard = tmp_path / f"store/array.zarr/c.{1 if damage == 'no whole one' else 2}.0.0.0"
    if damage == "cut":
        shard.write_bytes(shard.read_bytes()[:-1])
    else:
        shard.unlink()
    with pytest.raises(ValueError, match=r"store: expected 3 shards of an unfinished store$"):
        StoreWriter(tmp_path / "store", resume=state)


@pytest.mark.parametrize("codec", ["jpeg", "zstd"])
def test_the_writer_holds_a_chunk_and_not_a_shard(tmp_path: Path, codec: str) -> None:
    """A shard of ssv2 has 3 GB of frames."""
    frames = np.zeros((20, 240, 427, 3), np.uint8)
    tracemalloc.start()
    try:
        writer = StoreWriter(tmp_path, frames.shape[1:], codec=codec, frames_per_chunk=8, frames_per_shard=10240)
        writer.append(frames, video="a")
        writer.append(frames, video="b")
        writer.close()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20 * 2**20
