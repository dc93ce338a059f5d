"""Masks of a mask store as a json that other tools read, and `import` reads again: COCO's or YouTube-VIS's.

A frame has one annotation a group of instances, or a video one track a group: the union at a score. Scores and single
instances are not kept.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pycocotools import mask as cocotools

from objabn.progress import progress
from objabn.stores.array import StoreReader
from objabn.stores.masks import GRID, group_names
from objabn.system.files import replace_file
from objabn.truth.enlarge import enlarge
from objabn.truth.unions import Video, read_unions

LOST = "scores and instances are not kept"


class Written(NamedTuple):
    """What is in a json, and what is not as it was when the json is read again."""

    masks: int
    cells: int  # that differ then, of the grid
    frames: int  # that have such cells


def write_json(
    path: Path,
    store: StoreReader,
    videos: list[Video],
    *,
    layout: Literal["coco", "youtube-vis"],
    threshold: float,
    at_grid: bool,
) -> Written:
    """Write the masks of videos as one json, whole or not at all.

    Args:
        store: the mask store.
        threshold: least score of an instance, in (0, 1].
        at_grid: masks of GRID x GRID pixels, else of the videos' own size.
    """
    drawn = _Drawn(store, threshold, at_grid)
    info = {"description": f"objabn: for each group the union of instances of score {threshold:g} or more; {LOST}"}
    categories = [{"id": number, "name": name} for number, name in enumerate(group_names(store), 1)]
    parts = _youtube_vis(drawn, videos) if layout == "youtube-vis" else _coco(drawn, videos)
    _write(path, {"info": info, "categories": categories}, parts)
    return Written(drawn.number, drawn.cells, drawn.frames)


def _write(path: Path, head: Mapping[str, Any], parts: Mapping[str, Iterable[dict[str, Any]]]) -> None:
    """Write a json of these keys and lists; of the lists only an item at a time is in memory."""
    with replace_file(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1])
        for name, items in parts.items():
            file.write(f', "{name}": [')
            for number, item in enumerate(items):
                file.write(",\n" if number else "\n")
                file.write(json.dumps(item))
            file.write("]")
        file.write("}\n")


class _Drawn:
    """Draw the masks of videos, and count them."""

    def __init__(self, store: StoreReader, threshold: float, at_grid: bool) -> None:
        self._store, self._threshold, self._at_grid = store, threshold, at_grid
        self.number = self.cells = self.frames = 0  # as of `Written`

    def size(self, video: Video) -> dict[str, int]:
        height, width = (GRID, GRID) if self._at_grid else (video.height, video.width)
        return {"height": height, "width": width}

    def of(self, video: Video) -> Iterator[tuple[int, list[dict[str, Any] | None]]]:
        """For each category the masks of a video's frames: segmentation, area and bbox, or None for an empty one."""
        wrong = np.zeros(video.frames, np.int64)
        for category, unions in enumerate(read_unions(self._store, video.id, self._threshold).values(), 1):
            masks: list[dict[str, Any] | None] = []
            for frame, union in enumerate(unions):
                pixels, differ = (union, 0) if self._at_grid else enlarge(union, video.height, video.width)
                wrong[frame] += differ
                masks.append(_mask(pixels) if pixels.any() else None)
            self.number += sum(mask is not None for mask in masks)
            yield category, masks
        self.cells += int(wrong.sum())
        self.frames += int((wrong > 0).sum())


def _coco(drawn: _Drawn, videos: list[Video]) -> dict[str, Iterable[dict[str, Any]]]:
    """An image a frame, an annotation a frame and category."""

    def images() -> Iterator[dict[str, Any]]:
        names = ((video, name) for video in videos for name in video.names)
        for number, (video, name) in enumerate(names, 1):
            yield {"id": number, "file_name": name, **drawn.size(video)}

    def annotations() -> Iterator[dict[str, Any]]:
        first, number = 1, 0  # image of a video's first frame, annotations so far
        for video in progress(videos, desc="export", unit="video"):
            for category, masks in drawn.of(video):
                for image, mask in enumerate(masks, first):
                    if mask is not None:
                        number += 1
                        yield {"id": number, "image_id": image, "category_id": category, **mask, "iscrowd": 0}
            first += video.frames

    return {"images": images(), "annotations": annotations()}


def _youtube_vis(drawn: _Drawn, videos: list[Video]) -> dict[str, Iterable[dict[str, Any]]]:
    """A track a video and category, with null in frames without a mask."""

    def listed() -> Iterator[dict[str, Any]]:
        for number, video in enumerate(videos, 1):
            yield {"id": number, "file_names": video.names, "length": video.frames, **drawn.size(video)}

    def annotations() -> Iterator[dict[str, Any]]:
        track = 0
        for number, video in enumerate(progress(videos, desc="export", unit="video"), 1):
            for category, masks in drawn.of(video):
                if any(masks):
                    track += 1
                    names = {"segmentations": "segmentation", "bboxes": "bbox", "areas": "area"}
                    lists = {many: [mask and mask[one] for mask in masks] for many, one in names.items()}
                    of = {"id": track, "video_id": number, "category_id": category, "iscrowd": 0}
                    yield {**of, "length": video.frames, **drawn.size(video), **lists}

    return {"videos": listed(), "annotations": annotations()}


def _mask(pixels: np.ndarray) -> dict[str, Any]:
    """A mask bool (H, W) that is not empty, as COCO has it."""
    rle = cocotools.encode(np.asfortranarray(pixels.astype(np.uint8)))
    segmentation = {"size": list(pixels.shape), "counts": rle["counts"].decode()}
    box = [int(side) for side in cocotools.toBbox(rle)]
    return {"segmentation": segmentation, "area": int(pixels.sum()), "bbox": box}
