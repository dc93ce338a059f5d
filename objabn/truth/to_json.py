"""Masks of a mask store as a json that other tools read, and `import` reads again: COCO's or YouTube-VIS's, or CVAT's.

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
    drawn = _Drawn(store, threshold, at_grid=at_grid)
    shown = progress(videos, desc="export", unit="video")
    parts = _youtube_vis(drawn, videos, shown) if layout == "youtube-vis" else _coco(drawn, videos, shown)
    _write(path, _head(store, threshold), parts)
    return drawn.written


def write_cvat(folder: Path, store: StoreReader, videos: list[Video], *, threshold: float) -> Written:
    """Write the masks of videos as CVAT exports those of a task of one video: <folder>/<video id>.json, COCO's.

    CVAT takes the json for a task of the same video. Its names have no video, all frames up to the last stored one are
    listed, as CVAT does, and RLE is not compressed.

    Args:
        store, threshold: as of `write_json`.
    """
    drawn = _Drawn(store, threshold, at_grid=False, is_compressed=False)
    for video in progress(videos, desc="export", unit="video"):
        parts = _coco(drawn, [video], [video], for_cvat=True)
        _write(folder / f"{video.id}.json", {"licenses": [], **_head(store, threshold)}, parts)
    return drawn.written


def _head(store: StoreReader, threshold: float) -> dict[str, Any]:
    info = {"description": f"objabn: for each group the union of instances of score {threshold:g} or more; {LOST}"}
    return {"info": info, "categories": [{"id": at, "name": name} for at, name in enumerate(group_names(store), 1)]}


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

    def __init__(self, store: StoreReader, threshold: float, *, at_grid: bool, is_compressed: bool = True) -> None:
        self._store, self._threshold, self._at_grid, self._is_compressed = store, threshold, at_grid, is_compressed
        self.written = Written(0, 0, 0)  # so far

    def size(self, video: Video) -> dict[str, int]:
        height, width = (GRID, GRID) if self._at_grid else (video.height, video.width)
        return {"height": height, "width": width}

    def of(self, video: Video) -> Iterator[tuple[int, list[dict[str, Any] | None]]]:
        """For each category the masks of a video's frames: segmentation, area and bbox, or None for an empty one."""
        number, wrong = 0, np.zeros(video.frames, np.int64)
        for category, unions in enumerate(read_unions(self._store, video.id, self._threshold).values(), 1):
            masks: list[dict[str, Any] | None] = []
            for frame, union in enumerate(unions):
                pixels, differ = (union, 0) if self._at_grid else enlarge(union, video.height, video.width)
                wrong[frame] += differ
                masks.append(_mask(pixels, self._is_compressed) if pixels.any() else None)
            number += sum(mask is not None for mask in masks)
            yield category, masks
        these = (number, wrong.sum(), (wrong > 0).sum())
        self.written = Written(*(before + int(more) for before, more in zip(self.written, these, strict=True)))


def _coco(
    drawn: _Drawn,
    videos: list[Video],
    shown: Iterable[Video],
    *,
    for_cvat: bool = False,
) -> dict[str, Iterable[dict[str, Any]]]:
    """An image a frame, an annotation a frame and category; `shown` are the videos with a bar of progress."""

    def images() -> Iterator[dict[str, Any]]:
        names = ((video, name) for video in videos for name in (video.cvat_names if for_cvat else video.names))
        for number, (video, name) in enumerate(names, 1):
            yield {"id": number, "file_name": name, **drawn.size(video)}

    def annotations() -> Iterator[dict[str, Any]]:
        first, number = 1, 0  # image of a video's first frame, annotations so far
        for video in shown:
            for category, masks in drawn.of(video):
                for frame, mask in enumerate(masks):
                    if mask is not None:
                        number += 1
                        image = first + frame * (video.stride if for_cvat else 1)
                        yield {"id": number, "image_id": image, "category_id": category, **mask, "iscrowd": 0}
            first += len(video.cvat_names) if for_cvat else video.frames

    return {"images": images(), "annotations": annotations()}


def _youtube_vis(drawn: _Drawn, videos: list[Video], shown: Iterable[Video]) -> dict[str, Iterable[dict[str, Any]]]:
    """A track a video and category, with null in frames without a mask."""

    def listed() -> Iterator[dict[str, Any]]:
        for number, video in enumerate(videos, 1):
            yield {"id": number, "file_names": video.names, "length": video.frames, **drawn.size(video)}

    def annotations() -> Iterator[dict[str, Any]]:
        track = 0
        for number, video in enumerate(shown, 1):
            for category, masks in drawn.of(video):
                if any(masks):
                    track += 1
                    names = {"segmentations": "segmentation", "bboxes": "bbox", "areas": "area"}
                    lists = {many: [mask and mask[one] for mask in masks] for many, one in names.items()}
                    of = {"id": track, "video_id": number, "category_id": category, "iscrowd": 0}
                    yield {**of, "length": video.frames, **drawn.size(video), **lists}

    return {"videos": listed(), "annotations": annotations()}


def _mask(pixels: np.ndarray, is_compressed: bool) -> dict[str, Any]:
    """A mask bool (H, W) that is not empty, as COCO has it."""
    rle = cocotools.encode(np.asfortranarray(pixels.astype(np.uint8)))
    counts = rle["counts"].decode() if is_compressed else _runs(pixels)
    box = [int(side) for side in cocotools.toBbox(rle)]
    return {"segmentation": {"size": list(pixels.shape), "counts": counts}, "area": int(pixels.sum()), "bbox": box}


def _runs(pixels: np.ndarray) -> list[int]:
    """How many pixels of background and of object lie in turn down the columns; the first number may be 0."""
    flat = pixels.T.ravel()
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return np.diff([*([0] if flat[0] else []), 0, *ends, flat.size]).tolist()
