"""Hand over no more of the frames than the crops need, from a loader's processes and to a GPU.

A batch's frames are cut to the clips' crop boxes, and the cuts lie one after another in one tensor. On the training
device they are put back to their places in whole frames, so that the crops are sampled from the same pixels at the
same coordinates: the same bits. Around the cuts the frames are black, and no crop reaches there.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

Batch = dict[str, Tensor]
_WINDOWS, _SHAPE = "windows", "frame_shape"  # of a batch with cuts: int64 (B, 4) pixels, and int64 (3,) T, H, W


def collate_cuts(items: Sequence[Batch]) -> Batch:
    """Make a batch of items, with the cuts in place of the frames.

    `frames` is uint8 (bytes of all cuts,).
    """
    rest = default_collate([{name: value for name, value in item.items() if name != "frames"} for item in items])
    num_frames, height, width, _ = items[0]["frames"].shape
    windows = [_window(item["box"].tolist(), height, width) for item in items]
    cuts = [item["frames"][:, y0:y1, x0:x1] for item, (x0, y0, x1, y1) in zip(items, windows, strict=True)]
    flat = torch.empty(sum(cut.numel() for cut in cuts), dtype=torch.uint8)
    if get_worker_info() is not None:
        flat.share_memory_()  # before it is filled, else it would be copied on its way
    for place, cut in zip(flat.split([cut.numel() for cut in cuts]), cuts, strict=True):
        place.view(cut.shape).copy_(cut)
    shape = torch.tensor([num_frames, height, width])
    return {**rest, "frames": flat, _WINDOWS: torch.tensor(windows), _SHAPE: shape}


def put_back(batch: Batch, device: torch.device) -> Batch:
    """Move a batch to `device`, and put its cuts back into whole frames, uint8 (B, T, H, W, 3).

    A batch without cuts is only moved.
    """
    on_cpu = (_WINDOWS, _SHAPE)
    moved = {name: value.to(device, non_blocking=True) for name, value in batch.items() if name not in on_cpu}
    if _WINDOWS not in batch:
        return moved
    windows, (num_frames, height, width) = batch[_WINDOWS].tolist(), batch[_SHAPE].tolist()
    frames = torch.zeros(len(windows), num_frames, height, width, 3, dtype=torch.uint8, device=device)
    shapes = [(num_frames, y1 - y0, x1 - x0, 3) for x0, y0, x1, y1 in windows]
    cuts = moved["frames"].split([math.prod(shape) for shape in shapes])
    for clip, (x0, y0, x1, y1), cut, shape in zip(frames, windows, cuts, shapes, strict=True):
        clip[:, y0:y1, x0:x1] = cut.view(shape)
    return {**moved, "frames": frames}


def _window(box: Sequence[float], height: int, width: int) -> tuple[int, int, int, int]:
    """Return the pixels x0, y0, x1, y1 that a crop's points have as neighbours, and one more on each side."""
    x0, y0, x1, y1 = box
    left, above = (max(math.floor(at * size - 1.5), 0) for at, size in ((x0, width), (y0, height)))
    right, below = (min(math.ceil(at * size + 1.5), size) for at, size in ((x1, width), (y1, height)))
    return left, above, right, below
