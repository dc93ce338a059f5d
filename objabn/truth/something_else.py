"""Boxes of Something-Else: hands and objects in videos of Something-Something v2.

The json files (bounding_box_smthsmth_part1.json and so on, of github.com/joaanna/something_else) list the annotated
frames of each video: a `name` such as "2/0001.jpg", and `labels`, which have a `box2d` x1, y1, x2, y2 each.

Frames were taken 12 a second, as most videos have them, and are counted from 1; pixels are those of a frame 240 high.
A video may have more frames than annotated ones. A frame without a label shows neither hand nor object.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from objabn.stores.masks import GROUPS
from objabn.truth.boxes import Boxes, clip_boxes
from objabn.truth.videos import Video, Videos
from objabn.truth.write import UNKNOWN, LeftOut, Read

GROUP = "other"  # hands, too: no box is a person's
_FPS, _HEIGHT = 12.0, 240  # of the annotated frames
_SAME_FPS = 0.02  # up to which share apart a rate is that of the annotations
_NEAR = 0.25  # of the time between two annotated frames: how far from one a frame may be
_MOST_BEYOND = 2  # annotated frames behind a video's end that are left out; with more the video is another one
_SPACE = re.compile(r"[\s]*")


def read_something_else(paths: Sequence[Path], videos: Videos) -> Read:
    """Read the boxes of Something-Else, video by video.

    Args:
        paths: the json files; a folder stands for those in it.
        videos: those of the data set; what is annotated of others is not looked at.

    Raises:
        ValueError: no such file, or not one of these.
    """
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not files:
        raise ValueError(f"{paths[0]}: expected json files below it, got none")
    for file in files:
        if not file.is_file():
            raise ValueError(f"{file}: expected a json file of Something-Else, got no such file")
    return _read(files, videos)


def _read(files: Sequence[Path], videos: Videos) -> Iterator[tuple[str, Boxes | LeftOut]]:
    for file in files:
        for name, entry in _entries(file):
            video = videos.find(name)
            yield name, UNKNOWN if video is None else _of_stored(video, entry)


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Names and values of a json object, one after the other: a whole file of a gigabyte would take many."""
    expected = f'{path}: expected an object of videos, {{"2": [{{"name": "2/0001.jpg", "labels": [...]}}, ...], ...}}'
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{expected}, got a file that cannot be read ({type(error).__name__})") from error
    decoder, at = json.JSONDecoder(), _behind_space(text, 0)
    separator = "{"
    while text[at : at + 1] == separator:
        at = _behind_space(text, at + 1)
        if separator == "{" and text[at : at + 1] == "}":
            break
        try:
            name, at = decoder.raw_decode(text, at)
            at = _behind_space(text, at)
            if not isinstance(name, str) or text[at : at + 1] != ":":
                raise ValueError("no name of a video")
            value, at = decoder.raw_decode(text, _behind_space(text, at + 1))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{expected}, got: {error} (character {at})") from error
        yield name, value
        at, separator = _behind_space(text, at), ","
    if text[at : at + 1] != "}":
        raise ValueError(f"{expected}, got {text[at : at + 20]!r} (character {at})")


def _behind_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _of_stored(video: Video, entry: Any) -> Boxes | LeftOut:
    """The boxes of the stored frames, or what is wrong with the entry."""
    frames: dict[int, list[list[float]]] = {}
    try:
        for frame in entry:
            number = int(frame["name"].rpartition("/")[2].partition(".")[0])
            sides = [[float(each["box2d"][side]) for side in ("x1", "y1", "x2", "y2")] for each in frame["labels"]]
            frames.setdefault(number - 1, []).extend(sides)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return LeftOut("its boxes cannot be read", f"{type(error).__name__} {error}")
    nearest, is_near = _annotated_frames(video)
    last = (video.most_frames - 1) / _rate(video)
    if frames and max(frames) > last + _MOST_BEYOND and video.is_whole:
        details = f"the last at frame {max(frames)}, where the video ends at {last:.1f}, 12 frames a second"
        return LeftOut("its boxes are of a longer video", details)
    known = is_near & np.isin(nearest, list(frames))
    width = video.width * _HEIGHT / video.height
    numbers = [at for at in np.flatnonzero(known).tolist() for _ in frames[int(nearest[at])]]
    pixels = [box for at in np.flatnonzero(known).tolist() for box in frames[int(nearest[at])]]
    boxes = np.array(pixels, np.float64).reshape(-1, 4) / [width, _HEIGHT, width, _HEIGHT]
    boxes, is_inside = clip_boxes(boxes)
    groups = np.full(int(is_inside.sum()), GROUPS.index(GROUP))
    return Boxes(known, np.array(numbers, np.int64)[is_inside], boxes[is_inside], groups)


def _annotated_frames(video: Video) -> tuple[np.ndarray, np.ndarray]:
    """Number from 0 of the annotated frame that is nearest to each stored one, and whether it is near, (frames,)."""
    at = np.arange(video.frames) * video.stride / _rate(video)
    nearest = np.rint(at)
    return nearest.astype(np.int64), np.abs(at - nearest) <= _NEAR


def _rate(video: Video) -> float:
    """How many of the video's frames come for an annotated one; what is measured of a rate is a little off."""
    rate = video.fps * video.stride / _FPS
    return rate if rate > 0 and abs(rate - 1) > _SAME_FPS else 1.0
