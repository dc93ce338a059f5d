"""Masks of one's own, of some videos and frames: PNGs or a COCO json, as the segmenter `import` reads them.

The number in a PNG's or image's name is that of the video's frame. A frame without PNG or image is without annotation;
one without instances shows no object.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from objabn.segmentation.segmenters import coco
from objabn.segmentation.segmenters.imported import read_image
from objabn.segmentation.segmenters.instances import Instances, planes_of
from objabn.segmentation.segmenters.pngs import pngs_of, read_pngs
from objabn.segmentation.segmenters.sparse import frame_number
from objabn.stores.masks import GRID, GROUPS
from objabn.truth.videos import Video, Videos
from objabn.truth.write import UNKNOWN, LeftOut, Masks, Read


def read_masks(
    path: Path, videos: Videos, format: Literal["png", "coco"], *, class_name: str = "person", first: int = 0
) -> Read:
    """Read masks, video by video.

    Args:
        path: the directory of <video id>/<number>.png, or the COCO json.
        videos: those of the data set.
        class_name: of instances that come without a class.
        first: the number of a video's first frame.

    Raises:
        ValueError: there is nothing of that kind at `path`; a file that cannot be understood.
    """
    if format == "coco":
        return _from_coco(coco.read(str(path)), videos, class_name, first)
    if not path.is_dir():
        raise ValueError(f"{path}: expected a directory of <video id>/<number>.png, got none")
    return _from_pngs(path, videos, class_name, first)


def groups_of(path: Path, format: Literal["png", "coco"], class_name: str) -> tuple[str, ...]:
    """Which of `GROUPS` such masks annotate: those of the json's categories, and of `class_name` where one is missing.

    Raises:
        ValueError: as `read_masks`.
    """
    names = {each or class_name for each in (coco.classes(str(path)) if format == "coco" else ())} or {class_name}
    found = {"person" if name == "person" else "other" for name in names}
    return tuple(group for group in GROUPS if group in found)


def _from_coco(
    content: dict[str, list[coco.Image]], videos: Videos, class_name: str, first: int
) -> Iterator[tuple[str, Masks | LeftOut]]:
    for name, images in content.items():
        video = videos.find(name)
        if video is None:
            yield name, UNKNOWN
            continue
        numbers = _numbers([image.file_name for image in images], first, video)
        if isinstance(numbers, LeftOut):
            yield name, numbers
            continue
        chosen = {number: image for number, image in zip(numbers, images, strict=True) if _is_stored(number, video)}
        yield name, _masks(video, {number: read_image(image, class_name) for number, image in chosen.items()})


def _from_pngs(folder: Path, videos: Videos, class_name: str, first: int) -> Iterator[tuple[str, Masks | LeftOut]]:
    for name in _folders(folder):
        video = videos.find(name)
        if video is None:
            yield name, UNKNOWN
            continue
        paths = pngs_of(str(folder), name)
        numbers = _numbers([path.name for path in paths], first, video)
        if isinstance(numbers, LeftOut):
            yield name, numbers
            continue
        chosen = {number: path for number, path in zip(numbers, paths, strict=True) if _is_stored(number, video)}
        yield name, _masks(video, dict(zip(chosen, read_pngs(list(chosen.values()), class_name), strict=True)))


def _folders(folder: Path) -> Iterator[str]:
    """The folders below this one with files in them, in the order of their names, as <folder>/<folder>."""
    for place, below, files in os.walk(folder, followlinks=True):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if Path(place) != folder and any(not name.startswith(".") for name in files):
            yield Path(place).relative_to(folder).as_posix()


def _numbers(names: list[str], first: int, video: Video) -> list[int] | LeftOut:
    """The frames, from 0, of these files, or what is wrong with a number; of a cut video some may be beyond its end."""
    found = [frame_number(name) for name in names]
    numbers = [-1 if number is None else number - first for number in found]
    for name, number in zip(names, numbers, strict=True):
        if number < 0 or (number >= video.most_frames and video.is_whole):
            details = f"expected {first} to {first + video.most_frames - 1} (--first-frame), got {name}"
            return LeftOut("its files have numbers that are no frames", details)
    return numbers


def _is_stored(number: int, video: Video) -> bool:
    return number % video.stride == 0 and number < video.most_frames


def _masks(video: Video, instances: dict[int, Instances]) -> Masks:
    """Masks of the stored frames from the instances of some of the video's frames, which are all stored ones."""
    known, planes = np.zeros(video.frames, bool), np.zeros((video.frames, len(GROUPS), GRID, GRID), np.uint8)
    for number, found in instances.items():
        known[number // video.stride] = True
        planes[number // video.stride] = planes_of(found)
    return Masks(known, planes)
