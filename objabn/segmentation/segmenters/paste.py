"""Box-relative mask probabilities pasted onto the grid of the whole frame, with sub-pixel boxes.

The detection libraries' own pastes either round boxes to whole pixels, which on a 128 x 128 grid moves edges by up to a
cell, or work at the frame's size first. Shape legend: n instances, m side of a mask head's output, S side of the grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def paste_masks(masks: Tensor, boxes: Tensor, size: int = 128) -> Tensor:
    """Mask probabilities on the grid of the frame: (n, size, size) float, 0 outside the boxes.

    Each value is the bilinear interpolation of the box's mask at the centre of a grid cell; towards the box's edge the
    mask fades to 0 over half a mask cell, as in Detectron2. An instance thinner than a cell may miss every centre.

    Args:
        masks: (n, m, m) float in [0, 1], row = y, relative to each box.
        boxes: (n, 4) float, x0, y0, x1, y1 in normalised coordinates of the frame; may reach outside [0, 1].
        size: rows and columns of the grid, in cells.
    """
    n = len(masks)
    if n == 0:
        return masks.new_zeros(0, size, size)
    centres = (torch.arange(size, dtype=boxes.dtype, device=boxes.device) + 0.5) / size  # (S,)
    start, extent = boxes[:, :2], (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-6)  # clamp: an empty box gives no NaN
    # grid_sample's coordinates: -1 and 1 are the outer edges of the box
    place = 2 * (centres[None, :, None] - start[:, None]) / extent[:, None] - 1  # (n, S, 2)
    x, y = place[..., 0], place[..., 1]
    grid = torch.stack([x[:, None, :].expand(n, size, size), y[:, :, None].expand(n, size, size)], dim=-1)
    # (n, 1, m, m) at (n, S, S, 2) -> (n, 1, S, S)
    pasted = F.grid_sample(masks[:, None], grid.to(masks.dtype), padding_mode="zeros", align_corners=False)
    return pasted[:, 0]
