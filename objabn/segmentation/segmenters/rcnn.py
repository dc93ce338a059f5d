"""What the Mask R-CNN backends share: where they run, bf16 arithmetic, and a batch's detections cut into frames.

Shape legend: n detections of all frames of a batch, m side of the mask head's output.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from objabn.segmentation.segmenters.paste import paste_masks
from objabn.stores.masks import GRID
from objabn.system.memory import reuse_freed_memory


def device_of(name: str) -> torch.device:
    """The device of that name, ready for large tensors; auto is CUDA when there is one."""
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    if device.type == "cpu":
        reuse_freed_memory()
    return device


def by_frame(
    masks: Tensor, boxes: Tensor, scores: Tensor, labels: Tensor, names: np.ndarray, counts: Sequence[int]
) -> Iterator[tuple[np.ndarray, ...]]:
    """The fields of each frame's `Instances`: masks pasted onto the grid, scores, classes, boxes.

    Args:
        masks: (n, m, m) float in [0, 1], relative to each box.
        boxes: (n, 4) float, x0, y0, x1, y1 in normalised coordinates; clamped to [0, 1] once the masks are pasted.
        scores: (n,) float32.
        labels: (n,) integer, indices into `names`.
        names: (number of classes,) str.
        counts: detections of each frame, adding up to n.
    """
    pasted = paste_masks(masks, boxes, GRID) >= 0.5  # (n, GRID, GRID)
    # All frames' instances in one transfer, cut apart here: a transfer waits for the device.
    cuts = np.cumsum(counts)[:-1]
    classes = names[labels.cpu().numpy()]
    columns = [pasted.cpu().numpy(), scores.cpu().numpy(), classes, boxes.clamp(0, 1).cpu().numpy()]
    return zip(*(np.split(column, cuts) for column in columns), strict=True)


def check_keys(path: str, model: str, missing: Sequence[str], unexpected: Sequence[str]) -> None:
    """Raises: ValueError unless a checkpoint brought all keys and no others."""
    if missing or unexpected:
        parts = [
            f"{len(keys)} {kind} keys" + (f" (first: {keys[0]})" if keys else "")
            for kind, keys in (("missing", missing), ("unexpected", unexpected))
        ]
        raise ValueError(f"{path}: does not fit {model}: {', '.join(parts)}")


def in_bf16(forward: Callable[..., Any], device_type: str) -> Callable[..., Any]:
    """The same function with bf16 arithmetic inside, which hands over float32.

    For the parts of a detector that only compute features. Autocast around all of it would make coordinates bf16 as
    well: 8 bits for up to 1333 pixels, boxes that are several pixels off.
    """

    def run(*inputs: Any) -> Any:
        with torch.autocast(device_type, dtype=torch.bfloat16):
            outputs = forward(*inputs)
        return _to_float(outputs)

    return run


def _to_float(outputs: Any) -> Any:
    """float32 tensors in the same nest of dictionaries, lists and tuples."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    if isinstance(outputs, dict):
        return {key: _to_float(value) for key, value in outputs.items()}
    return type(outputs)(_to_float(value) for value in outputs)
