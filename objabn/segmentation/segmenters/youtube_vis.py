"""The json of YouTube-VIS, OVIS and COCO for videos: an annotation is a track, a segmentation or null for each frame.

    videos       id, file_names ("<video id>/<frame number>.<ext>"), height, width, length
    annotations  video_id, category_id, segmentations (RLE, polygons or null, one a file name), maybe score
    categories   id, name

A frame that is listed and has null in all tracks is one without instances. A list of results ({video_id, category_id,
segmentations, score}, ...) needs the json with the videos and categories beside it, as in `coco`.
"""

from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from objabn.segmentation.segmenters import coco
from objabn.system.files import file_digest

WHAT = "a YouTube-VIS json"  # in messages


def read(path: str, images: str | None = None) -> dict[str, list[coco.Image]]:
    """The frames of each video, in the order of their numbers, as images of COCO; a file is parsed once.

    Args:
        images: the json with the videos and categories of a list of results; None where `path` has all.

    Raises:
        ValueError: no such file, not JSON, not of this kind, or its parts do not fit together.
    """
    for each in filter(None, (path, images)):
        coco.check_file(each, WHAT)
    return _parse(path, file_digest(path), images, images and file_digest(images))


@lru_cache(maxsize=1)
def _parse(
    path: str, _digest: str, images_path: str | None, _images_digest: str | None
) -> dict[str, list[coco.Image]]:  # the digests: a file that changed is parsed again
    content = coco.content_of(path, images_path, WHAT, "videos", ("images", "of a COCO json the format is coco"))
    listed_in = images_path or path
    categories = coco.category_names(listed_in, content)
    by_id: dict[Any, list[coco.Image]] = {}
    videos: dict[str, list[coco.Image]] = {}
    for one in coco.entries(listed_in, content, "videos", id=None, file_names=list):
        name, frames = _frames(f"{listed_in}: video {one['id']!r}", one)
        if one["id"] in by_id or name in videos:
            raise ValueError(f"{listed_in}: videos, expected each id and folder once, got {one['id']!r}, {name} again")
        by_id[one["id"]] = videos[name] = frames
    needed = {"video_id": None, "segmentations": list}
    for number, one in enumerate(coco.entries(path, content, "annotations", **needed)):
        where = f"{path}: annotation {one.get('id', f'[{number}]')}"
        if one["video_id"] not in by_id:
            expected = f"expected one of the ids of the {len(by_id)} videos"
            raise ValueError(f"{where}: video_id, {expected}, got {one['video_id']!r}")
        frames = by_id[one["video_id"]]
        if len(one["segmentations"]) != len(frames):
            expected = f"expected {len(frames)}, one a frame of its video"
            raise ValueError(f"{where}: segmentations, {expected}, got {len(one['segmentations'])}")
        track = coco.annotation_of(
            where, {name: one[name] for name in ("category_id", "score") if name in one}, categories
        )
        for place, (frame, segmentation) in enumerate(zip(frames, one["segmentations"], strict=True)):
            if segmentation:
                of_frame = track._replace(where=f"{where}: segmentations[{place}]", segmentation=segmentation)
                frame.annotations.append(of_frame)
    for name, frames in videos.items():
        frames.sort(key=lambda frame: coco.by_number(frame.file_name))
        twice = [one.file_name for one, other in pairwise(frames) if one.file_name == other.file_name]
        if twice:
            raise ValueError(f"{listed_in}: video {name}: file_names, expected each once, got {twice[0]} twice")
    return videos


def _frames(where: str, video: dict[str, Any]) -> tuple[str, list[coco.Image]]:
    """A video's id, the folder of its file names, and its frames without annotations, in the file's order.

    Raises:
        ValueError: there is no such folder, or more than one.
    """
    names = video["file_names"]
    folders = {PurePosixPath(name).parent.as_posix() if isinstance(name, str) else "." for name in names}
    if len(folders) != 1 or folders == {"."}:
        got = coco.short(names[0] if len(folders) == 1 else names)
        raise ValueError(f"{where}: file_names, expected <video id>/<frame number>.<ext> of one video, got {got}")
    size = coco.size_of(where, video)
    return folders.pop(), [coco.Image(name, *size, []) for name in names]
