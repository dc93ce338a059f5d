"""A contact sheet of instance masks over frames: what the segmenter found and missed, at a glance."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow.compute as pc
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from objabn.segmentation.quality import REPORT_SCORE, read_instances
from objabn.segmentation.titles import save, write
from objabn.stores.array import StoreReader
from objabn.stores.frames import Reader
from objabn.stores.masks import GROUPS, group_names, group_of, union_mask
from objabn.stores.truth import TruthReader
from objabn.system.files import replace_file

NUM_VIDEOS, NUM_TYPICAL = 12, 8  # shown, and how many of them typical of their classes; the others are the worst
NUM_FRAMES = 4  # of each video, spread over it
COLOURS = {"person": (255, 140, 0), "other": (40, 120, 255)}  # RGB
_MORE_COLOURS = ((60, 200, 80), (230, 60, 200), (250, 220, 40), (0, 210, 210), (150, 90, 255), (220, 60, 50))
_NO_GROUP = (160, 160, 160)  # boxes of classes that no group has
TRUTH_COLOUR = (255, 255, 255)
_HEIGHT, _GAP, _DPI = 180, 4, 100  # pixels of a frame, and between frames
_COLUMNS = 2


def choose(per_video: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Ids of the videos to show: typical ones, spread over the classes, and the worst of all.

    Worse is a lower IoU with the truth (of persons, where the segmenter finds any); without truth, more frames without
    an instance, then fewer instances. A class's typical video is its median. With truth of some videos the worst are
    among these, and so are the typical ones of the classes that have such videos. The same numbers give the same
    choice. At least one video has to have frames.
    """
    usable = per_video[per_video["frames"] > 0].sort_values("video")
    by, ascending = ["empty_share", "instances_per_frame"], [False, True]
    for name in ("iou_truth", "iou_truth_person"):
        if name in usable and usable[name].any():
            by, ascending = [name], [True]
    order = usable.sort_values(by, ascending=ascending, kind="stable")
    classes = sorted(set(order["label"]))
    spread = np.linspace(0, len(classes) - 1, min(NUM_TYPICAL, len(classes))).round().astype(int)
    judged = order[order[by[0]].notna()]
    of_class = [_of_class(judged, classes[number]) or _of_class(order, classes[number]) for number in spread]
    typical = [videos[len(videos) // 2] for videos in of_class]
    worst = [video for video in judged["video"] if video not in typical]
    return typical, worst[: NUM_VIDEOS - len(typical)]


def _of_class(per_video: pd.DataFrame, label: str) -> list[str]:
    return per_video["video"][per_video["label"] == label].tolist()


def group_colours(groups: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Choose the colours of groups, in their order: persons and `other` have theirs everywhere."""
    free = [group for group in groups if group not in COLOURS]
    return {group: COLOURS.get(group) or _MORE_COLOURS[free.index(group) % len(_MORE_COLOURS)] for group in groups}


def _enlarged(
    planes: np.ndarray, group: str, size: tuple[int, int], least: float = REPORT_SCORE, names: Sequence[str] = GROUPS
) -> np.ndarray:
    """The union of a group's instances, uint8 0 or 1, of `size` (width, height) and with smooth edges."""
    mask = union_mask(planes, least, [group], names).astype(np.float32)
    return (cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) >= 0.5).astype(np.uint8)


def _outline(image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], thickness: int) -> None:
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, outlines, -1, colour, thickness, cv2.LINE_AA)


def overlay(
    frame: np.ndarray,
    planes: np.ndarray,
    instances: pd.DataFrame,
    truth: np.ndarray | None,
    least_true: float = REPORT_SCORE,
    groups: Sequence[str] = GROUPS,
) -> np.ndarray:
    """A frame uint8 (H, W, 3) with its masks, uint8 (180, W', 3).

    Args:
        planes: score planes, uint8 (groups, 128, 128).
        instances: the frame's rows of the table of instances; their boxes are drawn.
        truth: true planes, or None; their outlines are drawn.
        least_true: least score of a true instance.
        groups: names of the planes; those of `truth` are always `GROUPS`.
    """
    colours = group_colours(groups)
    size = (round(frame.shape[1] * _HEIGHT / frame.shape[0]), _HEIGHT)
    image = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if frame.shape[0] > _HEIGHT else cv2.INTER_CUBIC)
    grey = image.mean(axis=-1, keepdims=True)
    image = (0.45 * image + 0.45 * grey).astype(np.uint8)  # paler and darker, so that the colours stand out
    for group in reversed(groups):  # persons on top
        mask, colour = _enlarged(planes, group, size, names=groups), colours[group]
        image[mask > 0] = (0.55 * image[mask > 0] + 0.45 * np.array(colour)).astype(np.uint8)
        _outline(image, mask, colour, 2)
    boxes = (instances[["x0", "y0", "x1", "y1"]].to_numpy() * [*size, *size]).round().astype(int).tolist()
    for (x0, y0, x1, y1), name in zip(boxes, instances["class"], strict=True):
        at = group_of(name, groups)
        cv2.rectangle(image, (x0, y0), (x1, y1), _NO_GROUP if at is None else colours[groups[at]], 1)
    if truth is not None:
        for group in GROUPS:
            _outline(image, _enlarged(truth, group, size, least_true), TRUTH_COLOUR, 1)
    return image


def draw_masks(per_video: pd.DataFrame, frames: Reader, store: Path, truths: TruthReader | None, path: Path) -> None:
    """Write a PNG: for each of a dozen videos its numbers and a strip of frames with masks, boxes and true outlines.

    Args:
        per_video: numbers of each video (`quality.video_quality`).
        frames: where the frames are read.
        store: the mask store.
        truths: true masks, where there are any; frames without annotation get no outline.
    """
    typical, worst = choose(per_video)
    videos = [*typical, *worst]
    masks = StoreReader(store)
    groups = group_names(masks)
    wanted = pc.field("video").isin(videos) & (pc.field("score") >= np.float32(REPORT_SCORE))
    columns = ["video", "frame", "class", "score", "x0", "y0", "x1", "y1"]
    found_in = [pd.DataFrame(columns=columns), *(rows.to_pandas() for rows in read_instances(store, wanted, columns))]
    instances = pd.concat([each for each in found_in if len(each)] or found_in[:1])
    rows = {row["video"]: row for row in per_video.to_dict("records")}
    strips, least_true = [], truths.score_threshold if truths else REPORT_SCORE
    for video in videos:
        last = rows[video]["frames"] - 1
        shown = np.unique(np.linspace(0, last, NUM_FRAMES + 2).round().astype(int)[1:-1])
        images, planes = frames.read(video, shown), masks.read(video, shown)
        known = truths.known(video, shown) if truths else np.zeros(len(shown), bool)
        true_planes = truths.read(video, shown) if truths else planes[:, : len(GROUPS)]
        found = instances[instances["video"] == video]
        cells = [
            overlay(image, plane, found[found["frame"] == number], true if is_known else None, least_true, groups)
            for number, image, plane, true, is_known in zip(shown, images, planes, true_planes, known, strict=True)
        ]
        strips.append(_side_by_side(cells))
    least = "lowest IoU" if truths else "least found"
    titles = [_title(rows[video], least if video in worst else "typical") for video in videos]
    with replace_file(path) as partial:
        save(_sheet(strips, titles, truths is not None, groups), partial)


def _side_by_side(cells: list[np.ndarray]) -> np.ndarray:
    """Cells (180, W', 3) in a row, as wide as `NUM_FRAMES` of them: a short video has fewer."""
    strip = np.full((_HEIGHT, (cells[0].shape[1] + _GAP) * NUM_FRAMES - _GAP, 3), 255, np.uint8)
    for number, cell in enumerate(cells):
        left = number * (cell.shape[1] + _GAP)
        strip[:, left : left + cell.shape[1]] = cell
    return strip


def _title(row: dict[Hashable, Any], kind: str) -> tuple[str, str]:
    """A video's name and its numbers."""
    has = {name.removesuffix("_share"): row[name] for name in map(str, row) if name.endswith("_share")}
    del has["empty"]
    shares = ", ".join(f"{'a person' if each == 'person' else each} in {share:.0%}" for each, share in has.items())
    numbers = f"{row['instances_per_frame']:.2f} instances a frame, {shares} of frames"
    numbers += f", none at all in {row['empty_share']:.0%}"
    if not pd.isna(row.get("iou_truth", np.nan)):
        numbers += f"; IoU {row['iou_truth']:.2f}"
    if not pd.isna(row.get("iou_truth_person", np.nan)):
        numbers += f", persons {row['iou_truth_person']:.2f}"
    return f"{row['video']}  ({row['split']}, {kind})", numbers


def _sheet(strips: list[np.ndarray], titles: list[tuple[str, str]], has_truth: bool, groups: Sequence[str]) -> Figure:
    """The strips below their titles, in two columns, and a legend; sizes in pixels."""
    width, height, title, margin, legend = max(strip.shape[1] for strip in strips), _HEIGHT, 40, 12, 36
    num_lines = -(-len(strips) // _COLUMNS)
    total = (_COLUMNS * (width + margin) + margin, legend + num_lines * (height + title) + margin)
    figure = Figure(figsize=(total[0] / _DPI, total[1] / _DPI), dpi=_DPI)
    for number, (strip, (name, numbers)) in enumerate(zip(strips, titles, strict=True)):
        left = margin + number % _COLUMNS * (width + margin)
        top = total[1] - legend - number // _COLUMNS * (height + title)
        figure.figimage(strip, left, top - title - height)
        write(figure, left / total[0], (top - 18) / total[1], name, width, fontsize=10, weight="bold")
        write(figure, left / total[0], (top - 34) / total[1], numbers, width, fontsize=9, color="0.25")
    handles = [Patch(color=f"#{bytes(colour).hex()}", label=group) for group, colour in group_colours(groups).items()]
    if has_truth:
        handles.append(Patch(facecolor="white", edgecolor="black", label="outline: truth"))
    score = f"instances with a score of at least {REPORT_SCORE}"
    columns = max(3, len(handles))
    figure.legend(handles=handles, title=None, loc="upper right", ncols=columns, frameon=False, fontsize=9)
    figure.text(margin / total[0], 1 - 24 / total[1], f"Masks: {score}", fontsize=11)
    return figure
