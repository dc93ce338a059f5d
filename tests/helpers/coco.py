"""COCO files of a few instances."""

import copy
from typing import Any

import numpy as np
from pycocotools import mask as cocotools

VIDEO = "walk/a"
LABELS = np.zeros((4, 8), np.uint8)  # 32 x 16 cells of the grid a pixel
LABELS[:2, :4], LABELS[2:, 6:] = 1, 7


def compressed(mask: np.ndarray) -> dict[str, Any]:
    rle = cocotools.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode()}


RLE = compressed(LABELS == 1)


def document(segmentation: Any, num_frames: int = 1) -> dict[str, Any]:
    """One instance, a dog of score 0.5, in the first frame of `walk/a`."""
    height, width = LABELS.shape
    return {
        "images": [
            {"id": 10 + number, "file_name": f"{VIDEO}/{number}.jpg", "height": height, "width": width}
            for number in range(num_frames)
        ],
        "annotations": [{"id": 5, "image_id": 10, "category_id": 3, "score": 0.5, "segmentation": segmentation}],
        "categories": [{"id": 1, "name": "Person"}, {"id": 3, "name": "dog"}],
    }


def edited(*path: Any, value: Any) -> dict[str, Any]:
    """The document with one value set, or with `...` removed."""
    content = copy.deepcopy(document(RLE))
    *parents, last = path
    block: Any = content
    for key in parents:
        block = block[key]
    if value is ...:
        del block[last]
    else:
        block[last] = value
    return content
