"""Wrong masks, by hand: where they are shifted to, whose they are, and that a training set gets them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objabn.clips.dataset import open_split
from objabn.clips.partners import partners
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.frames import Reader
from objabn.training.wrong_masks import shift_of, wrong_masks
from tests.helpers.clips import FRAMES, SIZE, open_made, parameters

LENGTHS = {"a0": 8, "a1": 5, "b0": 3, "b1": 8}
CLASSES = np.array([0, 0, 1, 1])


@pytest.fixture
def masks(tmp_path: Path) -> StoreReader:
    """Four videos: of the i-th, frame t has 10 i + t + 1 in the person's cell (t, i) and in the other's (0, 127)."""
    (tmp_path / "masks").mkdir()
    writer = StoreWriter(tmp_path / "masks", (2, 128, 128), frames_per_shard=64)
    for number, (video, length) in enumerate(LENGTHS.items()):
        planes = np.zeros((length, 2, 128, 128), np.uint8)
        for frame in range(length):
            planes[frame, 0, frame, number] = planes[frame, 1, 0, 127] = 10 * number + frame + 1
        writer.append(planes, video=video)
    writer.close()
    return StoreReader(tmp_path / "masks")


def make(how: str, masks: StoreReader, seed: int = 0) -> Reader:
    return wrong_masks(how, seed, masks, pd.Series(list(LENGTHS)), CLASSES)


@given(video=st.text(max_size=12), seed=st.integers(0, 9), size=st.sampled_from([4, 8, 128]))
def test_a_shift_is_a_quarter_of_the_frame_at_least_either_way(video: str, seed: int, size: int) -> None:
    shift = shift_of(video, seed, size)
    assert all(0 <= each < size for each in shift)
    assert max(min(each, size - each) for each in shift) >= size / 4  # around the frame, the shorter way
    assert shift == shift_of(video, seed, size)


def test_shifts_differ_by_video_and_seed_and_reach_everywhere() -> None:
    found = np.array([shift_of(f"v{number}", seed, 128) for number in range(200) for seed in (0, 1)])
    assert len(np.unique(found, axis=0)) > 350
    around = (found + 64) % 128 - 64  # in [-64, 64)
    for side in (0, 1):
        assert around[:, side].min() < -50
        assert around[:, side].max() > 50
        assert (np.abs(around[:, side]) < 10).any()  # the other side alone is far
    quadrants = np.unique(around >= 0, axis=0, return_counts=True)[1]
    assert (quadrants > 70).all()


@pytest.mark.parametrize("video", LENGTHS)
def test_shifted_masks_are_the_own_ones_elsewhere(masks: StoreReader, video: str) -> None:
    own, shifted = masks.read_all(video), make("shifted", masks).read_all(video)
    dy, dx = shift_of(video, 0, 128)
    assert shifted.dtype == np.uint8
    number = list(LENGTHS).index(video)
    for frame in range(LENGTHS[video]):
        expected = 10 * number + frame + 1
        assert shifted[frame, 0, (frame + dy) % 128, (number + dx) % 128] == expected
        assert shifted[frame, 1, dy, (127 + dx) % 128] == expected
    assert np.array_equal((shifted > 0).sum(axis=(2, 3)), (own > 0).sum(axis=(2, 3)))  # areas
    assert not ((shifted > 0) & (own > 0)).any()
    assert not np.array_equal(shifted, make("shifted", masks, seed=1).read_all(video))


def test_other_masks_are_the_partners_from_its_start_again_where_it_ends(masks: StoreReader) -> None:
    reader, videos = make("other", masks), list(LENGTHS)
    for number, partner in enumerate(partners(CLASSES, 0)):
        assert CLASSES[number] != CLASSES[partner]
        found = reader.read(videos[number], np.array([0, 2, 4, 7]) % LENGTHS[videos[number]])
        length = LENGTHS[videos[partner]]
        expected = [10 * partner + each % length + 1 for each in np.array([0, 2, 4, 7]) % LENGTHS[videos[number]]]
        assert found.max(axis=(1, 2, 3)).tolist() == expected
        assert found.shape == (4, 2, 128, 128)


def test_a_short_partners_masks_begin_again(masks: StoreReader) -> None:
    """Whoever is shown `b0` (3 frames: 21, 22, 23) reads them over and over."""
    reader, videos = make("other", masks), list(LENGTHS)
    number = int(np.flatnonzero(partners(CLASSES, 0) == videos.index("b0"))[0])
    values = reader.read_all(videos[number]).max(axis=(1, 2, 3)).tolist()
    assert values == [21, 22, 23, 21, 22, 23, 21, 22][: LENGTHS[videos[number]]]
    assert len(values) > 3


@given(classes=st.lists(st.integers(0, 2), min_size=2, max_size=12).map(np.array), seed=st.integers(0, 3))
def test_no_video_is_shown_its_own_masks(classes: np.ndarray, seed: int) -> None:
    class Names:
        """The name of the video that is read."""

        def num_frames(self, video: str) -> int:
            return 1

        def read(self, video: str, indices: np.ndarray) -> np.ndarray:
            return np.full((len(indices), 2, 4, 4), int(video))

    reader = wrong_masks("other", seed, Names(), pd.Series(map(str, range(len(classes)))), classes)  # type: ignore[arg-type]
    shown = [int(reader.read(str(number), np.zeros(1, int)).max()) for number in range(len(classes))]
    assert all(number != other for number, other in enumerate(shown))
    assert sorted(shown) == list(range(len(classes)))


@pytest.mark.parametrize("how", ["shifted", "other"])
def test_a_training_set_gets_them_and_a_test_set_its_own(tmp_path: Path, synthetic, how: str) -> None:
    params = parameters(synthetic)
    folder, split = tmp_path / "made", {"train": 4, "test": 2}
    writers = {}
    for name, shape in (("frames", (SIZE, SIZE, 3)), ("masks", (2, 128, 128))):
        (folder / name).mkdir(parents=True)
        writers[name] = StoreWriter(folder / name, shape, frames_per_shard=64)
    for which, number in ((which, number) for which, count in split.items() for number in range(count)):
        row = {"video": f"{which}{number}", "label": "ab"[number % 2], "split": which, "height": 64, "width": 64}
        writers["frames"].append(np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8), **row)
        planes = np.zeros((FRAMES, 2, 128, 128), np.uint8)
        planes[:, 0, : 16 + number, : 16 + number] = 255  # no two training videos' are as large
        writers["masks"].append(planes, video=row["video"])
    for writer in writers.values():
        writer.close()

    def replace(masks: StoreReader, videos: pd.Series, classes: np.ndarray) -> Reader:
        assert videos.tolist() == [f"train{number}" for number in range(4)]
        assert classes.tolist() == [0, 1, 0, 1]
        return wrong_masks(how, 3, masks, videos, classes)

    stores = (folder / "frames", folder / "masks")
    own = open_split("train", params, *stores, seed=3)
    wrong = open_split("train", params, *stores, seed=3, replace_masks=replace)
    for one, two in zip((own[item] for item in range(4)), (wrong[item] for item in range(4)), strict=True):
        assert (one["masks"] != two["masks"]).any()
        assert (one["masks"].sum() == two["masks"].sum()) == (how == "shifted")
        for name in ("frames", "box", "flip", "label", "row"):
            assert (one[name] == two[name]).all(), name
    tested = open_made(folder, params, ["a", "b"], truth=False)
    assert [int(tested[item]["masks"][0].sum()) for item in range(2)] == [16 * 16, 17 * 17]


def test_own_masks_are_the_stores(masks: StoreReader) -> None:
    assert make("own", masks) is masks


def test_misuse(masks: StoreReader) -> None:
    with pytest.raises(ValueError, match=r"^masks: expected own, shifted or other, got 'random'$"):
        make("random", masks)
    with pytest.raises(ValueError, match=r"^v9: expected one of the videos that exchange masks$"):
        make("other", masks).read("v9", np.zeros(1, int))
    with pytest.raises(
        ValueError, match=r"^expected at least two videos to exchange maps, masks or backgrounds, got 1$"
    ):
        wrong_masks("other", 0, masks, pd.Series(["a0"]), np.zeros(1, int))
