"""Boxes of UCF101-24: persons who act, in videos of 24 of the 101 classes.

    xgtf    the annotations of THUMOS 2013, <folder>/<class>/<video>.xgtf, in the XML of ViPER
    pickle  pyannot.pkl of github.com/gurkirt/corrected-UCF101-Annots (or pyannot_with_class_names.pkl, in its "db")

An xgtf counts frames from 1, and pixels of 320 x 240 from 0. Only the first `sourcefile` with objects is the video. A
person has boxes (`Location`) and for each action when they do it; boxes of those who do none are left out, unless that
is all of them. The pickle counts frames from 0, `ef` being the first frame behind the tube, and pixels from 1.

Frames without a box of a person who acts are without annotation: whoever is seen there has none.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from objabn.stores.masks import GROUPS
from objabn.truth.boxes import Boxes, clip_boxes
from objabn.truth.unpickle import load_pickle
from objabn.truth.videos import Video, Videos
from objabn.truth.write import UNKNOWN, LeftOut, Read

GROUP = "person"
_WIDTH, _HEIGHT = 320, 240  # pixels of the annotated frames
_MOST_APART = 2  # frames that a video may have more or less than its annotations say, and
_MOST_APART_SHARE = 0.02  # the same as a share
_VIPER, _DATA = "{http://lamp.cfar.umd.edu/viper#}", "{http://lamp.cfar.umd.edu/viperdata#}"


def read_ucf101_24(path: Path, videos: Videos) -> Read:
    """Read the boxes of UCF101-24 from a folder of xgtf files or from the pickle, video by video.

    Args:
        videos: those of the data set; what is annotated of others is not looked at.

    Raises:
        ValueError: neither of them, or a file that is not what its suffix says as a whole.
    """
    if path.is_dir():
        return _read_xgtfs(path, videos)
    if not path.is_file():
        raise ValueError(f"{path}: expected a folder of xgtf files or pyannot.pkl, got no such file")
    return _read_tubes(path, videos)


def _read_xgtfs(folder: Path, videos: Videos) -> Iterator[tuple[str, Boxes | LeftOut]]:
    files = sorted(folder.rglob("*.xgtf"))
    if not files:
        raise ValueError(f"{folder}: expected <class>/<video>.xgtf below it, got none")
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        video = videos.find(name)
        if video is None:
            yield name, UNKNOWN
            continue
        try:
            num_frames, numbers, boxes = _boxes_of_xgtf(ElementTree.parse(file).getroot())
        except (ElementTree.ParseError, ValueError) as error:
            yield name, LeftOut("its xgtf cannot be read", " ".join(str(error).split()))
            continue
        yield name, _of_stored(video, num_frames, numbers, boxes)


def _boxes_of_xgtf(root: ElementTree.Element) -> tuple[int | None, np.ndarray, np.ndarray]:
    """Length, frames int64 (n,) and boxes x, y, width, height float64 (n, 4), both from 0. Raises: ValueError."""
    sources = [each for each in root.iter(f"{_VIPER}sourcefile") if each.find(f"{_VIPER}object") is not None]
    if not sources:
        raise ValueError("expected a sourcefile with objects, got none")
    persons = [each for each in sources[0].iter(f"{_VIPER}object") if each.get("name", "").upper() == "PERSON"]
    actors = [each for each in persons if any(_is_true(value) for value in each.iter(f"{_DATA}bvalue"))]
    numbers, boxes = [], []
    for person in actors or persons:
        for box in person.iterfind(f"{_VIPER}attribute[@name='Location']/{_DATA}bbox"):
            try:
                sides = [float(box.attrib[side]) for side in ("x", "y", "width", "height")]
                spans = [[int(end) for end in span.split(":")] for span in box.attrib["framespan"].split()]
                frames = [frame for first, last in spans for frame in range(first - 1, last)]
            except (KeyError, ValueError) as error:
                raise ValueError(f"expected a bbox with framespan, x, y, width and height, got {box.attrib}") from error
            numbers += frames
            boxes += [sides] * len(frames)
    return _length(sources[0]), np.array(numbers, np.int64), np.array(boxes, np.float64).reshape(-1, 4)


def _length(source: ElementTree.Element) -> int | None:
    """How many frames an xgtf says that its video has; None where it does not say, or 0."""
    value = source.find(f"{_VIPER}file/{_VIPER}attribute[@name='NUMFRAMES']/{_DATA}dvalue")
    text = value.get("value", "") if value is not None else ""
    return int(text) or None if text.isdecimal() else None


def _is_true(value: ElementTree.Element) -> bool:
    return value.get("value", "").lower() in ("true", "1")


def _read_tubes(path: Path, videos: Videos) -> Iterator[tuple[str, Boxes | LeftOut]]:
    content = load_pickle(path)
    database = content.get("db", content) if isinstance(content, dict) else None
    if not isinstance(database, dict) or not database or not all(isinstance(each, dict) for each in database.values()):
        got = f"a {type(content).__name__}"
        raise ValueError(
            f"{path}: expected videos with annotations, numf and label, as pyannot.pkl has them, got {got}"
        )
    for name, entry in database.items():
        video = videos.find(str(name))
        if video is None:
            yield str(name), UNKNOWN
            continue
        try:
            numbers, boxes = _boxes_of_tubes(entry)
            num_frames = int(entry["numf"])
        except (KeyError, TypeError, ValueError) as error:
            yield str(name), LeftOut("its tubes cannot be read", " ".join(str(error).split()))
            continue
        yield str(name), _of_stored(video, num_frames, numbers, boxes)


def _boxes_of_tubes(entry: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Frames int64 (n,) and boxes x, y, width, height float64 (n, 4), both from 0. Raises: as a wrong entry does."""
    numbers, boxes = [np.zeros(0, np.int64)], [np.zeros((0, 4))]
    for tube in entry["annotations"]:
        first, end, found = int(tube["sf"]), int(tube["ef"]), np.asarray(tube["boxes"])
        if found.shape != (end - first, 4) or first < 0 or found.dtype.kind not in "iuf":
            raise ValueError(f"expected boxes ({end - first}, 4) of the frames {first} to {end}, got {found.shape}")
        numbers.append(np.arange(first, end))
        boxes.append(found.astype(np.float64) - [1, 1, 0, 0])
    return np.concatenate(numbers), np.concatenate(boxes)


def _of_stored(video: Video, num_frames: int | None, numbers: np.ndarray, boxes: np.ndarray) -> Boxes | LeftOut:
    """The boxes of the stored frames, or that they are of another video.

    Args:
        num_frames: how many the annotations say that the video has; None where they do not say.
        numbers: of the video's frames, from 0; those beyond its end are left out.
        boxes: x, y, width, height in pixels, from 0.
    """
    if num_frames is not None and video.is_whole:
        least = (video.frames - 1) * video.stride + 1
        apart = max(least - num_frames, num_frames - video.most_frames)
        if apart > max(_MOST_APART, _MOST_APART_SHARE * num_frames):
            has = str(least) if least == video.most_frames else f"{least} to {video.most_frames}"
            details = f"they say {num_frames} frames, it has {has}"
            return LeftOut("its boxes are of a video of another length", details)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    corners, is_inside = clip_boxes(corners / [_WIDTH, _HEIGHT, _WIDTH, _HEIGHT])
    stored, rest = np.divmod(numbers, video.stride)
    chosen = is_inside & (rest == 0) & (stored >= 0) & (stored < video.frames)
    known = np.zeros(video.frames, bool)
    known[stored[chosen]] = True
    groups = np.full(int(chosen.sum()), GROUPS.index(GROUP))
    return Boxes(known, stored[chosen], corners[chosen], groups)
