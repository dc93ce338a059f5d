"""Hand over no more of the frames than the crops need, from a loader's processes and to a GPU.

A batch's frames are cut to the clips' crop boxes, and the cuts lie one after another in one tensor. On the training
device they are put back to their places in whole frames, so that the crops are sampled from the same pixels at the
same coordinates: the same bits. Around the cuts the frames are black, and no crop reaches there.

An item may hold several clips, each with a prefix of its own: `other_frames` beside `other_box`.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

Batch = dict[str, Tensor]
_FRAMES = "frames"
_WINDOWS, _SHAPE = "windows", "frame_shape"  # of a batch with cuts: int64 (B, 4) pixels, and int64 (3,) T, H, W


def collate_cuts(items: Sequence[Batch]) -> Batch:
    """Make a batch of items, with the cuts in place of the frames.

    `frames` is uint8 (bytes of all cuts,), and so are other clips' frames.
    """
    kinds = [name for name in items[0] if name.endswith(_FRAMES)]
    batch = default_collate([{name: value for name, value in item.items() if name not in kinds} for item in items])
    for prefix in (name.removesuffix(_FRAMES) for name in kinds):
        batch |= _cut([item[prefix + _FRAMES] for item in items], [item[f"{prefix}box"] for item in items], prefix)
    return batch


def _cut(clips: Sequence[Tensor], boxes: Sequence[Tensor], prefix: str) -> Batch:
    """Return the cuts of clips, uint8 (T, H, W, 3) each, and what `put_back` needs to know of them."""
    num_frames, height, width, _ = clips[0].shape
    windows = [_window(box.tolist(), height, width) for box in boxes]
    cuts = [frames[:, y0:y1, x0:x1] for frames, (x0, y0, x1, y1) in zip(clips, windows, strict=True)]
    flat = torch.empty(sum(cut.numel() for cut in cuts), dtype=torch.uint8)
    if get_worker_info() is not None:
        flat.share_memory_()  # before it is filled, else it would be copied on its way
    for place, cut in zip(flat.split([cut.numel() for cut in cuts]), cuts, strict=True):
        place.view(cut.shape).copy_(cut)
    shape = torch.tensor([num_frames, height, width])
    return {prefix + _FRAMES: flat, prefix + _WINDOWS: torch.tensor(windows), prefix + _SHAPE: shape}


def put_back(batch: Batch, device: torch.device) -> Batch:
    """Move a batch to `device`, and put its cuts back into whole frames, uint8 (B, T, H, W, 3).

    A batch without cuts is only moved.
    """
    prefixes = [name.removesuffix(_WINDOWS) for name in batch if name.endswith(_WINDOWS)]
    on_cpu = {prefix + name for prefix in prefixes for name in (_WINDOWS, _SHAPE)}
    moved = {name: value.to(device, non_blocking=True) for name, value in batch.items() if name not in on_cpu}
    for prefix in prefixes:
        windows, shape = batch[prefix + _WINDOWS].tolist(), batch[prefix + _SHAPE].tolist()
        moved[prefix + _FRAMES] = _whole(moved[prefix + _FRAMES], windows, shape)
    return moved


def _whole(flat: Tensor, windows: Sequence[Sequence[int]], shape: Sequence[int]) -> Tensor:
    """Return whole frames, black around the cuts, uint8 (B, T, H, W, 3) on the cuts' device."""
    num_frames, height, width = shape
    frames = torch.zeros(len(windows), num_frames, height, width, 3, dtype=torch.uint8, device=flat.device)
    shapes = [(num_frames, y1 - y0, x1 - x0, 3) for x0, y0, x1, y1 in windows]
    cuts = flat.split([math.prod(each) for each in shapes])
    for clip, (x0, y0, x1, y1), cut, each in zip(frames, windows, cuts, shapes, strict=True):
        clip[:, y0:y1, x0:x1] = cut.view(each)
    return frames


def _window(box: Sequence[float], height: int, width: int) -> tuple[int, int, int, int]:
    """Return the pixels x0, y0, x1, y1 that a crop's points have as neighbours, and one more on each side."""
    x0, y0, x1, y1 = box
    left, above = (max(math.floor(at * size - 1.5), 0) for at, size in ((x0, width), (y0, height)))
    right, below = (min(math.ceil(at * size + 1.5), size) for at, size in ((x1, width), (y1, height)))
    return left, above, right, below
