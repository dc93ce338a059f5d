"""Maps by class and by the object's size, counted by hand."""

import numpy as np
import pandas as pd

from objabn.report.breakdown import (
    SIZES,
    class_means,
    grouped,
    object_sizes,
    size_cells,
    size_notes,
    worst_class_cells,
    worst_videos,
)
from objabn.report.comparison import Comparison
from objabn.report.names import Row
from tests.helpers.comparisons import made_comparison, results

MASK, PLAIN = Row("mask", False), Row("plain", False)
VIDEOS = [f"v{at}" for at in range(7)]
AREAS = [0.30, 0.10, 0.20, 0.10, 0.05, 0.40, np.nan]  # the last one has no object
IOUS = [0.6, 0.2, 0.5, 0.3, 0.1, 0.7, np.nan]
LABELS = ["run", "wave", "run", "sit", "sit", "kick", "run"]


def labelled(**columns: list) -> pd.DataFrame:
    """Two seeds; in the second every value is 0.1 higher."""
    table = results(VIDEOS, **{name: [values, [each + 0.1 for each in values]] for name, values in columns.items()})
    return table.assign(label=LABELS * 2)


def made(kind: str = "iou_truth") -> Comparison:
    of_mask = labelled(object_area=AREAS, **{f"{kind}_o": IOUS}, pointing_o=[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, np.nan],
                       entropy_object_o=[1.0] * 6 + [np.nan])  # fmt: skip
    of_plain = labelled(**{f"{kind}_g": [0.1] * 6 + [np.nan]})
    return made_comparison({PLAIN: {"iou_truth_g": 0.1}, MASK: {"iou_truth_o": 0.4}}, seeds=(0, 1),
                           per_video={PLAIN: of_plain, MASK: of_mask})  # fmt: skip


def test_thirds_by_area_of_equals_the_first_by_id_is_smaller() -> None:
    assert object_sizes(made()).to_dict() == {
        "v4": "small", "v1": "small", "v3": "medium", "v2": "medium", "v0": "large", "v5": "large"
    }  # fmt: skip


def test_thirds_are_by_truth_where_all_videos_have_it() -> None:
    """Of one kind for all videos: the truth's areas are the other way around, 0.05 more in the second seed."""
    areas = [0.2, 0.4, 0.3, 0.6, 0.5, 0.1, 0.7]
    comparison = made()
    mask = comparison.per_video[MASK]
    comparison.per_video[MASK] = mask.assign(truth_area=[*areas, *(each + 0.1 for each in areas)])
    assert object_sizes(comparison).to_dict() == {
        "v5": "small", "v0": "small", "v2": "small", "v1": "medium", "v4": "medium", "v3": "large", "v6": "large"
    }  # fmt: skip
    assert size_notes(comparison)[0].startswith(
        "Thirds of the test videos (3, 2, 2) by the share of the map's cells that the truth covers: small up to 35.0 "
        "%, medium up to 55.0 %, large up to 75.0 %."
    )
    one_less = comparison.per_video[MASK]["truth_area"].where(mask["video"] != "v3")
    comparison.per_video[MASK] = mask.assign(truth_area=one_less)
    assert object_sizes(comparison).equals(object_sizes(made()))
    assert "the segmenter's mask covers" in size_notes(comparison)[0]


def test_too_few_videos_have_no_thirds() -> None:
    comparison = made()
    comparison.per_video[MASK].loc[lambda of: of["video"] == "v0", "object_area"] = np.nan
    assert object_sizes(comparison).empty
    assert size_cells(comparison).empty
    assert "size" not in worst_videos(comparison)


def test_sizes_by_hand() -> None:
    """IoUs 0.1 and 0.2 of the small ones, 0.05 more on average over the seeds."""
    cells = size_cells(made())
    of_mask = cells.iloc[1].to_dict()
    assert [of_mask[f"IoU truth, {size}"] for size in SIZES] == ["0.200", "0.450", "0.700"]
    assert [of_mask[f"pointing %, {size}"] for size in SIZES] == ["5.0", "55.0", "105.0"]
    assert [of_mask[f"entropy, {size}"] for size in SIZES] == ["1.05"] * 3
    assert cells.iloc[0]["IoU truth, small"] == "0.150"
    assert cells.iloc[0]["pointing %, small"] == ""
    assert size_notes(made()) == [
        "Thirds of the test videos (2, 2, 2) by the share of the map's cells that the segmenter's mask covers: small "
        "up to 15.0 %, medium up to 25.0 %, large up to 45.0 %. Of the map that a row is compared by, means over all "
        "seeds."
    ]


def test_classes_by_hand() -> None:
    kind, means = class_means(made())
    assert kind == "iou_truth"
    assert means["mask"].round(6).to_dict() == {"kick": 0.75, "run": 0.6, "sit": 0.25, "wave": 0.25}
    cells = worst_class_cells(made())
    assert [list(cells), cells.iloc[1].to_list()] == [
        ["attention", "PC", "map", "lowest IoU truth", "highest"],
        ["mask", "", "M_o", "sit 0.250; wave 0.250; run 0.600", "kick 0.750"],
    ]
    assert cells.iloc[0]["highest"] == "wave 0.150"  # all alike


def test_without_truth_it_is_the_fit_to_the_masks() -> None:
    assert list(worst_class_cells(made("iou_fit")))[3] == "lowest IoU fit"
    assert "IoU fit, small" in size_cells(made("iou_fit"))
    nothing = made_comparison({MASK: {"top1": 50.0}}, per_video={MASK: labelled(top1=[1.0] * 7)})
    assert class_means(nothing)[0] is None
    assert worst_class_cells(nothing).empty
    assert grouped(nothing).empty
    assert worst_videos(nothing).empty


def test_all_groups_are_a_tidy_table() -> None:
    found = grouped(made())
    assert list(found) == ["attention", "pc", "map", "by", "group", "videos", "measure", "mean"]
    lines = found[(found["attention"] == "mask") & (found["measure"] == "iou_truth")].drop(columns=["attention", "pc"])
    assert lines.to_numpy().tolist() == [
        ["o", "class", "kick", 1, "iou_truth", 0.75],
        ["o", "class", "run", 2, "iou_truth", 0.6],  # of its three videos one has no object
        ["o", "class", "sit", 2, "iou_truth", 0.25],
        ["o", "class", "wave", 1, "iou_truth", 0.25],
        ["o", "size", "small", 2, "iou_truth", 0.2],
        ["o", "size", "medium", 2, "iou_truth", 0.45],
        ["o", "size", "large", 2, "iou_truth", 0.7],
    ]
    assert set(found["measure"]) == {"iou_truth", "pointing", "entropy_object"}


def test_the_worst_videos_by_the_mean_over_the_rows() -> None:
    found = worst_videos(made())
    assert list(found) == ["video", "class", "size", "plain", "mask"]
    assert found["video"].to_list() == ["v4", "v1", "v3", "v2", "v0", "v5"]
    assert found.iloc[0].to_list() == ["v4", "sit", "small", "0.150", "0.150"]


def test_a_control_of_another_grid_does_not_sort_the_videos() -> None:
    """It stands first, and its areas are the other way around; alone it does sort them."""
    alone, upside_down = made(), [0.05, 0.40, 0.20, 0.30, 0.10, 0.01, np.nan]
    mine = labelled(object_area=upside_down, iou_truth_g=[0.1] * 6 + [np.nan])
    beside = made()
    beside.per_video[PLAIN] = mine
    assert object_sizes(beside).equals(object_sizes(alone))
    assert size_notes(beside) == size_notes(alone)
    only = made_comparison({PLAIN: {"iou_truth_g": 0.1}}, per_video={PLAIN: mine})
    assert object_sizes(only)["v5"] == "small"
