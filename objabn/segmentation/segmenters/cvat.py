"""CVAT's export as COCO, a json a video: <masks>/<video id>.json, or the unpacked archive in <masks>/<video id>/.

The archive has annotations/instances_<subset>.json: `default`, unless the task belongs to another subset.

Images are named frame_000000.PNG and so on, and all frames of the video are listed, whether or not anybody has looked
at them. So where only some frames are annotated, those without an annotation are taken for not annotated.
"""

from pathlib import Path

from objabn.segmentation.segmenters import coco
from objabn.system.checkouts import why_absent

_NAMES = "instances_*.json"  # in the unpacked archive


def json_of(masks: str, video: str) -> Path:
    """The json of a video. Raises: ValueError where there is none, or more than one."""
    path, folder = Path(masks) / f"{video}.json", Path(masks) / video
    if path.is_file():
        return path
    found = sorted(each for place in (folder / "annotations", folder) for each in place.glob(_NAMES))
    if len(found) == 1:
        return found[0]
    expected = f"expected the COCO json of video {video}, {video}.json or {video}/annotations/instances_<subset>.json"
    if found:
        got = " and ".join(each.relative_to(masks).as_posix() for each in found[:2])
    elif Path(masks).is_dir():
        other = sorted(each.relative_to(masks).as_posix() for each in folder.glob("annotations/*"))
        got = other[0] if other else "neither"
    else:
        got = f"no such file or directory{why_absent(masks, 'segment.masks')}"
    raise ValueError(f"{masks}: {expected}, got {got}")


def read(masks: str, video: str) -> list[coco.Image]:
    """All images of a video's json, in the order of their numbers.

    Raises:
        ValueError: as `json_of` and `coco.read`, or the images lie in more than one folder, as those of several videos.
    """
    path = json_of(masks, video)
    folders = coco.read(str(path))
    if len(folders) > 1:
        first, second, *_ = (images[0].file_name for images in folders.values())
        raise ValueError(f"{path}: expected images of video {video} alone, in one folder, got {first} and {second}")
    return next(iter(folders.values()), [])
