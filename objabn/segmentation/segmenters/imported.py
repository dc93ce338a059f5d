"""Masks that come from elsewhere: people, SAM, a data set's own annotations (backend `import`).

    png   <masks>/<video id>/00000.png, ...: as in DAVIS, one PNG a frame, in the order of their numbers. Greyscale of 0
          and 255: one instance. Other greyscale, and palette: each value above 0 is one, but 255 in a palette is void.
          Grey levels of soft edges are refused.
    coco  <masks> is one COCO json, see `coco`.
    jhmdb <masks>/<video id>/puppet_mask.mat: J-HMDB's puppets, see `puppets`. Last frames without a mask have that of
          the frame before.

A video id is the column `video` of index.csv: the video's path without its suffix. Sizes may differ from the frames',
and from PNG to PNG: everything spatial lives in normalised coordinates. Instances without a pixel are left out.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from objabn.segmentation.segmenters import coco
from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.segmentation.segmenters.placing import place_masks
from objabn.segmentation.segmenters.puppets import check_scipy, puppet_instances, puppet_of
from objabn.segmentation.segmenters.soft_edges import FULL, GreyValues
from objabn.system.cache import unit_key
from objabn.system.checkouts import why_absent
from objabn.system.files import file_digest

VOID = 255  # in palette images: neither object nor background
FORMATS = ("png", "coco", "jhmdb")
_NO_MASKS = {".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp"}
_MANY = 64  # instances in one picture
_COLOURS = {"RGB": "colours", "RGBA": "colours and transparency", "LA": "grey and transparency"}  # modes of Pillow


def build(
    *, masks: str, format: str = "png", class_name: str = "person", decode_stride: int = 1, **_: Any
) -> Segmenter:
    """Segmenter that reads a video's masks; of its frames it looks only at how many they are.

    Args:
        masks: the directory of the PNGs or puppets, or the COCO json.
        format: png, coco or jhmdb.
        class_name: of instances that come without a class: those of PNGs, puppets and annotations without a category.
        decode_stride: of the video's frames, which all have masks, those with the numbers 0, decode_stride, ... come.

    Raises:
        ValueError: another format, a json that cannot be understood, or puppets without scipy; from the segmenter: a
            video without masks, or with masks of another number of frames, or a file that cannot be understood.
    """
    _check_format(format)
    videos = coco.read(masks) if format == "coco" else {}
    if format == "jhmdb":
        check_scipy()

    def from_pngs(frames: np.ndarray, video: str) -> list[Instances]:
        paths = pngs_of(masks, video)
        _check_length(str(Path(masks) / video), "PNGs", len(paths), len(frames), decode_stride)
        return read_pngs(paths[::decode_stride], class_name)

    def from_coco(frames: np.ndarray, video: str) -> list[Instances]:
        images = _images(masks, videos, video)
        _check_length(f"{masks}: video {video}", "images", len(images), len(frames), decode_stride)
        return [read_image(image, class_name) for image in images[::decode_stride]]

    def from_puppets(frames: np.ndarray, video: str) -> list[Instances]:
        return puppet_instances(puppet_of(masks, video), len(frames), decode_stride, class_name)

    return {"png": from_pngs, "coco": from_coco, "jhmdb": from_puppets}[format]


def video_key(*, masks: str, format: str = "png", **_: Any) -> Callable[[str], dict[str, Any]]:
    """Function of a video's id: the content of its masks, as JSON-serialisable values.

    Raises:
        ValueError: another format, or a json that cannot be understood; from the function: a video without masks.
    """
    _check_format(format)
    videos = coco.read(masks) if format == "coco" else {}

    def of_pngs(video: str) -> dict[str, Any]:
        return {"masks": [file_digest(path) for path in pngs_of(masks, video)]}

    def of_coco(video: str) -> dict[str, Any]:
        images = _images(masks, videos, video)
        content = [(one.height, one.width, [annotation[1:] for annotation in one.annotations]) for one in images]
        return {"masks": unit_key(content=content)}

    def of_puppets(video: str) -> dict[str, Any]:
        return {"masks": [file_digest(puppet_of(masks, video))]}

    return {"png": of_pngs, "coco": of_coco, "jhmdb": of_puppets}[format]


def read_pngs(paths: Sequence[Path], class_name: str) -> list[Instances]:
    """Instances of a video's PNGs, all in one folder. Raises: ValueError for a file that cannot be understood."""
    found, any_void, grey, widest = [], False, GreyValues(), (0, paths[0].parent if paths else Path())
    for path in paths:
        mode, values = _read_png(path)
        labels = 1 + np.flatnonzero(np.bincount(values.ravel())[1:])
        if mode == "L":  # a palette's values are no levels
            grey.add(values)
            widest = max(widest, (len(labels), path), key=lambda each: each[0])
            if len(labels) > _MANY:  # to be told before all of them are placed
                _check_values(widest[1], grey)
        instances = labels[labels != VOID] if mode == "P" else labels
        found.append(place_masks((values == label, 1.0, class_name) for label in instances))
        any_void |= len(instances) < len(labels)
    _check_values(widest[1], grey)
    if any_void and not any(len(each.scores) for each in found):
        raise ValueError(
            f"{paths[0].parent}: expected instances, got only {VOID}, which is void in a palette image; "
            "save masks of 0 and 255 as greyscale"
        )
    return found


def read_image(image: coco.Image, class_name: str) -> Instances:
    """Instances of an image of a COCO json. Raises: ValueError for a segmentation that does not fit."""
    return place_masks((coco.mask(image, one), one.score, one.name or class_name) for one in image.annotations)


def _check_format(format: str) -> None:
    if format not in FORMATS:
        raise ValueError(f"import format: expected one of {', '.join(FORMATS)}, got {format!r}")


def _check_length(where: str, what: str, got: int, frames: int, stride: int) -> None:
    if -(-got // stride) != frames:
        expected = str(frames) if stride == 1 else f"{(frames - 1) * stride + 1} to {frames * stride}"
        of_video = "" if stride == 1 else f" of the video, of which decode.stride {stride} keeps {frames}"
        raise ValueError(f"{where}: expected {expected} {what}, one a frame{of_video}, got {got}")


def _images(masks: str, videos: dict[str, list[coco.Image]], video: str) -> list[coco.Image]:
    if video not in videos:
        example = next((images[0].file_name for images in videos.values()), "none")
        raise ValueError(
            f"{masks}: expected images of video {video}, named {video}/<frame number>.<ext>, got {example}"
        )
    return videos[video]


def pngs_of(masks: str, video: str) -> list[Path]:
    """The PNGs of a video, in the order of their numbers. Raises: ValueError when there is no folder for them."""
    folder = Path(masks) / video
    if not folder.is_dir():
        raise ValueError(_no_folder(Path(masks), folder, video))
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    paths = [path for path in files if path.suffix.lower() == ".png"]
    other = {path.suffix.lower() for path in files} & _NO_MASKS
    if other and not paths:
        raise ValueError(f"{folder}: expected PNGs, got {sorted(other)[0]} files; save the masks as PNG, without loss")
    return sorted(paths, key=lambda path: coco.by_number(path.name))


def _no_folder(masks: Path, folder: Path, video: str) -> str:
    """What is wrong when a video has no folder of PNGs."""
    if not masks.is_dir():
        got = "a file" if masks.exists() else f"no such directory{why_absent(masks, 'segment.masks')}"
        if masks.is_file():
            got += {".json": "; of a COCO json the format is coco", ".zip": "; unpack it"}.get(masks.suffix.lower(), "")
        return f"{masks}: expected a folder of PNGs a video, got {got}"
    expected = f"expected the PNGs of video {video}, one a frame"
    if folder.exists():
        return f"{folder}: {expected}, got a file"
    there = min((path.name for path in masks.iterdir() if path.is_dir()), default=None)
    beside = f"; {masks} has {there}/" if there else ""
    return f"{folder}: {expected}, got no such directory{beside}"


def _read_png(path: Path) -> tuple[str, np.ndarray]:
    """What a PNG's values are, L: grey, P: entries of a palette, and the values, uint8 or uint16 (H, W).

    Raises:
        ValueError: not a picture, or not one of labels.
    """
    try:
        with Image.open(path) as picture:
            mode, values = picture.mode, np.asarray(picture)
    except Exception as error:  # Pillow raises half a dozen types for a file that is not a picture
        raise ValueError(f"{path}: expected a PNG, got a file that cannot be read ({type(error).__name__})") from error
    if mode == "RGB" and (values == values[..., :1]).all():
        mode, values = "L", values[..., 0]
    if mode not in ("1", "L", "P", "I;16", "I"):
        raise ValueError(
            f"{path}: expected greyscale or a palette, got {_COLOURS.get(mode, mode)}; save 0 and 255, or 0 and a "
            "value for each instance"
        )
    if mode == "1":  # black and white
        values = values * np.uint8(FULL)
    return ("P" if mode == "P" else "L"), values.astype(np.uint16 if mode.startswith("I") else np.uint8)


def _check_values(path: Path, grey: GreyValues) -> None:
    """Raises: ValueError when a video's grey values are no ids; `path` is where most of them are."""
    some = grey.values().tolist()
    shown = ", ".join(map(str, some if len(some) <= 6 else [*some[:4], "...", some[-1]]))
    if grey.has_soft_edges():
        raise ValueError(
            f"{path}: expected 0 and 255, or 0 and a value for each instance, got grey levels of soft edges ({shown} "
            "in its video); make each pixel 0 or 255 (255 from half of the highest level on), or if these are "
            "instances, save them as palette images"
        )
    if grey.is_full_unclear():
        raise ValueError(
            f"{path}: expected greyscale of 0 and 255, or of labels below 255, got {shown} in its video: is 255 an "
            "instance or void? Give an instance another value; save void as 0"
        )
