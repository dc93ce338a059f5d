"""Crop, resize and flip clips and masks, both with one geometry.

The geometry is a crop box in normalised coordinates of the frame, and an optional flip. Frames and masks are resampled
with the same box, so they stay aligned at every size.

Shapes: B batch, T frames of a clip, H/W stored frame, S crop in pixels, t/h/w the feature grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from objabn.clips.bags import has_fast_bags, sample_with_bags

MEAN, STD = 0.45, 0.225  # of the input, each channel, as X3D's weights expect
_POINTS = 8  # least sample points along a side of a cell, for "area" and "max"


def crop_shares(height: int, width: int, short_side: float, crop: int) -> tuple[float, float]:
    """Return height and width of a square crop as shares of the frame.

    The frame is first resized to a short side of `short_side` pixels. The crop then has `crop` pixels a side.

    >>> crop_shares(height=120, width=160, short_side=240, crop=120)
    (0.5, 0.375)
    """
    scale = short_side / min(height, width)
    return crop / (height * scale), crop / (width * scale)


def _axes(boxes: Tensor, flips: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return x and y of the centres of size x size cells over each box.

    Returns float32 (B, size) each, in grid_sample's coordinates: -1 and 1 are the frame's edges.
    """
    steps = (torch.arange(size, device=boxes.device, dtype=torch.float32) + 0.5) / size  # (size,)
    across = torch.where(flips[:, None], 1 - steps, steps)  # (B, size)
    x = boxes[:, 0, None] + across * (boxes[:, 2] - boxes[:, 0])[:, None]
    y = boxes[:, 1, None] + steps * (boxes[:, 3] - boxes[:, 1])[:, None]
    return x * 2 - 1, y * 2 - 1


def _points(boxes: Tensor, flips: Tensor, size: int) -> Tensor:
    """Return the centres of size x size cells over each box, float32 (B, size, size, 2), for grid_sample."""
    x, y = _axes(boxes, flips, size)
    return torch.stack([x[:, None, :].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], dim=-1)


def resample_clips(frames: Tensor, boxes: Tensor, flips: Tensor, size: int) -> Tensor:
    """Crop, resize, flip and normalise clips, to float32 (B, 3, T, S, S).

    Args:
        frames: uint8 (B, T, H, W, 3), RGB.
        boxes: float32 (B, 4), x0, y0, x1, y1 in [0, 1] of the frame.
        flips: bool (B,).
        size: S, pixels.
    """
    num_clips, num_frames, height, width, _ = frames.shape
    if frames.device.type == "cpu" and has_fast_bags():
        clips = sample_with_bags(frames, *_axes(boxes, flips, size), factor=1 / (255 * STD))
        return clips.sub_(MEAN / STD).permute(0, 4, 1, 2, 3)
    images = frames.permute(0, 1, 4, 2, 3).reshape(num_clips, num_frames * 3, height, width).float()
    images = F.grid_sample(
        images, _points(boxes, flips, size), mode="bilinear", padding_mode="border", align_corners=False
    )
    clips = images.view(num_clips, num_frames, 3, size, size).transpose(1, 2)  # (B, 3, T, S, S)
    order = torch.channels_last_3d if frames.device.type == "cpu" else torch.contiguous_format
    normalised = torch.empty_like(clips, memory_format=order)
    torch.mul(clips, 1 / (255 * STD), out=normalised)
    return normalised.sub_(MEAN / STD)


def to_pixels(clips: Tensor) -> Tensor:
    """Undo the normalisation of clips, to float32 of the same shape in [0, 255]."""
    return (clips * STD + MEAN).clamp(0, 1) * 255


def resample_masks(masks: Tensor, boxes: Tensor, flips: Tensor, size: int, resize: str) -> Tensor:
    """Crop, resize and flip union masks, to the grid of the attention maps.

    Returns float32 (B, T, h, w) of zeros and ones.

    Args:
        masks: uint8 or bool (B, T, 128, 128) over the whole frame, zeros and ones.
        boxes, flips: as for `resample_clips`.
        size: h = w.
        resize: "nearest" (the mask at the cell's centre), "area" (at least half of the cell is covered) or
            "max" (any of it).

    A mask of the frame's left half, flipped:

    >>> import torch
    >>> mask = torch.tensor([1, 1, 0, 0]).expand(1, 1, 4, 4)
    >>> frame, flip = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([True])
    >>> resample_masks(mask, frame, flip, size=2, resize="nearest").tolist()
    [[[[0.0, 1.0], [0.0, 1.0]]]]
    """
    if resize not in ("nearest", "area", "max"):
        raise ValueError(f"resize: expected nearest, area or max, got {resize!r}")
    # At least one point for each cell of the stored mask: a box is never larger than the frame.
    points = 1 if resize == "nearest" else max(_POINTS, -(-masks.shape[-1] // size))
    sampled = F.grid_sample(
        masks.float(), _points(boxes, flips, size * points), mode="nearest", padding_mode="zeros", align_corners=False
    )  # (B, T, size * points, size * points)
    if resize == "area":
        return (F.avg_pool2d(sampled, points) >= 0.5).float()
    return F.max_pool2d(sampled, points)
