"""The contact sheet: which videos it shows, what is drawn where, and a file that opens."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from objabn.segmentation import contact_sheet
from objabn.segmentation.contact_sheet import COLOURS, choose, draw_masks, overlay
from objabn.segmentation.quality import video_quality
from objabn.segmentation.segment import segment_videos
from objabn.segmentation.units import unit_names
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID
from objabn.stores.truth import open_truth
from tests.helpers.masks import found
from tests.helpers.truth import truth_of, write_truth

NO_INSTANCES = pd.DataFrame(columns=["class", "score", "x0", "y0", "x1", "y1"])


def figures(num_classes: int, **columns: list[float]) -> pd.DataFrame:
    """Videos v00, v01 ... of classes in turn."""
    length = len(next(iter(columns.values())))
    rows = {"video": [f"v{n:02}" for n in range(length)], "label": [f"c{n % num_classes:03}" for n in range(length)]}
    return pd.DataFrame({**rows, "frames": 9, "instances_per_frame": 1.0, "empty_share": 0.0, **columns})


def test_a_median_of_each_class_and_the_worst() -> None:
    per_video = figures(2, iou_truth=[0.9] * 8, iou_truth_person=[0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4, 0.5])
    typical, worst = choose(per_video)
    assert typical == ["v04", "v03"]  # c000: 0.1 0.2 [0.3] 0.4; c001: 0.5 0.6 [0.7] 0.8
    assert worst == ["v00", "v02", "v06", "v07", "v05", "v01"]


def test_many_classes_are_sampled_from_first_to_last() -> None:
    typical, worst = choose(figures(101, iou_truth=list(np.linspace(1, 0.5, 202))))
    assert (len(typical), len(worst)) == (8, 4)
    labels = [int(video[1:]) % 101 for video in typical]
    assert labels == sorted(labels)
    assert (labels[0], labels[-1]) == (0, 100)
    assert worst[0] in ("v201", "v200")


@pytest.mark.parametrize(
    ("columns", "first"),
    [
        ({"empty_share": [0.0, 0.9, 0.4]}, "v01"),
        ({"empty_share": [0.1, 0.1, 0.1], "instances_per_frame": [3.0, 2.0, 1.0]}, "v02"),
        ({"iou_truth": [0.5, 0.6, 0.4], "iou_truth_person": [0.0, 0.0, 0.0]}, "v02"),  # `motion` finds no persons
    ],
)
def test_what_is_worst_without_truth_or_persons(columns: dict, first: str) -> None:
    per_video = pd.concat([figures(1, **columns), figures(1, **columns).assign(video=["x", "y", "z"], frames=0)])
    typical, worst = choose(per_video)
    assert first in [*worst, *typical]
    assert worst[0] == first
    assert not {"x", "y", "z"} & {*typical, *worst}


def test_with_truth_of_some_videos_these_are_shown() -> None:
    """Class c000 is v00, v02, ..., of which v02 and v06 have truth; c001 has none."""
    nan = float("nan")
    ious = [nan, nan, 0.75, nan, nan, nan, 0.25, nan]
    typical, worst = choose(figures(2, iou_truth=ious, iou_truth_person=ious))
    assert typical == ["v02", "v05"]
    assert worst == ["v06"]


def test_frames_without_annotation_get_no_outline(tmp_path: Path, table: pd.DataFrame) -> None:
    """Shown are the frames 0, 1, 2 of `c` and 1, 2 of `a`; annotated is frame 1 of `c`."""
    planes = StoreReader(tmp_path / "truth").read_all("c")
    some = open_truth(write_truth(tmp_path / "some", {"c": planes}, [("c", 1, 2)]), table, 1)
    drawn = []

    def note(*given: Any) -> np.ndarray:
        drawn.append((given[3] is not None, given[4]))
        return overlay(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contact_sheet, "overlay", note)
        per_video = video_quality(table, tmp_path / "masks", some)
        draw_masks(per_video, StoreReader(tmp_path / "frames"), tmp_path / "masks", some, tmp_path / "masks.png")
    assert sum(has_truth for has_truth, _ in drawn) == 1
    assert len(drawn) > 1
    assert {least for _, least in drawn} == {0.5}


@pytest.mark.parametrize(
    ("ious", "end"),
    [
        ({"iou_truth": 0.5, "iou_truth_person": 0.25}, "; IoU 0.50, persons 0.25"),
        ({"iou_truth": 0.5, "iou_truth_person": float("nan")}, "; IoU 0.50"),  # no person annotated or found
        ({"iou_truth": 0.5}, "; IoU 0.50"),
        ({"iou_truth": float("nan"), "iou_truth_person": float("nan")}, "none at all in 0%"),
        ({}, "none at all in 0%"),
    ],
)
def test_numbers_of_a_title(ious: dict[str, float], end: str) -> None:
    row = {"video": "a", "split": "test", "instances_per_frame": 1.0, "person_share": 1.0, "empty_share": 0.0, **ious}
    assert contact_sheet._title(row, "typical")[1].endswith(
        f"a person in 100% of frames, {end}" if end[0] == "n" else f"0%{end}"
    )


def test_colours_of_groups_boxes_and_truth() -> None:
    planes, truth = np.zeros((2, 2, GRID, GRID), np.uint8)
    planes[0, :, :32], planes[1, :, 96:], planes[1, 40:60, 40:60] = 255, 255, 100  # the last one scores below 0.5
    truth[0, 32:96, 40:80] = 255
    frame = np.full((90, 120, 3), 100, np.uint8)
    image = overlay(frame, planes, NO_INSTANCES, None).astype(int)
    assert image.shape == (180, 240, 3)
    grey, person, other = image[90, 120], image[90, 20], image[90, 220]
    assert grey.tolist() == [90] * 3
    assert person.tolist() == [int(0.55 * 90 + 0.45 * each) for each in COLOURS["person"]]
    assert other.tolist() == [int(0.55 * 90 + 0.45 * each) for each in COLOURS["other"]]
    assert (frame == 100).all()
    with_truth = overlay(frame, planes, NO_INSTANCES, truth)
    assert (with_truth[41:49, 110] > 220).all(axis=-1).any()  # its upper edge; smoothed lines are not quite white
    assert (with_truth[60:120, 90:140] == 90).all()
    assert not (image > 220).all(axis=-1).any()
    box = pd.DataFrame({"class": ["dog"], "x0": [0.4], "y0": [0.25], "x1": [0.6], "y1": [0.75]})
    assert tuple(overlay(frame, planes, box, None)[45, 120]) == COLOURS["other"]


@pytest.mark.parametrize("with_truth", [True, False])
def test_a_picture(
    tmp_path: Path,
    table: pd.DataFrame,
    with_truth: bool,
) -> None:
    store, truth = tmp_path / "masks", open_truth(truth_of(tmp_path / "truth"), table, 1) if with_truth else None
    per_video, path = video_quality(table, store, truth), tmp_path / "new/masks.png"
    draw_masks(per_video, StoreReader(tmp_path / "frames"), store, truth, path)
    image = cv2.imread(str(path))
    assert image.shape[1] > 2 * 4 * 180
    again = tmp_path / "again.png"
    draw_masks(per_video, StoreReader(tmp_path / "frames"), store, truth, again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "video",
    ["short", "cost $5 and $6/v01", r"$\frac$/v01", "Moving something away " * 12 + "/v01", "長い名前/v01"],
)
def test_a_video_of_one_frame(tmp_path: Path, video: str) -> None:
    """Its name is no mathematics, and does not go beyond the frames."""
    from objabn.system.cache import Cache

    for name in ("frames", "masks"):
        (tmp_path / name).mkdir()
    writer = StoreWriter(tmp_path / "frames", (8, 8, 3), frames_per_shard=16)
    writer.append(np.zeros((1, 8, 8, 3), np.uint8), video=video, digest="d", label="x", split="train")
    writer.append(np.zeros((0, 8, 8, 3), np.uint8), video="failed", digest="e", label="x", split="train")
    table, reader = writer.close(), StoreReader(tmp_path / "frames")
    segment_videos(
        table,
        unit_names(table, {}),
        reader,
        tmp_path / "masks",
        make_segmenter=lambda: found,
        cache=Cache(tmp_path / "cache"),
    )
    per_video = video_quality(table, tmp_path / "masks", None)
    draw_masks(per_video, reader, tmp_path / "masks", None, tmp_path / "one.png")
    image = cv2.imread(str(tmp_path / "one.png"))
    name = image[36:56].min(axis=(0, 2)) < 128
    assert name[12:100].any()
    assert not name[12 + 4 * 184 - 4 :].any()  # the frames end there
