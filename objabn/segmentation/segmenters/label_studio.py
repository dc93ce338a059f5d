"""Label Studio's export as JSON: a task a frame, masks by brush, polygon or rectangle.

    [{"data": {"image": "/data/local-files/?d=frames/walk/a/00012.png"},
      "annotations": [{"result": [{"type": "brushlabels", "original_height": 240, "original_width": 320,
                                   "value": {"format": "rle", "rle": [0, 4, ...], "brushlabels": ["person"]}}]}]}, ...]

The image's address ends in <video id>/<frame number>.<ext>; where it does not (files that were uploaded lose their
folders), the task's data say it: "video": the id, "frame": the number. A task without annotation is a frame that nobody
annotated; an annotation without a result is a frame without instances. Cancelled annotations do not count, and of
several the one that is marked as ground truth does.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from objabn.segmentation.segmenters import coco
from objabn.segmentation.segmenters.brush import Brush
from objabn.system.files import file_digest

WHAT = "Label Studio's export as JSON"  # in messages
_LABELS = ("brushlabels", "polygonlabels", "rectanglelabels", "labels")
_RECTANGLE = {"x", "y", "width", "height"}
_NO_MASKS = {"choices", "rating", "textarea", "number", "labels", "pairwise", "taxonomy", "relation", "datetime",
             "keypoint", "keypointlabels"}  # types of results, some of them without a place  # fmt: skip
_MOST_PIXELS = 1 << 28


def read(path: str) -> dict[str, list[coco.Image]]:
    """The annotated frames of each folder in the images' addresses, in the order of their numbers; parsed once.

    Raises:
        ValueError: no such file, not JSON, not Label Studio's, or something in it that cannot be understood.
    """
    coco.check_file(path, WHAT)
    return _parse(path, file_digest(path))


def frames_of(folders: Mapping[str, list[coco.Image]], path: str, video: str) -> list[coco.Image]:
    """The annotated frames of a video: of the folder with its id, or of the only one that ends in it.

    Raises:
        ValueError: there is no such folder, or more than one.
    """
    found = [video] if video in folders else [each for each in folders if each.endswith(f"/{video}")]
    if len(found) != 1:
        got = found[1] if found else next((images[0].file_name for images in folders.values()), "no annotated task")
        expected = f"expected images of video {video}, at .../{video}/<frame number>.<ext> or with `video` in the data"
        raise ValueError(f"{path}: {expected}, got {f'{found[0]} and ' if found else ''}{got}")
    return folders[found[0]]


@lru_cache(maxsize=1)
def _parse(path: str, _digest: str) -> dict[str, list[coco.Image]]:  # the digest: a file that changed is parsed again
    content = coco.load(path, WHAT)
    is_tasks = isinstance(content, list) and all(isinstance(task, dict) for task in content)
    if not is_tasks or not all("data" in task and "annotations" in task for task in content):
        got = "tasks without data and annotations (JSON-MIN?)" if is_tasks else f"a {type(content).__name__}"
        raise ValueError(f"{path}: expected {WHAT}, a list of tasks with data and annotations, got {got}")
    folders: dict[str, list[coco.Image]] = {}
    for number, task in enumerate(content):
        where = f"{path}: task {task.get('id', f'[{number}]')}"
        results = _results(where, task["annotations"])
        if results is not None:
            image = _image(where, _name(where, task["data"]), results)
            folders.setdefault(PurePosixPath(image.file_name).parent.as_posix(), []).append(image)
    for folder, images in folders.items():
        images.sort(key=_frame)
        for one, other in pairwise(images):
            if _frame(one) == _frame(other):
                got = " and ".join(PurePosixPath(image.file_name).name for image in (one, other))
                raise ValueError(f"{path}: images of {folder}, expected one task a frame, got {got}")
    return folders


def _frame(image: coco.Image) -> list[str | int]:
    """Which frame an image is: 1.png and 00001.jpg are the same."""
    return coco.by_number(PurePosixPath(image.file_name).stem)


def _results(where: str, annotations: Any) -> list[Any] | None:
    """What people drew in a task; None where nobody has annotated it. Raises: ValueError for more than one answer."""
    given = annotations if isinstance(annotations, list) else []
    if not all(isinstance(one, dict) and isinstance(one.get("result"), list) for one in given):
        raise ValueError(f"{where}: annotations, expected a list with a result each, got {coco.short(annotations)}")
    valid = [one for one in given if not one.get("was_cancelled")]
    chosen = [one for one in valid if one.get("ground_truth")] or valid
    if len(chosen) > 1:
        raise ValueError(f"{where}: annotations, expected one, or one marked as ground truth, got {len(chosen)}")
    return chosen[0]["result"] if chosen else None


def _name(where: str, data: Any) -> str:
    """<video id>/<frame number> of a task, or the path in its image's address. Raises: ValueError without either."""
    values = data if isinstance(data, dict) else {}
    video, frame = values.get("video"), values.get("frame")
    if isinstance(video, str) and type(frame) is int and frame >= 0:
        return f"{video}/{frame}.png"
    address = values.get("image") or next((each for each in values.values() if _is_picture(each)), None)
    if not isinstance(address, str):
        raise ValueError(f"{where}: data, expected the address of an image, or video and frame, got {coco.short(data)}")
    before, _, query = address.partition("?")
    path = re.search(r"(?:^|&)d=([^&]*)", query)  # of files that the server reads itself
    name = unquote(path[1] if path else before)
    return re.sub(r"^[a-z0-9]+://[^/]*", "", name).replace("\\", "/").lstrip("/")


def _is_picture(value: Any) -> bool:
    return isinstance(value, str) and re.search(r"\.(png|jpe?g|webp|bmp|tiff?)$", value, re.IGNORECASE) is not None


def _image(where: str, name: str, results: list[Any]) -> coco.Image:
    """A frame and what is drawn in it. Raises: ValueError for what cannot be understood."""
    regions, beside = [], dict[Any, str]()
    for number, one in enumerate(results):
        here = f"{where}: result {one.get('id', f'[{number}]') if isinstance(one, dict) else f'[{number}]'}"
        value = one.get("value") if isinstance(one, dict) else None
        is_mask = not isinstance(one, dict) or one.get("type") not in _NO_MASKS
        if is_mask and not isinstance(value, dict):
            raise ValueError(f"{here}: expected type and value, got {coco.short(one)}")
        if isinstance(value, dict) and (label := _label(value)):
            beside[one.get("id")] = label
        if is_mask:
            regions.append((here, one))
    image = coco.Image(name, None, None, [])
    for here, one in regions:
        height, width = _size(here, one)
        image = image._replace(height=height, width=width)
        label = _label(one["value"]) or (beside.get(one["id"]) if "id" in one else None)
        image.annotations.append(coco.Annotation(here, label, 1.0, _shape(here, one, height, width)))
    return image


def _label(value: dict[str, Any]) -> str | None:
    """The label of a region, in lower case; the first of several; None without."""
    given = next((value[kind] for kind in _LABELS if isinstance(value.get(kind), list) and value[kind]), [None])
    return None if given[0] is None else str(given[0]).lower()


def _size(where: str, region: dict[str, Any]) -> tuple[int, int]:
    """Height and width of a region's image, pixels. Raises: ValueError where they are not there, or it was turned."""
    height, width = (region.get(name) for name in ("original_height", "original_width"))
    if not (type(height) is int and type(width) is int and height > 0 and width > 0 and height * width < _MOST_PIXELS):
        got = f"{height!r} and {width!r}"
        raise ValueError(f"{where}: original_height and original_width, expected pixels, got {got}")
    if region.get("image_rotation"):
        raise ValueError(f"{where}: image_rotation, expected 0, got {region['image_rotation']!r}")
    return height, width


def _shape(where: str, region: dict[str, Any], height: int, width: int) -> Brush | list[list[float]]:
    """A region as `coco.mask` takes it: corners in pixels, or a brush. Raises: ValueError for another kind."""
    value = region["value"]
    if "rle" in value:
        rle = value["rle"]
        if not isinstance(rle, list) or not all(type(byte) is int and 0 <= byte < 256 for byte in rle):
            raise ValueError(f"{where}: rle, expected a list of bytes, got {coco.short(rle)}")
        return Brush(height, width, bytes(rle).hex())
    corners = value.get("points")
    if corners is None and set(value) >= _RECTANGLE and not value.get("rotation"):
        x, y, across, down = (value[name] for name in ("x", "y", "width", "height"))
        if all(isinstance(each, int | float) for each in (x, y, across, down)):
            corners = [[x, y], [x + across, y], [x + across, y + down], [x, y + down]]
    pairs = isinstance(corners, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in corners)
    if not pairs or not all(isinstance(each, int | float) for pair in corners for each in pair):
        got = f"{region.get('type')} of {', '.join(value)}" + (" turned" if value.get("rotation") else "")
        raise ValueError(f"{where}: expected a brush, a polygon or a rectangle that is not turned, got {got}")
    return [[each * side / 100 for pair in corners for each, side in zip(pair, (width, height), strict=True)]]
