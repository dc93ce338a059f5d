"""Numbers of masks, by hand: bars on the grid, one video with a dog and one in which nothing is found for a while."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from objabn.segmentation.quality import read_instances, summarise, video_quality
from objabn.segmentation.segment import segment_videos
from objabn.segmentation.segmenters.instances import Instances
from objabn.segmentation.units import unit_names
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID
from objabn.stores.truth import open_truth
from objabn.system.cache import Cache
from tests.helpers.masks import LENGTHS
from tests.helpers.truth import truth_of, write_truth


def test_each_video(tmp_path: Path, table: pd.DataFrame) -> None:
    per_video = video_quality(table, tmp_path / "masks", open_truth(truth_of(tmp_path / "truth"), table, 1))
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


def test_truth_of_all_frames_where_every_second_is_stored(tmp_path: Path, table: pd.DataFrame) -> None:
    (tmp_path / "all").mkdir()
    truth, writer = StoreReader(tmp_path / "truth"), StoreWriter(tmp_path / "all", (2, GRID, GRID), frames_per_shard=16)
    for video, length in LENGTHS.items():
        planes = np.zeros((max(2 * length - 1, 0), 2, GRID, GRID), np.uint8)
        planes[::2] = truth.read_all(video)[:length]
        writer.append(planes, video=video)
    writer.close()
    expected = video_quality(table, tmp_path / "masks", open_truth(truth_of(tmp_path / "truth"), table, 1))
    pd.testing.assert_frame_equal(
        video_quality(table, tmp_path / "masks", open_truth(truth_of(tmp_path / "all"), table, 2)), expected
    )


def test_the_data_set(tmp_path: Path, table: pd.DataFrame) -> None:
    per_video = video_quality(table, tmp_path / "masks", open_truth(truth_of(tmp_path / "truth"), table, 1))
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


def test_with_folds_all_videos_are_test_videos(tmp_path: Path, table: pd.DataFrame) -> None:
    folds = table.assign(split=["fold-1", "fold-2", "fold-2"])
    report = summarise(video_quality(folds, tmp_path / "masks", open_truth(truth_of(tmp_path / "truth"), folds, 1)))
    assert report["iou_truth_test"] == report["iou_truth"] == pytest.approx((0.5 + (32 / 48 + 1.5) / 3) / 2, abs=1e-6)


def test_truth_of_some_frames(tmp_path: Path, table: pd.DataFrame) -> None:
    """Of `c` frames 0 and 2: 32 of 48 columns, 48 of 64; of persons 0, 16 of 32. Frame 1 counts for nothing."""
    whole = StoreReader(tmp_path / "truth")
    truth = write_truth(tmp_path / "some", {"c": whole.read_all("c")}, [("c", 0, 1), ("c", 2, 3)])
    per_video = video_quality(table, tmp_path / "masks", open_truth(truth, table, 1))
    a, failed, c = (row for _, row in per_video.iterrows())
    assert c["truth_frames"] == 2
    assert (c["iou_truth"], c["iou_truth_person"]) == pytest.approx(((32 / 48 + 48 / 64) / 2, 0.25), abs=1e-6)
    assert a["truth_frames"] == 0
    assert a[["iou_truth", "iou_truth_person"]].isna().all()
    assert np.isnan(failed["truth_frames"])
    report = summarise(per_video)
    assert (report["truth_frames"], report["truth_videos"], report["frames"]) == (2, 1, 7)
    assert report["iou_truth"] == report["iou_truth_test"] == pytest.approx(c["iou_truth"], abs=1e-6)


def test_truth_of_one_group_is_compared_with_that_group(tmp_path: Path, table: pd.DataFrame) -> None:
    """The dog of `c` is found and not annotated; of others alone there is nothing to say about persons."""
    whole = StoreReader(tmp_path / "truth")
    planes = {video: whole.read_all(video) for video in ("a", "c")}
    spans = [("a", 0, 4), ("c", 0, 3)]
    truth = write_truth(tmp_path / "p", planes, spans, ["person"])
    persons = video_quality(table, tmp_path / "masks", open_truth(truth, table, 1))
    assert persons["iou_truth"].tolist() == pytest.approx([0.5, np.nan, 1 / 3], abs=1e-6, nan_ok=True)
    assert persons["iou_truth_person"].equals(persons["iou_truth"])
    truth = write_truth(tmp_path / "o", planes, spans, ["other"])
    others = video_quality(table, tmp_path / "masks", open_truth(truth, table, 1))
    assert "iou_truth_person" not in others
    assert others["iou_truth"].iloc[2] == 1.0


def test_a_true_instance_has_a_threshold_of_its_own(tmp_path: Path, table: pd.DataFrame) -> None:
    planes = StoreReader(tmp_path / "truth").read_all("a") // 4  # scores of 0.25
    write_truth(tmp_path / "quarter", {"a": planes})
    for least, expected in ((0.2, 0.5), (0.5, 0.0)):
        truths = open_truth(truth_of(tmp_path / "quarter", score_threshold=least), table, 1)
        found = video_quality(table, tmp_path / "masks", truths)
        assert found["iou_truth"].iloc[0] == expected


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
    report = summarise(video_quality(table, store, open_truth(truth_of(tmp_path / "truth"), table, 1)))
    assert (report["instances_per_frame"], report["empty_share"], report["person_share"]) == (0.0, 1.0, 0.0)
    assert report["iou_truth"] == 0.0


def test_the_table_of_instances_is_read_a_group_of_rows_at_a_time(tmp_path: Path, table: pd.DataFrame) -> None:
    expected = video_quality(table, tmp_path / "masks", None)
    path = tmp_path / "masks/instances.parquet"
    rows = pq.read_table(path)
    pq.write_table(rows, path, row_group_size=3, write_page_checksum=True)
    groups = list(read_instances(tmp_path / "masks", pc.field("score") >= np.float32(0.5), ["video", "score"]))
    assert [len(group) for group in groups] == [2, 1, 2, 3, 1]  # the dog of `a` scores 0.3
    pd.testing.assert_frame_equal(video_quality(table, tmp_path / "masks", None), expected)


def test_no_video_with_frames(tmp_path: Path, table: pd.DataFrame) -> None:
    per_video = video_quality(table, tmp_path / "masks", None)
    with pytest.raises(ValueError, match=r"^masks: expected at least one video with frames, found none among 3$"):
        summarise(per_video.assign(frames=0))


def test_a_damaged_table_of_instances_is_one_line(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "masks/instances.parquet"
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset - 1] ^= 1  # the video ids' end
    remedy = "make it again: `dvc repro -f -s STAGE`"
    for damaged in (bytes(flipped), content[:-7], b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"^{path}: is damaged; {remedy}$"):
            video_quality(table, tmp_path / "masks", None)
    path.unlink()
    with pytest.raises(ValueError, match=f"^{path}: expected a mask store's table of instances, found none; {remedy}$"):
        video_quality(table, tmp_path / "masks", None)
