"""Any damage of a store is one line that names the store and the shard; other pixels never come out of it."""

import re
import shutil
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from zarr.codecs import BytesCodec, ZstdCodec

from objabn.stores import shards
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.layout import JpegCodec
from objabn.stores.table import read_table

VIDEOS = {"a/x": 5, "b": 11, "c": 4}
REMEDY = "make it again: `dvc repro -f -s STAGE`"


def frames_of(num_frames: int) -> np.ndarray:
    n, y, x = np.ogrid[:num_frames, :24, :32]
    ramps = np.stack(np.broadcast_arrays(4 * x + 9 * n, 200 - 5 * y - 0 * x - n, 60 + 3 * (x + y)), axis=-1)
    return ramps.astype(np.uint8)


def content_of(store: Path) -> dict[str, np.ndarray]:
    """The frames of all videos."""
    reader = StoreReader(store)
    return {video: reader.read_all(video) for video in VIDEOS}


@pytest.fixture(scope="module", params=["zstd", "jpeg"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three shards."""
    path = tmp_path_factory.mktemp(request.param)
    writer = StoreWriter(path, (24, 32, 3), codec=request.param, frames_per_chunk=4, frames_per_shard=8)
    for video, length in VIDEOS.items():
        writer.append(frames_of(length), video=video, label="run", split="train")
    writer.close()
    return path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "store")
    return tmp_path / "store"


def test_each_flipped_byte_of_a_shard_is_one_line_with_store_and_shard(store: Path) -> None:
    files = [store / f"array.zarr/c.{shard}.0.0.0" for shard in range(3)]
    contents = [file.read_bytes() for file in files]
    places = [(shard, at) for shard in range(3) for at in range(len(contents[shard]))]
    rng = np.random.default_rng(0)
    for shard, at in (places[each] for each in rng.choice(len(places), 40, replace=False)):
        damaged = bytearray(contents[shard])
        damaged[at] ^= 1 << int(rng.integers(8))
        files[shard].write_bytes(damaged)
        with pytest.raises(ValueError, match=f"^{re.escape(str(store))}: shard {shard} is damaged; {REMEDY}$"):
            content_of(store)
        files[shard].write_bytes(contents[shard])
    assert [len(each) for each in content_of(store).values()] == list(VIDEOS.values())


def test_each_flipped_byte_beside_the_shards_is_one_line_or_changes_nothing(store: Path, sound: Path) -> None:
    """In zarr.json there are values that no reader needs, such as the quality of jpeg."""
    expected, table = content_of(sound), read_table(sound)
    found = dict.fromkeys(("videos.csv", "array.zarr/zarr.json"), 0)
    for name in found:
        content = (store / name).read_bytes()
        for at in np.random.default_rng(0).choice(len(content), 30, replace=False):
            damaged = bytearray(content)
            damaged[at] ^= 4
            (store / name).write_bytes(damaged)
            try:
                assert read_table(store).equals(table)
                for video, frames in content_of(store).items():
                    np.testing.assert_array_equal(frames, expected[video])
            except ValueError as error:
                found[name] += bool(re.match(f"^{re.escape(str(store))}[^\n]*; make it again[^\n]*$", str(error)))
        (store / name).write_bytes(content)
    assert found["videos.csv"] == 30
    assert found["array.zarr/zarr.json"] > 20


SHARD, TABLE, ARRAY = "array.zarr/c.1.0.0.0", "videos.csv", "array.zarr/zarr.json"


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (SHARD, lambda content: content[:-9], f": shard 1 is damaged; {REMEDY}"),
        (SHARD, lambda content: content[9:], f": shard 1 is damaged; {REMEDY}"),
        (SHARD, lambda content: b"", f": shard 1 is damaged; {REMEDY}"),
        (SHARD, lambda content: None, f": shard 1 is missing; {REMEDY}"),
        (ARRAY, lambda content: b"", f": array.zarr/zarr.json is damaged; {REMEDY}"),
        (ARRAY, lambda content: b"{}", f": array.zarr/zarr.json is damaged; {REMEDY}"),
        (ARRAY, lambda content: b"[1]", f": array.zarr/zarr.json is damaged; {REMEDY}"),
        (ARRAY, lambda content: content[:-99], f": array.zarr/zarr.json is damaged; {REMEDY}"),
        (ARRAY, lambda content: content.replace(b"uint8", b"uint9"), f": array.zarr/zarr.json is damaged; {REMEDY}"),
        (ARRAY, lambda content: None, ": expected a store with array.zarr, found none"),
        (TABLE, lambda content: b"", f"/videos.csv: is damaged; {REMEDY}"),
        (TABLE, lambda content: content[:-9], f"/videos.csv: is damaged; {REMEDY}"),
        (TABLE, lambda content: bytes(len(content)), f"/videos.csv: is damaged; {REMEDY}"),
        (TABLE, lambda content: content.replace(b"run", b"sit", 1), f"/videos.csv: is damaged; {REMEDY}"),
        (TABLE, lambda content: None, "/videos.csv: expected a store's table of videos, found none"),
    ],
)  # fmt: skip
def test_damage_is_one_line(store: Path, name: str, damage: Callable[[bytes], bytes | None], message: str) -> None:
    content = damage((store / name).read_bytes())
    (store / name).unlink()
    if content is not None:
        (store / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(store) + message)}$"):
        content_of(store)


def test_a_shard_that_goes_after_the_store_was_opened(store: Path) -> None:
    reader = StoreReader(store)
    (store / SHARD).unlink()
    with pytest.raises(ValueError, match=f"^{re.escape(str(store))}: shard 1 is missing; {REMEDY}$"):
        reader.read_all("b")
    (store / SHARD).mkdir()
    with pytest.raises(ValueError, match=f"^{re.escape(str(store))}: shard 1 cannot be read: Is a directory$"):
        reader.read_all("b")


def test_any_reader_of_zarr_checks_the_same(store: Path) -> None:
    content = bytearray((store / SHARD).read_bytes())
    content[3] ^= 1
    (store / SHARD).write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        zarr.open_array(store / "array.zarr", mode="r")[:]


def write_old(path: Path, codec: str) -> None:
    """A store as it was written before there were checksums."""
    frames = np.concatenate([frames_of(length) for length in VIDEOS.values()])
    array = zarr.create_array(
        path / "array.zarr",
        shape=frames.shape,
        chunks=(1 if codec == "jpeg" else 4, *frames.shape[1:]),
        shards=(8, *frames.shape[1:]),
        dtype="uint8",
        serializer=JpegCodec(95) if codec == "jpeg" else BytesCodec(),
        compressors=() if codec == "jpeg" else (ZstdCodec(level=3),),
        fill_value=0,
        chunk_key_encoding={"name": "default", "separator": "."},
    )
    array[:] = frames
    lengths = np.array(list(VIDEOS.values()))
    table = pd.DataFrame({"video": list(VIDEOS), "offset": lengths.cumsum() - lengths, "frames": lengths})
    table.to_csv(path / "videos.csv", index=False)


def opens_silently(path: Path) -> None:
    shards._told.clear()
    StoreReader(path)


def test_an_old_store_holds_the_same_and_says_once_that_it_has_no_checksums(
    sound: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_old(tmp_path, "jpeg" if "jpeg" in str(sound) else "zstd")
    found = content_of(tmp_path)
    for video, frames in content_of(sound).items():
        np.testing.assert_array_equal(found[video], frames)
    content_of(tmp_path)
    line = f"{tmp_path}: has no checksums, damage may go unnoticed; made again, it has some\n"
    assert capfd.readouterr().err == line
    process = get_context("fork").Process(target=opens_silently, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert capfd.readouterr().err == ""


def test_damage_of_an_old_store_that_its_codec_finds_is_the_same_line(tmp_path: Path) -> None:
    write_old(tmp_path, "zstd")
    content = (tmp_path / SHARD).read_bytes()
    (tmp_path / SHARD).write_bytes(bytes(4) + content[4:])
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path))}: shard 1 is damaged; {REMEDY}$"):
        content_of(tmp_path)


@pytest.mark.parametrize("codec", ["zstd", "jpeg"])
def test_shards_are_what_they_were_but_for_the_checksums(tmp_path: Path, codec: str) -> None:
    """A chunk's checksum is 4 bytes more."""
    write_old(tmp_path, codec)
    (tmp_path / "new").mkdir()
    writer = StoreWriter(tmp_path / "new", (24, 32, 3), codec=codec, frames_per_chunk=4, frames_per_shard=8)
    writer.append(np.concatenate([frames_of(length) for length in VIDEOS.values()]), video="all")
    writer.close()
    num_chunks = {"zstd": 2, "jpeg": 8}[codec]
    sizes = [(path / SHARD).stat().st_size for path in (tmp_path / "new", tmp_path)]
    assert sizes[0] - sizes[1] == 4 * num_chunks
