"""How good the masks are: numbers of each video, and of the data set."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from objabn.stores.array import StoreReader
from objabn.stores.masks import GROUPS, INSTANCES, group_names, mask_iou, union_mask
from objabn.stores.splits import in_split
from objabn.stores.table import REMEDY
from objabn.stores.truth import TruthReader

REPORT_SCORE = 0.5  # least score of an instance that counts here, whatever training chooses later


def read_instances(store: Path, wanted: pc.Expression, columns: list[str]) -> Iterator[pa.Table]:
    """Read rows of the table of instances of a mask store, a group of rows after another.

    Only one group is in memory: of SSv2 with ten instances a frame there are a hundred million rows.

    Args:
        wanted: which rows.
        columns: of the rows, with those that `wanted` asks for.

    Raises:
        ValueError: there is no such table, or it is damaged.
    """
    path = store / INSTANCES
    if not path.is_file():
        raise ValueError(f"{path}: expected a mask store's table of instances, found none; {REMEDY}")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns).filter(wanted)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path}: is damaged; {REMEDY}") from error


def video_quality(table: pd.DataFrame, store: Path, truths: TruthReader | None) -> pd.DataFrame:
    """Measure the masks of each video, a row for each row of the table of videos, in its order.

    Columns: `video`, `label`, `split`, `frames`; per frame `instances_per_frame`, `empty_share` (frames without an
    instance), `person_share` (frames with a person), of a store with other groups the share of each, `hand_share`.
    Where there is ground truth: `truth_frames`, how many frames have an annotation; the IoU of the union of all
    instances with the true one and that of persons only, mean over those of these frames where not both are empty:
    `iou_truth`, `iou_truth_person`. Both unions are of the groups that the truth annotates, whichever of them
    `truth.groups` names; without persons among them, or in the store, there is no `iou_truth_person`. Groups with other
    names than person are together what the truth calls other. A video without frames has none of them (NaN), and one
    without such frames has no IoU.

    Args:
        truths: ground truth, where there is any; its threshold is the true instances'.
    """
    masks = StoreReader(store)
    found, groups = _count_instances(store), group_names(masks)
    names = ["instances_per_frame", "empty_share", *_share_columns(groups), *_truth_columns(truths, groups)]
    numbers = np.full((len(table), len(names)), np.nan)
    for row, (video, frames) in enumerate(zip(table["video"], table["frames"], strict=True)):
        if frames:
            planes = masks.read_all(video)
            agreement = _agreement(planes, truths, video, groups) if truths is not None else []
            numbers[row] = [found[video] / frames, *_shares(planes, groups), *agreement]
    rounded = pd.DataFrame(numbers, index=table.index, columns=names).round(6)
    return pd.concat([table[["video", "label", "split", "frames"]], rounded], axis=1)


def _share_columns(groups: Sequence[str]) -> list[str]:
    return [f"{group}_share" for group in (GROUPS[:1] if groups == GROUPS else groups)]


def _truth_columns(truths: TruthReader | None, groups: Sequence[str]) -> list[str]:
    if truths is None:
        return []
    return ["truth_frames", "iou_truth", *(["iou_truth_person"] if _has_persons(truths, groups) else [])]


def _has_persons(truths: TruthReader, groups: Sequence[str]) -> bool:
    return "person" in truths.annotated_groups and "person" in groups


def _same_groups(annotated: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Choose the groups of a store that are what a truth annotates: person by name, all others as `other`."""
    return [group for group in groups if ("person" if group == "person" else "other") in annotated]


def _count_instances(store: Path) -> Counter[str]:
    """Count each video's instances that score enough to count here."""
    found: Counter[str] = Counter()
    for rows in read_instances(store, pc.field("score") >= np.float32(REPORT_SCORE), ["video", "score"]):
        counts = rows["video"].value_counts()
        found.update(dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)))
    return found


def _shares(planes: np.ndarray, groups: Sequence[str]) -> list[float]:
    """Shares of frames without an instance, and with what `_share_columns` names, from planes (frames, groups, ...)."""
    counted = [groups, *([group] for group in (GROUPS[:1] if groups == GROUPS else groups))]
    has_any, *has = (union_mask(planes, REPORT_SCORE, each, groups).any(axis=(-2, -1)) for each in counted)
    return [1 - has_any.mean(), *(each.mean() for each in has)]


def _agreement(planes: np.ndarray, truths: TruthReader, video: str, groups: Sequence[str]) -> list[float]:
    """What `_truth_columns` names, of a video with these score planes (frames, groups, ...)."""
    numbers = np.arange(len(planes))
    known = truths.known(video, numbers)
    if not known.any():
        return [0, *[np.nan] * (len(_truth_columns(truths, groups)) - 1)]
    true_planes = truths.read(video, numbers[known])
    compared = [truths.annotated_groups, *([GROUPS[:1]] if _has_persons(truths, groups) else [])]
    ious = []
    for annotated in compared:
        found = _same_groups(annotated, groups)
        true = union_mask(true_planes, truths.score_threshold, annotated)
        ious.append(_mean_iou(union_mask(planes[known], REPORT_SCORE, found, groups), true) if found else np.nan)
    return [known.sum(), *ious]


def _mean_iou(found: np.ndarray, true: np.ndarray) -> float:
    """Mean IoU over the frames in which either mask is not empty; NaN when both are in all of them."""
    some = (found | true).any(axis=(-2, -1))
    return float(mask_iou(found[some], true[some]).mean()) if some.any() else np.nan


def summarise(per_video: pd.DataFrame) -> dict[str, float]:
    """Summarise the masks of a data set from the numbers of its videos (`video_quality`).

    Keys: `frames`; `instances_per_frame`, `empty_share`, shares of the groups over all frames; where there is truth the
    mean over the videos with annotations, `iou_truth` and `iou_truth_person`, and over those of the test split,
    `iou_truth_test` and `iou_truth_person_test`. Where annotations are missing, `truth_frames` and `truth_videos` tell
    how many frames and videos have one.

    Raises:
        ValueError: when no video has frames.
    """
    usable = per_video[per_video["frames"] > 0]
    if usable.empty:
        raise ValueError(f"masks: expected at least one video with frames, found none among {len(per_video)}")
    shares = ("instances_per_frame", *(name for name in map(str, usable) if name.endswith("_share")))
    ious = usable.filter(regex="^iou_truth")
    report = {
        "frames": usable["frames"].sum(),
        **{name: np.average(usable[name], weights=usable["frames"]) for name in shares},
        **ious.mean(),
        **ious[in_split(usable["split"], "test")].mean().add_suffix("_test"),
    }
    if "truth_frames" in usable and (usable["truth_frames"] < usable["frames"]).any():
        report["truth_frames"] = usable["truth_frames"].sum()
        report["truth_videos"] = (usable["truth_frames"] > 0).sum()
    return {name: round(float(value), 6) for name, value in report.items() if not pd.isna(value)}


_TEXTS = ("video", "label", "split", "unit")  # columns of results/<ds>/segment.csv


def read_mask_quality(path: Path) -> pd.DataFrame:
    """`video_quality` from its file; what looks like a number, or like nothing, in an id stays text."""
    columns = pd.read_csv(path, nrows=0).columns
    missing = {name: [""] for name in columns if name not in _TEXTS}
    return pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, str), keep_default_na=False, na_values=missing)
