"""The masks of one video as the files of other tools, in their own formats.

`labels` are uint8 (frames, h, w): 0 background, 1 and 2 two objects.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.helpers.coco import compressed

NAMES = {1: "person", 2: "dog"}  # classes of the objects, where a format has any
CATEGORIES = [{"id": number, "name": name, "supercategory": ""} for number, name in NAMES.items()]


def runs(mask: np.ndarray) -> dict[str, Any]:
    """RLE that is not compressed, as CVAT and YouTube-VIS write it."""
    flat = np.concatenate([[0], mask.T.ravel().astype(np.int8)])
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)), [mask.size]])
    return {"counts": np.diff(edges).tolist(), "size": list(mask.shape)}


def box(mask: np.ndarray) -> list[float]:
    y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [float(x[0]), float(y[0]), float(x[-1] - x[0] + 1), float(y[-1] - y[0] + 1)]


def brush(mask: np.ndarray, literal: bool = False) -> list[int]:
    """Label Studio's RLE of a mask: that of the RGBA picture with 255 in all four values of its pixels.

    Args:
        literal: the picture has a colour, so that values differ within a pixel and are written one by one.
    """
    rgba = np.repeat(mask.astype(np.uint8)[..., None] * 255, 4, axis=2)
    if literal:
        rgba[..., :3] = (31, 119, 180)
    values, sizes = rgba.ravel(), (3, 4, 8, 16)
    bits = f"{values.size:032b}{8 - 1:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    if literal:
        for first in range(0, values.size, 1 << 16):
            block = values[first : first + (1 << 16)]
            bits += f"011{len(block) - 1:016b}" + "".join(f"{value:08b}" for value in block)
    ends = [] if literal else [*(np.flatnonzero(np.diff(values.astype(int))) + 1).tolist(), values.size]
    start = 0
    for end in ends:
        while start < end:
            length = min(end - start, 1 << 16)
            kind = next(number for number, size in enumerate(sizes) if length <= 1 << size)
            bits += f"1{kind:02b}{length - 1:0{sizes[kind]}b}{values[start]:08b}"
            start += length
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_pngs(folder: Path, video: str, labels: np.ndarray) -> dict[str, Any]:
    for number, values in enumerate(labels):
        path = folder / "png" / video / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)
    return {"masks": str(folder / "png"), "format": "png"}


def coco(video: str, labels: np.ndarray, rle: Callable = compressed, name: str = "{video}/{number:05d}.jpg") -> dict:
    """COCO's json of instances."""
    height, width = labels.shape[1:]
    content: dict[str, Any] = {"licenses": [], "info": {}, "categories": CATEGORIES, "images": [], "annotations": []}
    for number, values in enumerate(labels):
        file_name = name.format(video=video, number=number)
        image = {"id": number + 1, "width": width, "height": height, "file_name": file_name, "license": 0}
        content["images"].append(image)
        for label in np.unique(values[values > 0]).tolist():
            mask = values == label
            content["annotations"].append({
                "id": len(content["annotations"]) + 1, "image_id": number + 1, "category_id": label,
                "segmentation": rle(mask), "area": float(mask.sum()), "bbox": box(mask), "iscrowd": 1,
            })  # fmt: skip
    return content


def write_coco(folder: Path, video: str, labels: np.ndarray) -> dict[str, Any]:
    return {"masks": str(write(folder / "coco.json", coco(video, labels))), "format": "coco"}


def write_results(folder: Path, video: str, labels: np.ndarray) -> dict[str, Any]:
    """A list of results as COCO's evaluation takes it, beside the json of images and categories."""
    content = coco(video, labels)
    names = ("image_id", "category_id", "segmentation")
    results = [{name: one[name] for name in names} | {"score": 0.5} for one in content["annotations"]]
    images = write(folder / "instances.json", {name: content[name] for name in ("images", "categories")})
    return {"masks": str(write(folder / "results.json", results)), "format": "coco", "images": str(images)}


def write_cvat(folder: Path, video: str, labels: np.ndarray, place: str = "{}.json") -> dict[str, Any]:
    """CVAT's export as COCO 1.0 of a task of one video: tracks have attributes, RLE is not compressed."""
    content = coco(video, labels, runs, "frame_{number:06d}.PNG")
    for one in content["annotations"]:
        one["attributes"] = {"occluded": False, "track_id": one["category_id"] - 1, "keyframe": True}
    write(folder / "cvat" / place.format(video), content)
    return {"masks": str(folder / "cvat"), "format": "coco"}


def write_cvat_unpacked(folder: Path, video: str, labels: np.ndarray) -> dict[str, Any]:
    return write_cvat(folder, video, labels, "{}/annotations/instances_default.json")


def youtube_vis(video: str, labels: np.ndarray, rle: Callable = runs) -> dict[str, Any]:
    """YouTube-VIS's json: a track an object, null where it is not in the frame."""
    frames, height, width = labels.shape
    shape = {"width": width, "height": height, "length": frames}
    names = [f"{video}/{number:05d}.jpg" for number in range(frames)]
    content: dict[str, Any] = {"info": {}, "licenses": [], "categories": CATEGORIES, "annotations": []}
    content["videos"] = [{"id": 7, "file_names": names, **shape, "license": 1, "coco_url": "", "flickr_url": ""}]
    for label in np.unique(labels[labels > 0]).tolist():
        masks = [values == label if (values == label).any() else None for values in labels]
        content["annotations"].append({
            "id": label, "video_id": 7, "category_id": label, "iscrowd": 0, **shape,
            "segmentations": [None if mask is None else rle(mask) for mask in masks],
            "bboxes": [None if mask is None else box(mask) for mask in masks],
            "areas": [None if mask is None else int(mask.sum()) for mask in masks],
        })  # fmt: skip
    return content


def joined(videos: dict[str, np.ndarray]) -> dict[str, Any]:
    """YouTube-VIS's json of several videos."""
    parts = [youtube_vis(video, labels) for video, labels in videos.items()]
    for number, part in enumerate(parts):
        for one in part["annotations"]:
            one["video_id"] = number
        part["videos"][0]["id"] = number
    content = {name: [each for part in parts for each in part[name]] for name in ("videos", "annotations")}
    return content | {"categories": CATEGORIES}


def write_youtube_vis(folder: Path, video: str, labels: np.ndarray) -> dict[str, Any]:
    return {"masks": str(write(folder / "youtube.json", youtube_vis(video, labels))), "format": "youtube-vis"}


def write_youtube_vis_results(folder: Path, video: str, labels: np.ndarray) -> dict[str, Any]:
    content = youtube_vis(video, labels, compressed)
    names = ("video_id", "category_id", "segmentations")
    results = [{name: one[name] for name in names} | {"score": 0.5} for one in content["annotations"]]
    images = write(folder / "videos.json", {name: content[name] for name in ("videos", "categories")})
    return {"masks": str(write(folder / "tracks.json", results)), "format": "youtube-vis", "images": str(images)}


def region(mask: np.ndarray, label: str, *, literal: bool = False) -> dict[str, Any]:
    """A region that was painted in Label Studio."""
    height, width = mask.shape
    return {
        "id": f"r{label}", "type": "brushlabels", "from_name": "tag", "to_name": "image", "origin": "manual",
        "original_width": width, "original_height": height, "image_rotation": 0,
        "value": {"format": "rle", "rle": brush(mask, literal), "brushlabels": [label]},
    }  # fmt: skip


def task(number: int, address: str, result: list[dict[str, Any]]) -> dict[str, Any]:
    annotation = {"id": 50 + number, "completed_by": 1, "result": result, "was_cancelled": False, "ground_truth": False}
    return {"id": number, "data": {"image": address}, "annotations": [annotation], "predictions": [], "project": 3}


def label_studio(video: str, labels: np.ndarray, *, literal: bool = False) -> list[dict[str, Any]]:
    tasks = []
    for number, values in enumerate(labels):
        there = np.unique(values[values > 0]).tolist()
        regions = [region(values == label, NAMES[label].title(), literal=literal) for label in there]
        tasks.append(task(number, f"/data/local-files/?d=my%20frames/{video}/{number:05d}.png", regions))
    return tasks


def write_label_studio(folder: Path, video: str, labels: np.ndarray) -> dict[str, Any]:
    return {"masks": str(write(folder / "studio.json", label_studio(video, labels))), "format": "label-studio"}


def write_painted(folder: Path, video: str, labels: np.ndarray) -> dict[str, Any]:
    tasks = label_studio(video, labels, literal=True)
    return {"masks": str(write(folder / "painted.json", tasks)), "format": "label-studio"}


def write_npz(folder: Path, video: str, **arrays: np.ndarray) -> dict[str, Any]:
    path = folder / "npz" / f"{video}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return {"masks": str(folder / "npz"), "format": "npz"}


def write_sam(folder: Path, video: str, labels: np.ndarray) -> dict[str, Any]:
    """Masks of two objects as SAM 2's video predictor has them: an axis of one before the rows."""
    masks = np.stack([labels == 1, labels == 2], axis=1)
    return write_npz(folder, video, masks=masks[:, :, None], obj_ids=np.array([1, 2]), scores=np.array([0.5, 0.75]))


def write_values(folder: Path, video: str, labels: np.ndarray) -> dict[str, Any]:
    return write_npz(folder, video, masks=labels.astype(np.int32))


WRITERS = [write_coco, write_results, write_cvat, write_cvat_unpacked, write_youtube_vis, write_youtube_vis_results,
           write_label_studio, write_painted, write_sam, write_values]  # fmt: skip
