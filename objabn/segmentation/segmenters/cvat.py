"""CVAT's export as COCO, a json a video: <masks>/<video id>.json, or the unpacked archive in <masks>/<video id>/.

Images are named frame_000000.PNG and so on, and all frames of the video are listed, whether or not anybody has looked
at them. So where only some frames are annotated, those without an annotation are taken for not annotated.
"""

from pathlib import Path

from objabn.segmentation.segmenters import coco
from objabn.system.checkouts import why_absent

PLACES = ("{}.json", "{}/annotations/instances_default.json", "{}/instances_default.json")


def json_of(masks: str, video: str) -> Path:
    """The json of a video. Raises: ValueError where there is none."""
    for place in PLACES:
        path = Path(masks) / place.format(video)
        if path.is_file():
            return path
    expected = f"expected the COCO json of video {video}, {PLACES[0].format(video)} or {PLACES[1].format(video)}"
    got = "neither" if Path(masks).is_dir() else f"no such file or directory{why_absent(masks, 'segment.masks')}"
    raise ValueError(f"{masks}: {expected}, got {got}")


def read(masks: str, video: str) -> list[coco.Image]:
    """All images of a video's json, in the order of their numbers. Raises: ValueError as `json_of` and `coco.read`."""
    videos = coco.read(str(json_of(masks, video)))
    return sorted((image for images in videos.values() for image in images), key=_number)


def _number(image: coco.Image) -> list[str | int]:
    return coco.by_number(Path(image.file_name).name)
