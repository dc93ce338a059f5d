"""Masks of SAM 2 and 3 as people save them with numpy: <masks>/<video id>.npz.

    masks    bool (frames, objects, h, w), or whole numbers: 0 and one other value; or of one object, bool (frames,
             h, w); or whole numbers (frames, h, w), each value above 0 being an object
    scores   floats in [0, 1], (objects,) or (frames, objects); else 1
    obj_ids  whole numbers (objects,): the value of each object, where masks are values; else the values as they rise
    frames   whole numbers (frames,): which of the video's frames these are, rising from 0; else all. Not all of
             them: `sparse: nearest`

`masks` may have SAM's axis of one between objects and h. Logits are refused: save `masks > 0`. So are
levels of grey where values of objects are expected, as in PNGs, unless `obj_ids` names them.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from objabn.segmentation.segmenters.instances import Instances
from objabn.segmentation.segmenters.placing import place_masks
from objabn.segmentation.segmenters.soft_edges import GreyValues
from objabn.system.checkouts import why_absent

_MANY = 256  # objects in one picture of values: those of probabilities are more
_MOST = np.iinfo(np.uint16).max  # value of which it can be told whether it is a level of grey


class Saved(NamedTuple):
    """The masks of a video."""

    where: str  # for messages
    masks: np.ndarray  # (frames, objects, h, w), or values (frames, h, w)
    scores: np.ndarray  # float64 (frames, objects)
    obj_ids: np.ndarray  # (objects,): the value of each object, where masks are values
    numbers: np.ndarray  # int64 (frames,): of the video's frames


def npz_of(masks: str, video: str) -> Path:
    """The file of a video. Raises: ValueError where there is none."""
    path = Path(masks) / f"{video}.npz"
    if not path.is_file():
        got = "no such file" if Path(masks).is_dir() else f"no directory {masks}{why_absent(masks, 'segment.masks')}"
        raise ValueError(f"{path}: expected the masks of video {video}, got {got}")
    return path


def read(path: Path, is_sparse: bool) -> Saved:
    """Read the masks of a video.

    Args:
        is_sparse: whether some of the video's frames are enough.

    Raises:
        ValueError: a file that is none, or whose arrays do not fit together.
    """
    try:
        with np.load(path) as content:
            names = set(content.files)
            found = {name: content[name] for name in ("masks", "scores", "obj_ids", "frames") if name in names}
    except Exception as error:  # numpy and zipfile raise half a dozen types; a single array is no archive
        got = f"one that cannot be read ({type(error).__name__})"
        raise ValueError(f"{path}: expected an npz of numpy with masks, got {got}") from error
    if "masks" not in found:
        raise ValueError(f"{path}: expected the array masks, got {', '.join(sorted(names)) or 'none'}")
    masks = found["masks"]
    if masks.ndim == 5 and masks.shape[2] == 1:
        masks = masks[:, :, 0]
    if masks.dtype.kind not in "bui" or masks.ndim not in (3, 4) or 0 in (masks.shape[0], *masks.shape[-2:]):
        expected = "expected bool or whole numbers (frames, objects, h, w) or (frames, h, w)"
        logits = "; save masks > 0" if masks.dtype.kind == "f" else ""
        raise ValueError(f"{path}: masks, {expected}, got {masks.dtype} {masks.shape}{logits}")
    if masks.dtype == bool and masks.ndim == 3:
        masks = masks[:, None]
    if masks.ndim == 4 and masks.dtype != bool and not ((masks == 0) | (masks == masks.max(initial=0))).all():
        got = f"{masks.min()} to {masks.max()}; save masks > 0"
        raise ValueError(f"{path}: masks, expected 0 and one other value in (frames, objects, h, w), got {got}")
    obj_ids = _obj_ids(path, found.get("obj_ids"), masks)
    numbers = _numbers(path, found.get("frames"), len(masks), is_sparse)
    return Saved(str(path), masks, _scores(path, found.get("scores"), len(masks), len(obj_ids)), obj_ids, numbers)


def _obj_ids(path: Path, given: np.ndarray | None, masks: np.ndarray) -> np.ndarray:
    """Raises: ValueError when they are not as many as there are objects, or not all values have one."""
    if masks.ndim == 4:
        number = masks.shape[1]
        if given is not None and given.shape != (number,):
            raise ValueError(f"{path}: obj_ids, expected {number}, one an object, got {given.shape}")
        return np.arange(number) if given is None else given
    values = np.unique(masks)
    values = values[values > 0]
    if given is None:
        _check_values(path, masks, len(values))
        return values
    if given.ndim != 1 or given.dtype.kind not in "ui" or not set(values.tolist()) <= set(given.tolist()):
        raise ValueError(f"{path}: obj_ids, expected the values of masks ({values.tolist()}), got {given.tolist()}")
    return given


def _check_values(path: Path, masks: np.ndarray, number: int) -> None:
    """Raises: ValueError when the values of masks (frames, h, w), so many above 0, are no ids but levels of grey."""
    save = "save bool, or name the objects' values in obj_ids"
    if number > _MANY:
        expected = f"expected at most {_MANY} values above 0, one an object"
        raise ValueError(f"{path}: masks, {expected}, got {number}; {save}")
    grey = GreyValues()
    if (most := masks.max()) <= _MOST:
        for values in masks:
            grey.add(values.clip(0).astype(np.uint16))
    if grey.has_soft_edges() or grey.is_full_unclear():
        got = "levels of soft edges" if grey.has_soft_edges() else "255 beside others, maybe void"
        raise ValueError(f"{path}: masks, expected a value for each object, got {got} ({number} up to {most}); {save}")


def _scores(path: Path, given: np.ndarray | None, frames: int, objects: int) -> np.ndarray:
    """Raises: ValueError for another shape, or scores outside [0, 1]."""
    scores = np.ones(objects) if given is None else given
    if scores.shape not in ((objects,), (frames, objects)):
        expected = f"expected ({objects},) or ({frames}, {objects}), objects or frames and objects"
        raise ValueError(f"{path}: scores, {expected}, got {scores.shape}")
    if scores.dtype.kind not in "fui" or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(f"{path}: scores, expected numbers in [0, 1], got {scores.dtype}, {_range(scores)}")
    return np.broadcast_to(scores.astype(np.float64), (frames, objects))


def _range(values: np.ndarray) -> str:
    return f"{values.min()} to {values.max()}" if values.dtype.kind in "fui" and values.size else "none"


def _numbers(path: Path, given: np.ndarray | None, frames: int, is_sparse: bool) -> np.ndarray:
    """Raises: ValueError unless they are rising whole numbers from 0 on, one a frame; all of them, unless sparse."""
    numbers = np.arange(frames) if given is None else given
    if numbers.shape != (frames,) or numbers.dtype.kind not in "ui" or (np.diff(numbers.astype(np.int64)) <= 0).any():
        raise ValueError(f"{path}: frames, expected {frames} rising numbers, got {numbers.dtype} {numbers.shape}")
    if numbers[0] < 0:
        raise ValueError(f"{path}: frames, expected numbers from 0 on, got {numbers[0]}")
    if not is_sparse and numbers[-1] >= frames:
        got = f"some up to {numbers[-1]}; `sparse: nearest` takes them"
        raise ValueError(
            f"{path}: frames, expected 0 to {frames - 1}, since `sparse: none` wants all frames, got {got}"
        )
    return numbers.astype(np.int64)


def instances_of(saved: Saved, place: int, class_name: str) -> Instances:
    """Instances of one of the saved frames."""
    masks, scores = saved.masks[place], saved.scores[place].tolist()
    found = [masks == value for value in saved.obj_ids] if masks.ndim == 2 else masks > 0
    return place_masks((mask, score, class_name) for mask, score in zip(found, scores, strict=True))
