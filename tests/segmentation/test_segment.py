import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from objabn.config.schema import Dataset
from objabn.segmentation.quality import video_quality
from objabn.segmentation.segment import segment_videos
from objabn.segmentation.segmenters import choice, motion
from objabn.segmentation.segmenters.choice import settings_key
from objabn.segmentation.segmenters.instances import Instances
from objabn.segmentation.units import Unit, output_key, unit_names
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID, union_mask
from objabn.system.cache import Cache

KEY = {"segment": {"backend": "made"}, "decode": {"height": 8}}


def segmenter(frames: np.ndarray, _video: str) -> list[Instances]:
    """A person at the left (score 0.9) in every frame, and a dog at the right (score 0.3) in even ones."""
    masks = np.zeros((2, GRID, GRID), bool)
    masks[0, :, :32] = masks[1, :, 96:] = True
    boxes = np.array([[0, 0, 0.25, 1], [0.75, 0, 1, 1]], np.float32)
    scores, classes = np.array([0.9, 0.3], np.float32), np.array(["person", "dog"])
    counts = [2 - number % 2 for number in range(len(frames))]
    return [Instances(masks[:n], scores[:n], classes[:n], boxes[:n]) for n in counts]


class Counting:
    """Builds the segmenter and counts what it was asked for."""

    def __init__(self) -> None:
        self.built, self.videos = 0, []

    def build(self):
        self.built += 1

        def segment(frames: np.ndarray, video: str) -> list[Instances]:
            self.videos.append(video)
            return segmenter(frames, video)

        return segment


def frame_store(folder: Path, lengths: dict[str, int]) -> pd.DataFrame:
    folder.mkdir()
    writer = StoreWriter(folder, (8, 8, 3), frames_per_shard=16)
    for video, length in lengths.items():
        row = {"digest": f"digest of {video}", "split": "test" if video == "c" else "train", "status": "ok"}
        writer.append(np.zeros((length, 8, 8, 3), np.uint8), video=video, **row)
    return writer.close()


def run(
    folder: Path, table: pd.DataFrame, name: str, cache: Cache, key: dict = KEY, **options: Any
) -> tuple[int, int, Counting]:
    counting = Counting()
    (folder / name).mkdir()
    frames = StoreReader(folder / "frames")
    names = unit_names(table, key, **options)
    counts = segment_videos(table, names, frames, folder / name, make_segmenter=counting.build, cache=cache)
    return *counts, counting


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    return frame_store(tmp_path / "frames", {"a": 4, "b": 0, "c": 3})


def test_planes_and_instances_of_every_frame(tmp_path: Path, table: pd.DataFrame, cache: Cache) -> None:
    segmented, cached, counting = run(tmp_path, table, "masks", cache)
    assert (segmented, cached, counting.built, counting.videos) == (2, 0, 1, ["a", "c"])
    planes = StoreReader(tmp_path / "masks").read_all("a")
    assert planes.shape == (4, 2, GRID, GRID)
    assert [union_mask(each, 0.5).mean() for each in planes] == [0.25] * 4
    assert [union_mask(each, 0.2).mean() for each in planes] == [0.5, 0.25, 0.5, 0.25]
    assert [union_mask(each, 0.2, ["other"]).mean() for each in planes] == [0.25, 0.0, 0.25, 0.0]
    rows = pq.read_table(tmp_path / "masks/instances.parquet").to_pandas()
    assert list(rows) == ["video", "frame", "class", "score", "x0", "y0", "x1", "y1"]
    assert rows["video"].value_counts().to_dict() == {"a": 6, "c": 5}
    assert rows[rows["video"] == "c"]["frame"].tolist() == [0, 0, 1, 2, 2]
    assert rows["class"].tolist()[:3] == ["person", "dog", "person"]


def test_reading_and_writing_beside_the_segmenter_changes_nothing(tmp_path: Path, cache: Cache) -> None:
    lengths = {f"video {number}": number % 4 for number in range(12)}
    table = frame_store(tmp_path / "frames", lengths)
    run(tmp_path, table, "plain", Cache(tmp_path / "other"))
    run(tmp_path, table[3:7], "some", cache)  # found in the cache by the next
    (tmp_path / "beside").mkdir()
    frames, counting = StoreReader(tmp_path / "frames"), Counting()
    names = unit_names(table, KEY)
    counts = segment_videos(
        table, names, frames, tmp_path / "beside", make_segmenter=counting.build, cache=cache, overlap=True
    )
    assert (counts, counting.built, len(counting.videos)) == ((6, 3), 1, 6)
    for one in (path for path in (tmp_path / "plain").rglob("*") if path.is_file()):
        assert (tmp_path / "beside" / one.relative_to(tmp_path / "plain")).read_bytes() == one.read_bytes()


def test_finished_videos_are_not_segmented_again(tmp_path: Path, table: pd.DataFrame, cache: Cache) -> None:
    run(tmp_path, table, "first", cache)
    segmented, cached, counting = run(tmp_path, table, "second", cache)
    assert (segmented, cached, counting.built) == (0, 2, 0)
    for video in ("a", "c"):
        one, other = (StoreReader(tmp_path / name).read_all(video) for name in ("first", "second"))
        np.testing.assert_array_equal(one, other)


def test_new_videos_cost_only_themselves(tmp_path: Path, table: pd.DataFrame, cache: Cache) -> None:
    run(tmp_path, table, "first", cache)
    (tmp_path / "more").mkdir()
    more = frame_store(tmp_path / "more/frames", {"new": 2, "a": 4, "b": 0, "c": 3})
    segmented, cached, counting = run(tmp_path / "more", more, "masks", cache)
    assert (segmented, cached, counting.videos) == (1, 2, ["new"])


@pytest.mark.parametrize("change", [{"segment": {"backend": "other"}}, {"decode": {"height": 9}}])
def test_other_settings_segment_again(tmp_path: Path, table: pd.DataFrame, cache: Cache, change: dict) -> None:
    run(tmp_path, table, "first", cache)
    assert run(tmp_path, table, "second", cache, {**KEY, **change})[:2] == (2, 0)


def test_a_key_of_a_videos_own_segments_this_video_again(tmp_path: Path, table: pd.DataFrame, cache: Cache) -> None:
    own = {"a": "one", "c": "one"}
    options = {"more": lambda video: {"masks": own[video]}}  # not asked for b, which has no frames
    assert run(tmp_path, table, "first", cache, **options)[:2] == (2, 0)
    assert run(tmp_path, table, "second", cache, **options)[:2] == (0, 2)
    own["c"] = "two"
    segmented, cached, counting = run(tmp_path, table, "third", cache, **options)
    assert (segmented, cached, counting.videos) == (1, 1, ["c"])


@pytest.mark.parametrize("damage", ["a bit", "cut short", "empty"])
def test_a_damaged_unit_is_segmented_again(tmp_path: Path, table: pd.DataFrame, cache: Cache, damage: str) -> None:
    run(tmp_path, table, "first", cache)
    unit = next(path for path in cache.root.rglob("*") if path.is_file())
    content = bytearray(unit.read_bytes())
    content[len(content) // 2] ^= 1
    unit.write_bytes({"a bit": content, "cut short": content[:-9], "empty": b""}[damage])
    assert run(tmp_path, table, "second", cache)[:2] == (1, 1)
    assert run(tmp_path, table, "third", cache)[:2] == (0, 2)
    assert (tmp_path / "second/videos.csv").read_bytes() == (tmp_path / "first/videos.csv").read_bytes()  # checksums


def test_all_units_damaged_need_one_segmenter_and_are_read_once_each(
    tmp_path: Path, table: pd.DataFrame, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, table, "first", cache)
    loaded: list[str] = []
    load = Cache.load
    monkeypatch.setattr(Cache, "load", lambda self, kind, key: loaded.append(key) or load(self, kind, key))
    run(tmp_path, table, "second", cache)
    names = unit_names(table, KEY)
    assert loaded == [names[0], names[2]]
    for unit in list(cache.units()):
        unit.path.write_bytes(unit.path.read_bytes()[:-1] + b"?")
    assert run(tmp_path, table, "third", cache)[2].built == 1


def test_a_stride_segments_fewer_frames_and_fills_in_the_others(tmp_path: Path, cache: Cache) -> None:
    table, seen = frame_store(tmp_path / "frames", {"a": 7, "b": 2}), []

    def build(**settings: Any) -> Any:
        return lambda frames, video: seen.append((video, len(frames))) or segmenter(frames, video)

    (tmp_path / "masks").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(motion, "build", build)
        made = choice.build("motion", stride=3)
    reader, names, store = StoreReader(tmp_path / "frames"), unit_names(table, KEY), tmp_path / "masks"
    segment_videos(table, names, reader, store, make_segmenter=lambda: made, cache=cache)
    assert seen == [("a", 3), ("b", 1)]
    planes = StoreReader(tmp_path / "masks").read_all("a")
    is_other = [bool(each[1].any()) for each in planes]  # of the segmented ones 0, 3 and 6 the even ones: 0 and 6
    assert is_other == [True, True, True, False, False, False, True]
    rows = pq.read_table(tmp_path / "masks/instances.parquet").to_pandas()
    assert rows["frame"].tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 6, 0, 0, 1, 1]
    per_video = video_quality(table.assign(label="x"), tmp_path / "masks", None)
    assert per_video["frames"].tolist() == [7, 2]
    assert per_video["instances_per_frame"].tolist() == [1.0, 1.0]  # of a score of 0.5 at least: the person


def test_a_stride_of_1_leaves_keys_as_they_were(synthetic: Dataset) -> None:
    settings = synthetic.segment.model_dump()
    assert settings["stride"] == 1
    before = {name: value for name, value in settings.items() if name != "stride"}
    assert settings_key(**settings) == settings_key(**before)
    assert settings_key(**{**settings, "stride": 2}) == {**settings_key(**settings), "stride": 2}


def test_a_unit_that_somebody_removes_meanwhile_is_computed_again(
    tmp_path: Path, table: pd.DataFrame, cache: Cache
) -> None:
    """As `cache prune` does: here when all units are computed and the store is about to be written."""
    run(tmp_path, table, "first", cache)
    removed = next(cache.units()).path
    counting, frames = Counting(), StoreReader(tmp_path / "frames")

    def prune(missing: list[Unit]) -> None:
        assert missing == []
        removed.unlink()

    (tmp_path / "second").mkdir()
    names = unit_names(table, KEY)
    segment_videos(table, names, frames, tmp_path / "second", make_segmenter=counting.build, cache=cache, fill=prune)
    assert len(counting.videos) == 1
    for video in ("a", "c"):
        one, other = (StoreReader(tmp_path / name).read_all(video) for name in ("first", "second"))
        np.testing.assert_array_equal(one, other)


def test_videos_of_the_same_content_are_segmented_once(tmp_path: Path, table: pd.DataFrame, cache: Cache) -> None:
    table["digest"], table["frames"] = "the same", [3, 0, 3]
    segmented, cached, counting = run(tmp_path, table, "masks", cache)
    assert (segmented, cached, len(counting.videos)) == (1, 1, 1)


def test_names_of_units_are_those_in_the_cache(tmp_path: Path, table: pd.DataFrame, cache: Cache) -> None:
    run(tmp_path, table, "masks", cache)
    names = unit_names(table, KEY)
    assert names[1] == ""  # no frames, no unit
    assert {unit.key for unit in cache.units()} == {names[0], names[2]}


def test_the_output_key_holds_segmenter_and_stored_frames(synthetic: Dataset) -> None:
    key = output_key(synthetic)
    assert key["segment"] == settings_key(**synthetic.segment.model_dump())
    stored = {"height": 120, "width": 160, "codec": "zstd", "quality": 95, "store": True}
    assert key["decode"] == stored  # without a stride of 1, so that older units keep their names
    fewer = synthetic.model_copy(update={"decode": synthetic.decode.model_copy(update={"stride": 2})})
    assert output_key(fewer)["decode"] == stored | {"stride": 2}
    json.dumps(key)


def test_the_key_holds_what_the_output_depends_on(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"one")
    settings = {"weights": str(weights), "model": "m", "short_edge": 800, "proposals": 9, "score_floor": 0.1}
    key = settings_key("torchvision", **settings, batch_size=4, threshold=25.0)
    assert settings_key("torchvision", **settings, batch_size=8, threshold=30.0) == key
    assert settings_key("torchvision", **{**settings, "short_edge": 400}) != key
    weights.write_bytes(b"two")
    assert settings_key("torchvision", **settings) != key
    motion = settings_key("motion", threshold=25.0, min_area=0.002, short_edge=800)
    assert motion == settings_key("motion", threshold=25.0, min_area=0.002, short_edge=400, weights=str(weights))
    json.dumps(key)
