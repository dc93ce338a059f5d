"""What the Mask R-CNN backends share: where they run, bf16 arithmetic, and a batch's detections cut into frames.

On a GPU the score planes are drawn there, and of each frame's masks nothing else leaves it: 33 kB a frame instead of
16 kB an instance, and no drawing on the host, where one interpreter lock also serves reading and packing.

Shape legend: n detections of all frames of a batch, m side of the mask head's output.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from objabn.segmentation.segmenters.instances import Instances
from objabn.segmentation.segmenters.paste import paste_masks
from objabn.stores.masks import GRID, GROUPS
from objabn.system.cuda import refuse_unusable_gpu
from objabn.system.memory import reuse_freed_memory


def device_of(name: str) -> torch.device:
    """The device of that name, ready for large tensors; auto is CUDA when there is one.

    Raises:
        ValueError: auto, and there is a GPU that torch cannot use.
    """
    if name == "auto":
        refuse_unusable_gpu("segment.backend")
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cpu":
        reuse_freed_memory()
    else:
        # cuDNN would try out all its kernels for each new shape, and a batch has as many masks as it has instances.
        torch.backends.cudnn.benchmark = False
    return device


def upload(frames: np.ndarray, device: torch.device) -> Tensor:
    """Frames uint8 (B, H, W, 3) as a tensor (B, 3, H, W) on a device.

    A GPU takes them from pinned memory, so that the host need not wait.
    """
    # A copy in any case: torch takes neither read-only memory (a store's) nor negative strides without complaint.
    copied = torch.empty(frames.shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    copied.numpy()[...] = frames
    return copied.to(device, non_blocking=True).permute(0, 3, 1, 2)


def in_channels_last(network: nn.Module, backbone: nn.Module) -> None:
    """Make a network's convolutions run in the memory format that tensor cores take, without a conversion at each."""
    network.to(memory_format=torch.channels_last)
    backbone.register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(memory_format=torch.channels_last),))


@contextmanager
def batch_that_fits(
    batch_size: int, short_edge: int, keys: str = "segment.batch_size, segment.short_edge"
) -> Iterator[None]:
    """Say in a line what to change, `keys`, when a device's memory does not hold a batch. Raises: ValueError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        first = str(error).partition(". ")[0]  # torch goes on with its allocator's settings
        now = f"{batch_size} frames with a short edge of {short_edge} pixels"
        raise ValueError(f"{keys}: expected a batch that fits on the GPU, got {now} ({first})") from error


def by_frame(
    masks: Tensor,
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    names: np.ndarray,
    counts: Sequence[int],
    *,
    draws: bool = False,
) -> list[Instances]:
    """The instances of each frame, their masks pasted onto the grid.

    Args:
        masks: (n, m, m) float in [0, 1], relative to each box.
        boxes: (n, 4) float, x0, y0, x1, y1 in normalised coordinates; clamped to [0, 1] once the masks are pasted.
        scores: (n,) float32.
        labels: (n,) integer, indices into `names`.
        names: (number of classes,) str.
        counts: detections of each frame, adding up to n.
        draws: draws the score planes on the device; the masks stay there.
    """
    pasted = paste_masks(masks, boxes, GRID) >= 0.5  # (n, GRID, GRID)
    return cut_frames(pasted, boxes, scores, labels, names, counts, draws=draws)


def cut_frames(
    pasted: Tensor,
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    names: np.ndarray,
    counts: Sequence[int],
    *,
    draws: bool = False,
) -> list[Instances]:
    """The instances of each frame, from masks on the grid, bool (n, GRID, GRID); other arguments as for `by_frame`."""
    if draws:
        person = next(iter(np.flatnonzero(names == "person").tolist()), -1)
        shapes = draw_planes(pasted, scores, labels == person, counts)
    else:
        shapes = pasted
    # All frames' instances in one transfer, cut apart here: a transfer waits for the device.
    drawn, numbers, places, found = to_host(shapes, scores, boxes.clamp(0, 1), labels)
    cuts = np.cumsum(counts)[:-1]
    columns = [np.split(column, cuts) for column in (numbers, names[found], places)]
    if draws:
        return [Instances(None, *fields) for fields in zip(*columns, drawn, strict=True)]
    return [Instances(*fields) for fields in zip(np.split(drawn, cuts), *columns, strict=True)]


def draw_planes(pasted: Tensor, scores: Tensor, is_person: Tensor, counts: Sequence[int]) -> Tensor:
    """Draw the score planes of each frame where the masks are: what `score_planes` draws, to the bit.

    Returns uint8 (frames, 2, GRID, GRID), in the order of GROUPS.

    Args:
        pasted: masks on the grid, bool (n, GRID, GRID).
        scores: (n,) float32 in [0, 1].
        is_person: bool (n,): of the first group, else of the second.
        counts: detections of each frame, adding up to n.
    """
    assert GROUPS[0] == "person"
    quantised = (scores.double() * 255).floor().to(torch.uint8)  # as `quantise`
    by_group = torch.stack([is_person, ~is_person], dim=1) * quantised[:, None]  # (n, 2)
    values = pasted[:, None] * by_group[:, :, None, None]  # (n, 2, GRID, GRID)
    planes = values.new_zeros(len(counts), *values.shape[1:])
    for plane, of_frame in zip(planes, values.split(list(counts)), strict=True):
        if len(of_frame):
            torch.amax(of_frame, dim=0, out=plane)
    return planes


def to_host(*tensors: Tensor) -> list[np.ndarray]:
    """Copy tensors of one device to the host, from a GPU through pinned memory and with one wait for all of them."""
    if tensors[0].device.type != "cuda":
        return [tensor.cpu().numpy() for tensor in tensors]
    pinned = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in tensors]
    for place, tensor in zip(pinned, tensors, strict=True):
        place.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream(tensors[0].device).synchronize()
    return [place.numpy().copy() for place in pinned]  # pinned memory is for the next batch


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

    def run(*inputs: Any, **settings: Any) -> Any:
        with torch.autocast(device_type, dtype=torch.bfloat16):
            outputs = forward(*inputs, **settings)
        return _to_float(outputs)

    return run


def _to_float(outputs: Any) -> Any:
    """float32 tensors in the same nest of dictionaries, lists and tuples; what is no number with a point stays."""
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.is_floating_point() else outputs
    if isinstance(outputs, dict):
        return type(outputs)({key: _to_float(value) for key, value in outputs.items()})
    if isinstance(outputs, list | tuple):
        return type(outputs)(_to_float(value) for value in outputs)
    return outputs
