"""Figures of masks, by hand: bars on the grid, one video with a dog and one in which nothing is found for a while."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.segmentation.quality import summarise, video_quality
from objabn.segmentation.segment import segment_videos, unit_names
from objabn.segmentation.segmenters.choice import Instances
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID
from objabn.system.cache import Cache

LENGTHS = {"a": 4, "failed": 0, "c": 3}


def found(frames: np.ndarray, _video: str) -> list[Instances]:
    """A person at the left (score 0.9), and a dog at the right (0.8; in `a` 0.3); in frame 0 of `c` the dog alone."""
    masks = np.zeros((2, GRID, GRID), bool)
    masks[0, :, :32] = masks[1, :, 96:] = True
    classes, boxes = np.array(["person", "dog"]), np.array([[0, 0, 0.25, 1], [0.75, 0, 1, 1]], np.float32)
    is_c = len(frames) == LENGTHS["c"]
    scores = np.array([0.9, 0.8 if is_c else 0.3], np.float32)
    instances = Instances(masks, scores, classes, boxes)
    only_dog = Instances(*(part[1:] for part in instances))
    return [only_dog if is_c and number == 0 else instances for number in range(len(frames))]


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    """Frames and masks are there; truth: the person half as wide as found, and in `c` a distractor where the dog is."""
    for name in ("frames", "masks", "truth"):
        (tmp_path / name).mkdir()
    frames = StoreWriter(tmp_path / "frames", (8, 8, 3), frames_per_shard=16)
    truth = StoreWriter(tmp_path / "truth", (2, GRID, GRID), frames_per_shard=16)
    for video, length in LENGTHS.items():
        row = {"digest": video, "label": "x", "split": "test" if video == "c" else "train", "status": "ok"}
        frames.append(np.zeros((length, 8, 8, 3), np.uint8), video=video, **row)
        planes = np.zeros((length, 2, GRID, GRID), np.uint8)
        planes[:, 0, :, :16] = 255
        planes[:, 1, :, 96:] = 255 if video == "c" else 0
        truth.append(planes, video=video)
    truth.close()
    table = frames.close()
    store, cache = tmp_path / "masks", Cache(tmp_path / "cache")
    segment_videos(
        table, unit_names(table, {}), StoreReader(tmp_path / "frames"), store, make_segmenter=lambda: found, cache=cache
    )
    return table


def test_each_video(tmp_path: Path, table: pd.DataFrame) -> None:
    per_video = video_quality(table, tmp_path / "masks", tmp_path / "truth")
    assert list(per_video["video"]) == list(LENGTHS)
    assert list(per_video["split"]) == ["train", "train", "test"]
    a, failed, c = (row for _, row in per_video.iterrows())
    # The dog of `a` scores below 0.5.
    assert (a["instances_per_frame"], a["empty_share"], a["person_share"]) == (1.0, 0.0, 1.0)
    assert (a["iou_truth"], a["iou_truth_person"]) == (0.5, 0.5)
    assert (c["instances_per_frame"], c["person_share"]) == pytest.approx((5 / 3, 2 / 3), abs=1e-6)
    # Union: 32 of 48 columns of true ones, then 48 of 64 twice; of persons 0, then 16 of 32 twice.
    assert c["iou_truth"] == pytest.approx((32 / 48 + 48 / 64 * 2) / 3, abs=1e-6)
    assert c["iou_truth_person"] == pytest.approx((0 + 0.5 * 2) / 3, abs=1e-6)
    assert failed["frames"] == 0
    assert failed[["instances_per_frame", "empty_share", "person_share", "iou_truth"]].isna().all()


def test_the_data_set(tmp_path: Path, table: pd.DataFrame) -> None:
    per_video = video_quality(table, tmp_path / "masks", tmp_path / "truth")
    iou_c = (32 / 48 + 48 / 64 * 2) / 3
    assert summarise(per_video) == {
        "frames": 7,
        "instances_per_frame": pytest.approx(9 / 7, abs=1e-6),
        "empty_share": 0.0,
        "person_share": pytest.approx(6 / 7, abs=1e-6),
        "iou_truth": pytest.approx((0.5 + iou_c) / 2, abs=1e-6),
        "iou_truth_person": pytest.approx((0.5 + 1 / 3) / 2, abs=1e-6),
        "iou_truth_test": pytest.approx(iou_c, abs=1e-6),
        "iou_truth_person_test": pytest.approx(1 / 3, abs=1e-6),
    }


def test_without_truth(tmp_path: Path, table: pd.DataFrame) -> None:
    report = summarise(video_quality(table, tmp_path / "masks", None))
    assert list(report) == ["frames", "instances_per_frame", "empty_share", "person_share"]


def test_nothing_found_at_all(tmp_path: Path, table: pd.DataFrame) -> None:
    def nothing(frames: np.ndarray, _video: str) -> list[Instances]:
        none = Instances(np.zeros((0, GRID, GRID), bool), np.zeros(0, np.float32), np.array([], str), np.zeros((0, 4)))
        return [none] * len(frames)

    store = tmp_path / "empty"
    store.mkdir()
    reader, cache = StoreReader(tmp_path / "frames"), Cache(tmp_path / "another")
    segment_videos(table, unit_names(table, {}), reader, store, make_segmenter=lambda: nothing, cache=cache)
    report = summarise(video_quality(table, store, tmp_path / "truth"))
    assert (report["instances_per_frame"], report["empty_share"], report["person_share"]) == (0.0, 1.0, 0.0)
    assert report["iou_truth"] == 0.0


def test_no_video_with_frames(tmp_path: Path, table: pd.DataFrame) -> None:
    per_video = video_quality(table, tmp_path / "masks", None)
    with pytest.raises(ValueError, match=r"^masks: expected at least one video with frames, found none among 3$"):
        summarise(per_video.assign(frames=0))
