"""A COCO json as masks of videos: images[].file_name = "<video id>/<frame number>.<ext>", one image a frame.

    videos = read("masks.json")                                # {video id: its images in the order of their numbers}
    mask(videos["walk/a"][0], annotation)                      # bool (H, W)

So images and annotations are those of COCO, and the names those of YouTube-VIS and DAVIS. Numbers may start anywhere.
An annotation without a segmentation is its `bbox`, filled. `categories` gives the classes; an annotation may have a
`score` in [0, 1]. An image without annotations is a frame without instances.

A list of results as COCO's evaluation takes it ({image_id, category_id, segmentation, score}, ...) needs the json with
their images and categories beside it: `read("results.json", images="instances.json")`.

RLE is decoded here, polygons by pycocotools, so that they have COCO's pixels. Its RLE decoder reads beyond the end of a
damaged string (a crash, not an exception), and takes counts that end too early for background.
"""

import json
import re
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zipfile import is_zipfile

import numpy as np
from pycocotools import mask as polygons

from objabn.segmentation.segmenters.brush import Brush
from objabn.system.files import file_digest

WHAT = "a COCO json"  # in messages


class Annotation(NamedTuple):
    where: str  # for messages
    name: str | None  # of its category, in lower case; None without a category
    score: float
    segmentation: Any  # as in the file; a box's corners where there is nothing but a bbox; Label Studio's `Brush`


class Image(NamedTuple):
    file_name: str
    height: int | None  # pixels
    width: int | None
    annotations: list[Annotation]


def read(path: str, images: str | None = None) -> dict[str, list[Image]]:
    """The images of each video, in the order of their numbers; a file is parsed once.

    Args:
        images: the json with the images and categories of a list of results; None where `path` has all.

    Raises:
        ValueError: no such file, not JSON, not COCO's, or its parts do not fit together.
    """
    check_file(path, WHAT)
    if images is not None:
        check_file(images, WHAT)
    return _parse(path, file_digest(path), images, images and file_digest(images))[0]


def classes(path: str) -> set[str | None]:
    """Names of a file's categories, in lower case, whether they have annotations or not; None if some lack a category.

    Raises:
        ValueError: as `read`.
    """
    videos, names = read(path), _parse(path, file_digest(path), None, None)[1]
    return names | {one.name for images in videos.values() for image in images for one in image.annotations}


def check_file(path: str, what: str) -> None:
    """Raise ValueError where no file is at `path`; `what` was expected there."""
    if not Path(path).is_file():
        got = "got a directory; of PNGs the format is png" if Path(path).is_dir() else "got no such file"
        raise ValueError(f"{path}: expected {what}, {got}")


def load(path: str, what: str) -> Any:
    """The content of a JSON file. Raises: ValueError where it is none; `what` was expected."""
    try:
        return json.loads(Path(path).read_bytes())
    except RecursionError:
        raise ValueError(f"{path}: expected {what}, got JSON that is nested without end") from None
    except ValueError as error:  # UnicodeDecodeError too
        if is_zipfile(path):
            raise ValueError(f"{path}: expected {what}, got a zip archive; unpack it") from None
        raise ValueError(f"{path}: expected {what}, got a file that is not JSON: {error}") from None


def content_of(path: str, images_path: str | None, what: str, listed: str, other: tuple[str, str]) -> dict[str, Any]:
    """Load a json with annotations, or a list of results with the json of its images.

    Args:
        what: was expected at `path`.
        listed: the key, beside annotations, that it has to have: images or videos.
        other: a key that only another format has, and what to say where it is found in its place.

    Raises:
        ValueError: not JSON, or not of this kind.
    """
    content = load(path, what)
    if images_path is not None:
        content = with_results(path, content, load(images_path, what))
    if isinstance(content, dict) and {listed, "annotations"} <= set(content):
        return content
    got = f"the keys {', '.join(content)}" if isinstance(content, dict) else f"a {type(content).__name__}"
    if isinstance(content, list):
        got += f"; a list of results needs the json with their {listed}, too (segment.images)"
    elif other[0] in content:
        got += f"; {other[1]}"
    raise ValueError(f"{images_path or path}: expected {what}, with {listed} and annotations, got {got}")


@lru_cache(maxsize=1)
def _parse(
    path: str, _digest: str, images_path: str | None, _images_digest: str | None
) -> tuple[dict[str, list[Image]], set[str | None]]:  # the digests: a file that changed is parsed again
    instead = ("videos", "`import` reads YouTube-VIS's json as format youtube-vis")
    content = content_of(path, images_path, WHAT, "images", instead)
    categories = category_names(images_path or path, content)
    images: dict[Any, Image] = {}
    videos: dict[str, list[Image]] = {}
    for one in entries(images_path or path, content, "images", id=None, file_name=str):
        image = Image(one["file_name"], *size_of(f"{images_path or path}: {one['file_name']}", one), [])
        if one["id"] in images:
            other = images[one["id"]].file_name
            raise ValueError(f"{path}: images, expected each id once, got {one['id']!r}: {other}, {image.file_name}")
        images[one["id"]] = image
        videos.setdefault(PurePosixPath(image.file_name).parent.as_posix(), []).append(image)
    for number, one in enumerate(entries(path, content, "annotations", image_id=None)):
        annotation = annotation_of(f"{path}: annotation {one.get('id', f'[{number}]')}", one, categories)
        if one["image_id"] not in images:
            expected = f"expected one of the ids of the {len(images)} images"
            raise ValueError(f"{annotation.where}: image_id, {expected}, got {one['image_id']!r}")
        images[one["image_id"]].annotations.append(annotation)
    for each in videos.values():
        each.sort(key=lambda image: by_number(image.file_name))
        twice = [one.file_name for one, other in pairwise(each) if one.file_name == other.file_name]
        if twice:
            raise ValueError(f"{path}: images, expected each file_name once, got {twice[0]} twice")
    return videos, set(categories.values())


def with_results(path: str, results: Any, images: Any) -> Any:
    """A json of annotations from a list of results, at `path`, and the json that has their images and categories.

    Raises:
        ValueError: they are no list.
    """
    if not isinstance(results, list):
        got = f"a {type(results).__name__}"
        raise ValueError(f"{path}: expected a list of results, since segment.images names a json beside it, got {got}")
    return {**images, "annotations": results} if isinstance(images, dict) else images


def category_names(path: str, content: dict[str, Any]) -> dict[Any, str]:
    """The names of a json's categories by their ids, in lower case: Objects365 and Open Images write Person.

    Raises:
        ValueError: a category without id or name.
    """
    return {one["id"]: one["name"].lower() for one in entries(path, content, "categories", id=None, name=str)}


def size_of(where: str, values: dict[str, Any]) -> tuple[int | None, int | None]:
    """Height and width of an image or a video, None where it has none. Raises: ValueError unless they are pixels."""
    height, width = values.get("height"), values.get("width")
    if not all(side is None or (type(side) is int and side > 0) for side in (height, width)):
        raise ValueError(f"{where}: height and width, expected pixels, got {height!r} and {width!r}")
    return height, width


def entries(path: str, content: dict[str, Any], key: str, **needed: type | None) -> list[dict[str, Any]]:
    """A list of the json; none for a key that it lacks. Raises: ValueError unless all in it have what is needed."""
    for number, one in enumerate(content.get(key) or []):
        if not isinstance(one, dict) or any(
            name not in one or not isinstance(one[name], kind or int | str) for name, kind in needed.items()
        ):
            raise ValueError(f"{path}: {key}[{number}]: expected {' and '.join(needed)}, got {short(one)}")
    return content.get(key) or []


def annotation_of(where: str, values: dict[str, Any], names: dict[Any, str]) -> Annotation:
    """Raises: ValueError for a category that the file does not name, or a score outside [0, 1]."""
    category, score = values.get("category_id"), values.get("score", 1.0)
    if category is not None and not (isinstance(category, int | str) and category in names):
        raise ValueError(f"{where}: category_id, expected one of the {len(names)} categories' ids, got {category!r}")
    if not (isinstance(score, int | float) and 0 <= score <= 1):
        raise ValueError(f"{where}: score, expected a number in [0, 1], got {score!r}")
    segmentation = values.get("segmentation")
    if not segmentation and values.get("bbox") is not None:
        segmentation = _corners(where, values["bbox"])
    return Annotation(where, names.get(category), float(score), segmentation)


def _corners(where: str, box: Any) -> list[list[float]]:
    """A box x, y, width, height, in pixels, as a polygon. Raises: ValueError when it is something else."""
    numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(value, int | float) for value in box)
    if not numbers or min(box[2:]) <= 0:
        raise ValueError(f"{where}: bbox, expected [x, y, width, height] in pixels, got {short(box)}")
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def by_number(name: str) -> list[str | int]:
    """Key that sorts file names by the numbers in them: 2.png before 10.png."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name))]


def mask(image: Image, annotation: Annotation) -> np.ndarray:
    """The pixels of an annotation, bool (H, W).

    Raises:
        ValueError: the segmentation is neither RLE (compressed or not) nor polygons, or does not fit its image.
    """
    segmentation = annotation.segmentation
    if isinstance(segmentation, Brush):
        return segmentation.pixels(annotation.where)
    if isinstance(segmentation, list) and segmentation:
        return _from_polygons(segmentation, image, annotation.where)
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= set(segmentation):
        got = type(segmentation).__name__ if segmentation else repr(segmentation)
        raise ValueError(
            f"{annotation.where}: segmentation, expected RLE (size and counts) or polygons, or a bbox, got {got}"
        )
    size = segmentation["size"]
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)):
        raise ValueError(f"{annotation.where}: size, expected [height, width], got {short(size)}")
    height, width = size
    if (image.height or height, image.width or width) != (height, width):
        expected = f"expected the image's [{image.height}, {image.width}]"
        raise ValueError(f"{annotation.where}: size, {expected}, got {size}")
    counts = _counts(segmentation["counts"], annotation.where)
    if (counts < 0).any() or counts.sum() != height * width:
        expected = f"expected pixels of {height} x {width} = {height * width}"
        raise ValueError(f"{annotation.where}: counts, {expected}, got {counts.sum()}")
    return _fill(counts, height, width)


def _fill(counts: np.ndarray, height: int, width: int) -> np.ndarray:
    """Runs of background and object in turn, down the columns, as bool (height, width)."""
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T


def _counts(counts: Any, where: str) -> np.ndarray:
    """Lengths of the runs, int64 (n,), from a list or a compressed string.

    A string holds each as groups of five bits, the lowest first, as characters from "0" on; 32 marks that another group
    follows, 16 in the last one a negative number. From the fourth on they are differences to the last but one.

    Raises:
        ValueError: neither of them.
    """
    if isinstance(counts, list) and all(type(count) is int and abs(count) < 1 << 32 for count in counts):
        return np.array(counts, np.int64)
    if not isinstance(counts, str) or not re.fullmatch(r"([P-o]{0,7}[0-O])+", counts):
        raise ValueError(
            f"{where}: counts, expected whole numbers or a string of COCO's compressed RLE, got {short(counts)}"
        )
    bits = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - ord("0")
    ends = np.flatnonzero(bits < 32)
    starts = np.concatenate([[0], ends[:-1] + 1])
    groups = ends - starts + 1
    values = np.add.reduceat((bits & 31) << 5 * (np.arange(len(bits)) - np.repeat(starts, groups)), starts)
    values -= ((bits[ends] & 16) > 0) * (1 << 5 * groups)
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    return values


def _from_polygons(parts: list[Any], image: Image, where: str) -> np.ndarray:
    height, width = image.height, image.width
    if height is None or width is None:
        raise ValueError(f"{where}: polygons, expected the image to have height and width, got {height} and {width}")
    for part in parts:
        numbers = isinstance(part, list) and all(isinstance(value, int | float) for value in part)
        if not numbers or len(part) < 6 or len(part) % 2:
            raise ValueError(f"{where}: polygons, expected lists x0, y0, x1, y1, x2, y2, ..., got {short(part)}")
        corners = np.array(part, np.float64).reshape(-1, 2) / (width, height)
        if not (np.abs(corners) <= 2).all():  # pycocotools walks along all edges: far away would take forever
            raise ValueError(f"{where}: polygons, expected pixels of {height} x {width}, got {short(part)}")
    rle = polygons.merge(polygons.frPyObjects(parts, height, width))
    return _fill(_counts(rle["counts"].decode(), where), height, width)


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
