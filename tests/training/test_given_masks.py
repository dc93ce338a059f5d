"""Masks that a control's block names, by hand: true ones, those of motion, how far they move and which are missing."""

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objabn.clips.dataset import open_split
from objabn.config.control_masks import GivenMasks, MotionMasks, OwnMasks, TrueMasks
from objabn.config.schema import Dataset
from objabn.segmentation import moving
from objabn.segmentation.segmenters import motion
from objabn.stores.array import StoreReader
from objabn.stores.frames import Reader
from objabn.stores.masks import GROUPS, union_mask
from objabn.system.cache import Cache
from objabn.training.given_masks import MotionPlanes
from objabn.training.wrong_masks import dropped_frames, offset_of, wrong_masks
from tests.helpers.clips import FRAMES, SIZE, parameters, write_stores
from tests.helpers.truth import write_truth

VIDEOS = ("v0", "v1")
TRUE = TrueMasks(of="truth", shift=0.0, drop=0.0)
MOVING = MotionMasks(of="motion", threshold=25.0, min_area=0.002, shift=0.0, drop=0.0)


def block(frame: int) -> tuple[slice, slice]:
    """Where the block of 8 pixels a side stands in a frame: it moves right by 2 pixels a frame."""
    return slice(12, 20), slice(2 * frame, 2 * frame + 8)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJABN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def params(tmp_path: Path, synthetic: Dataset) -> Dataset:
    """Two videos of a bright block before a dark wall; the segmenter's masks are of the left half of all frames."""
    frames = np.full((FRAMES, SIZE, SIZE, 3), 20, np.uint8)
    for number in range(FRAMES):
        frames[(number, *block(number))] = 220
    masks = np.zeros((FRAMES, 4, 4), bool)
    masks[:, :, :2] = True
    write_stores(tmp_path, {video: ("ab"[at], frames, masks) for at, video in enumerate(VIDEOS)})
    return parameters(synthetic).model_copy(update={"truth": write_true(tmp_path)})


def write_true(folder: Path, **settings):
    """The truth: cell (row 100 + frame number, column 7) of the person's plane, with a score of 0.6; the rest below."""
    planes = np.full((FRAMES, 2, 128, 128), 60, np.uint8)
    for number in range(FRAMES):
        planes[number, 0, 100 + number, 7] = 153
    return write_truth(folder / "truth", dict.fromkeys(VIDEOS, planes), **settings)


def make(how: str | GivenMasks, folder: Path, params: Dataset, seed: int = 0) -> Reader:
    masks = StoreReader(folder / "masks")
    return wrong_masks(how, seed, masks, pd.Series(VIDEOS), np.arange(2), params=params, frames=folder / "frames")


@given(video=st.text(max_size=12), seed=st.integers(0, 9), share=st.sampled_from([0.1, 0.2, 0.4, 0.5]))
def test_an_offset_is_as_long_as_asked_and_of_one_direction(video: str, seed: int, share: float) -> None:
    found = offset_of(video, seed, 128, share)
    assert abs(np.hypot(*found) - 128 * share) <= 0.71  # half a cell along each side
    farther = offset_of(video, seed, 1280, share)
    assert np.abs(np.array(farther) / 10 - found).max() <= 0.6
    assert offset_of(video, seed, 128, 0.0) == (0, 0)


def test_offsets_go_everywhere() -> None:
    found = np.array([offset_of(f"v{number}", seed, 128, 0.4) for number in range(100) for seed in (0, 1)])
    assert (np.unique(found > 0, axis=0, return_counts=True)[1] > 30).all()
    assert len(np.unique(found > 0, axis=0)) == 4
    assert len(np.unique(found, axis=0)) > 100


@pytest.mark.parametrize(
    ("num_frames", "share", "expected"),
    [(8, 0.25, 2), (8, 0.5, 4), (5, 0.5, 3), (5, 0.25, 1), (1, 0.25, 0), (8, 0.0, 0), (8, 1.0, 8)],
)
def test_so_many_frames_are_dropped(num_frames: int, share: float, expected: int) -> None:
    assert dropped_frames("v", 0, num_frames, share).sum() == expected


def test_a_larger_share_drops_the_same_frames_and_more() -> None:
    few, many = (dropped_frames("v", 3, 40, share) for share in (0.25, 0.5))
    assert (many | ~few).all()
    assert not np.array_equal(few, dropped_frames("v", 4, 40, 0.25))
    assert not np.array_equal(few, dropped_frames("w", 3, 40, 0.25))


def test_own_masks_are_moved_and_then_missing(tmp_path: Path, params: Dataset) -> None:
    own = StoreReader(tmp_path / "masks").read_all("v1")
    reader = make(OwnMasks(of="own", shift=0.25, drop=0.5), tmp_path, params, seed=2)
    dropped, (dy, dx) = dropped_frames("v1", 2, FRAMES, 0.5), offset_of("v1", 2, 128, 0.25)
    found = reader.read_all("v1")
    for number in range(FRAMES):
        left = (np.arange(128) - dx) % 128 < 64  # the left half, moved by dx; moved by dy it is itself
        expected = np.broadcast_to(left & ~dropped[number], (128, 128))
        assert np.array_equal(found[number, 0] > 0, expected)
    assert found[:, 1].max() == 0
    numbers = np.array([5, 0, 5, 7])
    assert np.array_equal(reader.read("v1", numbers), found[numbers])
    assert dy
    assert np.array_equal(StoreReader(tmp_path / "masks").read_all("v1"), own)


def test_true_masks_are_read_by_the_truths_threshold_and_groups(tmp_path: Path, params: Dataset) -> None:
    reader = make(TRUE, tmp_path, params)
    found = reader.read("v0", np.array([0, 3]))
    assert found.dtype == np.uint8
    for group in GROUPS:  # whatever the training's own groups and threshold
        union = union_mask(found, 1.0, [group])
        assert np.argwhere(union).tolist() == [[0, 100, 7], [1, 103, 7]]
    assert np.array_equal(reader.read_all("v0")[[0, 3]], found)
    assert params.truth is not None
    lower = params.model_copy(update={"truth": params.truth.model_copy(update={"score_threshold": 0.2})})
    assert make(TRUE, tmp_path, lower).read_all("v0").min() == 255


@pytest.mark.parametrize(
    ("spans", "got"),
    [
        ([("v0", 0, 8), ("v1", 0, 3), ("v1", 4, 8)], "frame 3 of v1"),
        ([("v0", 0, 8), ("v1", 1, 8)], "frame 0 of v1"),
        ([("v0", 0, 8), ("v1", 0, 5)], "frame 5 of v1"),
        ([("v0", 0, 8)], "any frame of v1"),
    ],
)
def test_true_masks_of_some_frames_only(tmp_path: Path, params: Dataset, spans: list, got: str) -> None:
    params = params.model_copy(update={"truth": write_true(tmp_path, spans=spans)})
    late = "but for the last 2 of a video"
    expected = f"masks of truth: expected an annotation of every frame that is trained on, {late}"
    with pytest.raises(ValueError, match=rf"truth: {expected}, got none of {got}$"):
        make(TRUE, tmp_path, params)


def test_last_frames_without_annotation_have_the_last_ones_mask(tmp_path: Path, params: Dataset) -> None:
    params = params.model_copy(update={"truth": write_true(tmp_path, spans=[("v0", 0, 6), ("v1", 0, 7)])})
    reader = make(TRUE, tmp_path, params)
    for video, last in (("v0", 5), ("v1", 6)):
        rows = [int(np.argwhere(planes[0])[0, 0]) - 100 for planes in reader.read_all(video)]
        assert rows == [min(number, last) for number in range(8)]
    assert np.array_equal(reader.read("v0", np.array([7, 2])), reader.read_all("v0")[[5, 2]])


def test_masks_of_motion_are_those_of_the_segmenter(tmp_path: Path, params: Dataset) -> None:
    found = make(MOVING, tmp_path, params).read_all("v0")
    frames = StoreReader(tmp_path / "frames").read_all("v0")
    expected = [one.masks.any(axis=0) for one in motion.build(threshold=25.0, min_area=0.002)(frames, "v0")]
    assert np.array_equal(union_mask(found, 1.0, ["person"]), expected)
    assert np.array_equal(union_mask(found, 1.0, ["other"]), expected)
    inside = np.zeros((128, 128), bool)
    rows, columns = block(4)
    inside[4 * rows.start : 4 * rows.stop, 4 * columns.start : 4 * columns.stop] = True
    both = union_mask(found[4], 1.0) & inside
    assert both.sum() / (union_mask(found[4], 1.0) | inside).sum() > 0.7
    none = make(MOVING.model_copy(update={"min_area": 0.5}), tmp_path, params)
    assert none.read_all("v0").max() == 0


def test_motion_is_looked_for_once_a_video(tmp_path: Path) -> None:
    class Frames:
        size, read_videos = (SIZE, SIZE), []  # type: ignore[var-annotated]

        def read(self, video: str, indices: np.ndarray) -> np.ndarray:
            raise AssertionError("the background needs all frames")

        def read_all(self, video: str) -> np.ndarray:
            self.read_videos.append(video)
            return np.zeros((3, SIZE, SIZE, 3), np.uint8)

    reader = MotionPlanes(Frames(), 25.0, 0.002)
    for video in ("v0", "v1", "v0", "v1"):
        assert reader.read(video, np.array([2, 0])).shape == (2, 2, 128, 128)
    assert Frames.read_videos == ["v0", "v1"]


def test_another_training_finds_masks_of_motion_in_the_side_cache(
    tmp_path: Path, params: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, frames = Cache(tmp_path / "cache"), StoreReader(tmp_path / "frames")
    first = MotionPlanes(frames, 25.0, 0.002, cache).read_all("v0")
    monkeypatch.setattr(moving, "moving_regions", lambda *_, **__: pytest.fail("computed again"))
    assert np.array_equal(MotionPlanes(frames, 25.0, 0.002, cache).read_all("v0"), first)
    assert np.array_equal(MotionPlanes(frames, 25.0, 0.002, cache).read_all("v1"), first)  # the same frames
    for settings in ((24.0, 0.002), (25.0, 0.003)):
        with pytest.raises(pytest.fail.Exception):
            MotionPlanes(frames, *settings, cache).read_all("v0")


@pytest.mark.parametrize("how", [TRUE, MOVING, OwnMasks(of="own", shift=0.4, drop=0.0)])
def test_a_training_set_gets_them_also_in_another_process(tmp_path: Path, params: Dataset, how: GivenMasks) -> None:
    stores = (tmp_path / "frames", tmp_path / "masks")
    replace = partial(wrong_masks, how, 3, params=params, frames=stores[0])
    own = open_split("test", params, *stores, seed=3)
    given = pickle.loads(pickle.dumps(open_split("test", params, *stores, seed=3, replace_masks=replace)))
    expected = make(how, tmp_path, params, seed=3)
    for item, video in enumerate(VIDEOS):
        one, two = own[item], given[item]
        planes = expected.read(video, two["frame_numbers"].numpy())
        assert np.array_equal(two["masks"], union_mask(planes, params.mask.score_threshold, params.mask.groups))
        assert (one["masks"] != two["masks"]).any()
        assert all((one[name] == two[name]).all() for name in ("frames", "box", "flip", "label", "row"))
