"""Masks that come from elsewhere: people, SAM, a data set's own annotations (backend `import`).

    png          <masks>/<video id>/00000.png, ...: as in DAVIS, one PNG a frame, in the order of their numbers.
                 Greyscale of 0 and 255: one instance. Other greyscale, and palette: each value above 0 is one, but 255
                 in a palette is void. Grey levels of soft edges are refused.
    coco         <masks> is one COCO json, or a list of results beside `images`, see `coco`; or a folder with a json a
                 video, as CVAT exports it, see `cvat`.
    youtube-vis  <masks> is one json of YouTube-VIS, see `youtube_vis`.
    label-studio <masks> is Label Studio's export as JSON, see `label_studio`.
    npz          <masks>/<video id>.npz: masks of SAM 2 or 3, see `npz`.
    jhmdb        <masks>/<video id>/puppet_mask.mat: J-HMDB's puppets, see `puppets`. Last frames without a mask have
                 that of the frame before.

All frames of a video need masks (an empty one, where nothing is). With `sparse: nearest` some are enough: the numbers
in the names say which, from 0 on, and each frame has the masks of the annotated one that is nearest in time.

A video id is the column `video` of index.csv: the video's path without its suffix. Sizes may differ from the frames',
and from PNG to PNG: everything spatial lives in normalised coordinates. Instances without a pixel are left out.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from objabn.segmentation.segmenters import coco, cvat, label_studio, npz, youtube_vis
from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.segmentation.segmenters.placing import place_masks
from objabn.segmentation.segmenters.pngs import pngs_of, read_pngs
from objabn.segmentation.segmenters.puppets import (
    check_scipy,
    puppet_instances,
    puppet_of,
    read_puppets,
    wrong_length,
)
from objabn.segmentation.segmenters.sparse import frame_numbers, nearest
from objabn.system.cache import unit_key
from objabn.system.files import file_digest

FORMATS = ("png", "coco", "youtube-vis", "label-studio", "npz", "jhmdb")


class Annotated(NamedTuple):
    """The annotated frames of a video, in the order of their numbers."""

    where: str  # for messages
    what: str  # what there is one of for each frame
    length: Callable[[], int]
    numbers: Callable[[], Sequence[int]]  # of the video's frames, from 0; raises ValueError where the names have none
    read: Callable[[list[int]], list[Instances]]  # those at these places
    content: Callable[[], Any]  # all that the masks depend on, JSON-serialisable


def build(
    *,
    masks: str,
    format: str = "png",
    class_name: str = "person",
    sparse: str = "none",
    images: str | None = None,
    decode_stride: int = 1,
    **_: Any,
) -> Segmenter:
    """Segmenter that reads a video's masks; of its frames it looks only at how many they are.

    Args:
        masks: the directory of the PNGs, npz files or puppets, or the json.
        format: one of `FORMATS`.
        class_name: of instances that come without a class: those of PNGs, npz files, puppets and annotations without a
            category.
        sparse: none: all frames of a video have masks; nearest: some have, and the others take those of the nearest.
        images: the json that has the images, or videos, of a list of results; None without such a list.
        decode_stride: of the video's frames those with the numbers 0, decode_stride, ... come.

    Raises:
        ValueError: another format, a json that cannot be understood, or puppets without scipy; from the segmenter: a
            video without masks, or with masks of another number of frames, or a file that cannot be understood.
    """
    _check_format(format)
    if format == "jhmdb":
        check_scipy()
        return lambda frames, video: puppet_instances(puppet_of(masks, video), len(frames), decode_stride, class_name)
    find = _finder(format, masks, images, class_name, sparse)

    def segment(frames: np.ndarray, video: str) -> list[Instances]:
        there = find(video)
        wanted, number = np.unique(_places(there, len(frames), decode_stride, sparse), return_inverse=True)
        found = there.read(wanted.tolist())
        return [found[each] for each in number.tolist()]

    return segment


def video_key(
    *, masks: str, format: str = "png", sparse: str = "none", images: str | None = None, **_: Any
) -> Callable[[str], dict[str, Any]]:
    """Function of a video's id: the content of its masks, as JSON-serialisable values.

    Raises:
        ValueError: another format, or a json that cannot be understood; from the function: a video without masks.
    """
    _check_format(format)
    if format == "jhmdb":
        return lambda video: {"masks": [file_digest(puppet_of(masks, video))]}
    find = _finder(format, masks, images, "", sparse)

    def key(video: str) -> dict[str, Any]:
        there = find(video)
        content = {"masks": there.content()}
        return content if sparse == "none" else {**content, "numbers": list(there.numbers())}

    return key


def check_masks(
    lengths: Mapping[str, int | None],
    *,
    masks: str,
    format: str = "png",
    sparse: str = "none",
    images: str | None = None,
    decode_stride: int = 1,
    **_: Any,
) -> None:
    """Look whether masks of some videos are there and of the right number, without decoding all of them.

    Args:
        lengths: how many frames of each video are stored; None: not known.

    Raises:
        ValueError: as from `build` and its segmenter.
    """
    _check_format(format)
    find = None if format == "jhmdb" else _finder(format, masks, images, "", sparse)
    for video, frames in lengths.items():
        if find is None:
            path = puppet_of(masks, video)
            puppets = read_puppets(path)
            if frames and (wrong := wrong_length(puppets, frames, decode_stride)) is not None:
                raise ValueError(f"{path}: {wrong}")
        elif frames:
            _places(find(video), frames, decode_stride, sparse)
        else:
            there = find(video)
            there.length()
            if sparse != "none":
                there.numbers()


def _places(there: Annotated, frames: int, stride: int, sparse: str) -> np.ndarray:
    """Which annotated frame each stored one takes, int64 (frames,). Raises: ValueError when they do not fit."""
    if sparse != "none":
        return nearest(there.numbers(), frames, stride, there.where)
    _check_length(there.where, there.what, there.length(), frames, stride)
    return np.arange(frames) * stride


def _finder(format: str, masks: str, images: str | None, class_name: str, sparse: str) -> Callable[[str], Annotated]:
    """Function of a video's id: its annotated frames. Raises: ValueError as `build`."""
    if format == "png":
        return lambda video: _of_pngs(masks, video, class_name)
    if format == "npz":
        return lambda video: _of_npz(npz.npz_of(masks, video), class_name, sparse)
    find = _images_finder(format, masks, images, sparse)
    return lambda video: _of_images(f"{masks}: video {video}", find(video), class_name)


def _of_pngs(masks: str, video: str, class_name: str) -> Annotated:
    paths, where = pngs_of(masks, video), str(Path(masks) / video)
    return Annotated(
        where,
        "PNGs",
        lambda: len(paths),
        lambda: frame_numbers([path.name for path in paths], where),
        lambda places: read_pngs([paths[place] for place in places], class_name),
        lambda: [file_digest(path) for path in paths],
    )


def _of_npz(path: Path, class_name: str, sparse: str) -> Annotated:
    saved = cache(partial(npz.read, path, sparse != "none"))  # the key of a video needs no more than its digest
    return Annotated(
        str(path),
        "frames",
        lambda: len(saved().masks),
        lambda: saved().numbers.tolist(),
        lambda places: [npz.instances_of(saved(), place, class_name) for place in places],
        lambda: [file_digest(path)],
    )


def _of_images(where: str, images: list[coco.Image], class_name: str) -> Annotated:
    def content() -> str:
        rows = [(one.height, one.width, [annotation[1:] for annotation in one.annotations]) for one in images]
        return unit_key(content=rows)

    names = [image.file_name for image in images]
    return Annotated(
        where,
        "images",
        lambda: len(images),
        partial(frame_numbers, names, where),
        lambda places: [read_image(images[place], class_name) for place in places],
        content,
    )


def _images_finder(format: str, masks: str, images: str | None, sparse: str) -> Callable[[str], list[coco.Image]]:
    """Function of a video's id: the images of a json. Raises: ValueError as `build`."""
    if format == "coco" and Path(masks).is_dir():
        if images is not None:
            expected = "expected a json with a list of results, since segment.images names a json beside it"
            raise ValueError(f"{masks}: {expected}, got a directory; with a json a video images is null")
        drawn = sparse == "none"  # all frames count, else those with an annotation, see `cvat`
        return lambda video: [image for image in cvat.read(masks, video) if image.annotations or drawn]
    if format == "label-studio":
        folders = label_studio.read(masks)
        return lambda video: label_studio.frames_of(folders, masks, video)
    videos = coco.read(masks, images) if format == "coco" else youtube_vis.read(masks, images)
    return lambda video: _images(images or masks, videos, video)


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
        if list(videos) == ["."]:
            example += (
                f"; a json of one video, as CVAT exports it, goes into a folder as {video}.json, and masks names that"
            )
        raise ValueError(
            f"{masks}: expected images of video {video}, named {video}/<frame number>.<ext>, got {example}"
        )
    return videos[video]
