"""Masks as PNGs, one a frame of a video: greyscale of 0 and 255, or a value for each instance, or palette images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from objabn.segmentation.segmenters import coco
from objabn.segmentation.segmenters.instances import Instances
from objabn.segmentation.segmenters.placing import place_masks
from objabn.segmentation.segmenters.soft_edges import FULL, GreyValues
from objabn.system.checkouts import why_absent

VOID = 255  # in palette images: neither object nor background
_NO_MASKS = {".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp"}
_MANY = 64  # instances in one picture
_COLOURS = {"RGB": "colours", "RGBA": "colours and transparency", "LA": "grey and transparency"}  # modes of Pillow


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
