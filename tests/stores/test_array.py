"""Stores: many videos in few files, and every frame comes back from where the table says it is."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.table import RowNumbers, read_table

SHARD = 8
LENGTHS = {"a": 3, "empty": 0, "b": 5, "c": 30, "d": 1, "last": 7}  # "b" ends with the first shard, "c" covers four


def noise(num_frames: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(num_frames).integers(0, 256, (num_frames, *shape), dtype=np.uint8)


def smooth(num_frames: int, height: int = 24, width: int = 32) -> np.ndarray:
    """Colour ramps that move, (N, H, W, 3): what JPEG is made for."""
    n, y, x = np.ogrid[:num_frames, :height, :width]
    return np.stack(np.broadcast_arrays(4 * x + 9 * n, 200 - 5 * y - 0 * x - n, 60 + 3 * (x + y)), axis=-1).astype(
        np.uint8
    )


def num_files(store: Path) -> int:
    return sum(path.is_file() for path in store.rglob("*"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store")
    writer = StoreWriter(path, (4, 6), frames_per_chunk=4, frames_per_shard=SHARD)
    for video, length in LENGTHS.items():
        writer.append(noise(length, 4, 6), video=video)
    assert writer.num_frames == 46
    writer.close()
    return path


@pytest.mark.parametrize("video", LENGTHS)
def test_videos_come_back_across_the_borders_of_shards(store, video):
    reader = StoreReader(store)
    np.testing.assert_array_equal(reader.read_all(video), noise(LENGTHS[video], 4, 6))
    assert reader.read_all(video).dtype == np.uint8
    assert reader.num_frames(video) == LENGTHS[video]


@pytest.mark.parametrize(
    "indices",
    [
        [0],
        [29],
        [0, 4, 8, 12, 16, 20, 24, 28],  # strided
        [1, 3, 5, 7],
        [26, 28, 29, 29, 29],  # the last frame repeated
        [27, 29, 1, 3],  # looped
        [5, 5, 5],
        [9, 6, 3],
    ],
)
def test_clips_by_hand(store, indices):
    np.testing.assert_array_equal(StoreReader(store).read("c", np.array(indices)), noise(30, 4, 6)[indices])


@given(data=st.data(), video=st.sampled_from([video for video, length in LENGTHS.items() if length]))
def test_any_frames_in_any_order(store, data, video):
    indices = np.array(data.draw(st.lists(st.integers(0, LENGTHS[video] - 1), min_size=1, max_size=12)))
    np.testing.assert_array_equal(StoreReader(store).read(video, indices), noise(LENGTHS[video], 4, 6)[indices])


def test_files_are_as_few_as_the_shards(store):
    shards = -(-46 // SHARD)
    assert num_files(store) == shards + 2  # and the array's description and the table
    assert sum(path.is_dir() for path in store.rglob("*")) == 1  # DVC walks through folders one by one


def test_the_table_says_where_videos_are(store):
    table = read_table(store)
    assert list(table.columns) == ["video", "offset", "frames", "checksum"]
    assert table["video"].tolist() == list(LENGTHS)
    assert table["frames"].tolist() == list(LENGTHS.values())
    assert table["offset"].tolist() == [0, 3, 3, 8, 38, 39]


def test_close_returns_the_table_that_it_wrote(tmp_path):
    writer = StoreWriter(tmp_path, (2,), frames_per_chunk=2, frames_per_shard=4)
    writer.append(noise(5, 2), video="x", label="run", fps=12.5, error="")
    writer.append(noise(2, 2), video="y", label="sit", fps=25.0, error="late")
    pd.testing.assert_frame_equal(writer.close(), read_table(tmp_path), check_dtype=False)


def test_text_stays_text_and_unknown_numbers_are_missing(tmp_path):
    writer = StoreWriter(tmp_path, (2,), frames_per_chunk=2, frames_per_shard=4)
    writer.append(noise(1, 2), video="001", label="NA", error="", fps=None)
    writer.append(noise(1, 2), video="1e5", label="null", error='None, "so"', fps=25.0)
    writer.close()
    table = read_table(tmp_path)
    assert table[["video", "label", "error"]].to_numpy().tolist() == [
        ["001", "NA", ""],
        ["1e5", "null", 'None, "so"'],
    ]
    assert table["fps"].isna().tolist() == [True, False]
    np.testing.assert_array_equal(StoreReader(tmp_path).read_all("001"), noise(1, 2))


def test_no_table_before_close(tmp_path):
    writer = StoreWriter(tmp_path, (2,), frames_per_chunk=2, frames_per_shard=4)
    writer.append(noise(3, 2), video="x")
    assert writer.num_whole_shards == 0
    writer.append(noise(2, 2), video="y")
    assert writer.num_whole_shards == 1
    with pytest.raises(ValueError, match=r"videos.csv: expected a store's table of videos, found none$"):
        StoreReader(tmp_path)
    writer.close()
    np.testing.assert_array_equal(StoreReader(tmp_path).read_all("y"), noise(2, 2))


def test_jpeg_is_near_and_black_stays_black(tmp_path):
    frames = {"ramps": smooth(11), "black": np.zeros((3, 24, 32, 3), np.uint8), "none": smooth(0)}
    writer = StoreWriter(tmp_path, (24, 32, 3), codec="jpeg", quality=95, frames_per_shard=4)
    for video, each in frames.items():
        writer.append(each, video=video)
    writer.close()
    reader = StoreReader(tmp_path)
    for video, each in frames.items():
        back = reader.read_all(video)
        assert (back.shape, back.dtype) == (each.shape, np.uint8)
        assert np.abs(back.astype(int) - each).max(initial=0) <= 12
    assert np.abs(reader.read_all("ramps").astype(int) - frames["ramps"]).mean() < 2
    assert not reader.read_all("black").any()
    np.testing.assert_array_equal(reader.read("ramps", np.array([3, 7, 2])), reader.read_all("ramps")[[3, 7, 2]])


def test_quality_of_jpeg_is_kept_in_the_store(tmp_path):
    errors, sizes = [], []
    for quality in (30, 100):
        path = tmp_path / str(quality)
        path.mkdir()
        writer = StoreWriter(path, (24, 32, 3), codec="jpeg", quality=quality, frames_per_shard=4)
        writer.append(noise(4, 24, 32, 3), video="x")
        writer.close()
        errors.append(np.abs(StoreReader(path).read_all("x").astype(int) - noise(4, 24, 32, 3)).mean())
        sizes.append(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))
        assert f'"quality": {quality}' in (path / "array.zarr" / "zarr.json").read_text()
    assert errors[1] < errors[0]
    assert sizes[0] < sizes[1] < noise(4, 24, 32, 3).nbytes * 2


def test_a_store_that_is_not_there(tmp_path):
    for read in (read_table, StoreReader):
        with pytest.raises(ValueError, match=r"none/videos\.csv: expected a store's table of videos, found none$"):
            read(tmp_path / "none")


def test_frames_of_the_next_video_are_not_read(tmp_path):
    writer = StoreWriter(tmp_path, (2,), frames_per_chunk=2, frames_per_shard=4)
    for video in "ab":
        writer.append(np.full((3, 2), ord(video), np.uint8), video=video)
    writer.close()
    with pytest.raises(ValueError, match=r"^a: expected frames in \[0, 3\), got 2 to 3$"):
        StoreReader(tmp_path).read("a", np.array([2, 3]))


def test_a_missing_shard_is_not_read_as_zeros(tmp_path):
    writer = StoreWriter(tmp_path, (2,), frames_per_chunk=2, frames_per_shard=4)
    writer.append(np.zeros((9, 2), np.uint8), video="a")  # zeros are stored too
    writer.close()
    StoreReader(tmp_path)
    (tmp_path / "array.zarr/c.1.0").unlink()
    with pytest.raises(ValueError, match="shard 1 is missing"):
        StoreReader(tmp_path)


@pytest.mark.parametrize("damage", [lambda content: content[:-40] + bytes(40), lambda content: content[:9]])
def test_a_shard_with_another_index_is_not_read(tmp_path, damage):
    writer = StoreWriter(tmp_path, (2,), frames_per_chunk=2, frames_per_shard=4)
    writer.append(noise(9, 2), video="a")
    writer.close()
    shard = tmp_path / "array.zarr/c.1.0"
    shard.write_bytes(damage(shard.read_bytes()))
    reader = StoreReader(tmp_path)
    np.testing.assert_array_equal(reader.read("a", np.array([3, 8])), noise(9, 2)[[3, 8]])
    with pytest.raises(ValueError, match=r"shard 1 is damaged; make it again: `dvc repro -f -s STAGE`$"):
        reader.read_all("a")


@pytest.mark.parametrize("codec", ["zstd", "jpeg"])
def test_zarr_itself_reads_the_same(tmp_path, codec):
    writer = StoreWriter(tmp_path, (24, 32, 3), codec=codec, frames_per_chunk=4, frames_per_shard=8)
    for video in "ab":
        writer.append(smooth(11), video=video)
    writer.close()
    whole = zarr.open_array(tmp_path / "array.zarr", mode="r")[:]
    np.testing.assert_array_equal(np.concatenate([StoreReader(tmp_path).read_all(video) for video in "ab"]), whole)


def test_rows_are_found_by_their_ids():
    ids = ["b", "a", "ab", "Änderung", "日本/v_01", "a b", "10", "1"]
    rows = RowNumbers(pd.Series(ids))
    assert [rows.find(video) for video in ids] == list(range(8))
    assert [rows.find(video) for video in ("", "A", "aa", "日本", "z", "日本/v_011")] == [None] * 6
    assert RowNumbers(pd.Series([], dtype=str)).find("a") is None


def test_a_table_of_another_length_is_refused(tmp_path):
    writer = StoreWriter(tmp_path, (2,), frames_per_chunk=2, frames_per_shard=4)
    writer.append(np.zeros((3, 2), np.uint8), video="a")
    writer.close()
    (tmp_path / "videos.csv").write_text("video,offset,frames\na,0,5\n")
    with pytest.raises(ValueError, match="expected 5 frames as its table says, got 3"):
        StoreReader(tmp_path)


def test_an_unknown_video_and_a_missing_array(tmp_path):
    writer = StoreWriter(tmp_path, (2,), frames_per_chunk=2, frames_per_shard=4)
    writer.append(np.zeros((1, 2), np.uint8), video="a")
    writer.close()
    with pytest.raises(ValueError, match="has no video b"):
        StoreReader(tmp_path).read_all("b")
    shutil.rmtree(tmp_path / "array.zarr")
    with pytest.raises(ValueError, match=r"expected a store with array.zarr, found none"):
        StoreReader(tmp_path)


def test_a_digest_of_digits_stays_text(tmp_path):
    writer = StoreWriter(tmp_path, (2,), frames_per_chunk=2, frames_per_shard=4)
    writer.append(np.zeros((1, 2), np.uint8), video="a", digest="0012345678901234567890123456e789")
    writer.close()
    assert read_table(tmp_path)["digest"].tolist() == ["0012345678901234567890123456e789"]


def test_an_empty_store_reads_back(tmp_path):
    StoreWriter(tmp_path, (2,), frames_per_chunk=2, frames_per_shard=4).close()
    assert read_table(tmp_path).empty


def test_a_higher_level_is_smaller_and_holds_the_same(tmp_path):
    y, x, at = np.ogrid[:128, :128, :64]
    discs = np.hypot(y - 64 - 20 * np.sin(at / 5), x - at) < 20 + 5 * np.sin(at / 3)
    items = discs.transpose(2, 0, 1) * np.arange(100, 164, dtype=np.uint8)[:, None, None]
    sizes = []
    for level in (3, 9):
        (tmp_path / str(level)).mkdir()
        writer = StoreWriter(tmp_path / str(level), (128, 128), level=level, frames_per_shard=64)
        writer.append(items, video="v")
        writer.close()
        np.testing.assert_array_equal(StoreReader(tmp_path / str(level)).read_all("v"), items)
        sizes.append(sum(path.stat().st_size for path in (tmp_path / str(level)).rglob("*") if path.is_file()))
    assert sizes[1] < sizes[0]
