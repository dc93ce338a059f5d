"""Mask logits over a whole frame, of a network's own size, as masks on the grid: the frame's edges meet the grid's.

Shape legend: n instances, h/w rows and columns of the logits, S side of the grid.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from objabn.stores.masks import GRID


class Placed(NamedTuple):
    """Masks on the grid of the frame."""

    masks: Tensor  # (n, GRID, GRID) bool
    boxes: Tensor  # (n, 4) float, x0, y0, x1, y1 in [0, 1], around the mask; 0 for a mask without a point
    quality: Tensor  # (n,) float, the mean probability inside the mask; 0 for a mask without a point


def place_logits(logits: Tensor, inside: tuple[float, float] = (1.0, 1.0)) -> Placed:
    """Place mask logits on the grid: a cell belongs to a mask that covers half of it or more.

    Logits are interpolated linearly at points that lie evenly in each cell, as many a side as the logits are finer than
    the grid: one, at the cell's centre, where they are coarser. A point belongs to a mask where its logit is above 0.

    Args:
        logits: (n, h, w) float.
        inside: the shares of h and w, from the top left, that the frame takes; padding is the rest.
    """
    (n, height, width), (high, wide) = logits.shape, inside
    rows, cols = (_interpolation(side, share, logits) for side, share in ((height, high), (width, wide)))
    points = rows @ logits @ cols.T  # (n, k_y * GRID, k_x * GRID)
    found = points > 0
    cells = found.view(n, GRID, len(rows) // GRID, GRID, len(cols) // GRID).to(logits.dtype).mean(dim=(2, 4))
    count = found.sum(dim=(1, 2))
    quality = (points.sigmoid() * found).sum(dim=(1, 2)) / count.clamp(min=1)
    return Placed(cells >= 0.5, _boxes(found), quality)


def _interpolation(side: int, share: float, like: Tensor) -> Tensor:
    """Weights of linear interpolation from `side` values, of which the first `share` count: (k * GRID, side)."""
    length = share * side  # values that the frame takes, perhaps not a whole number
    points = GRID * max(1, math.ceil(length / GRID))
    at = (torch.arange(points, dtype=torch.float64) + 0.5) * length / points - 0.5
    at = at.clamp(0, max(min(length, side) - 1, 0))  # beyond the outer values' centres these go on
    low = at.floor().long()
    high = (low + 1).clamp(max=side - 1)
    weights = torch.zeros(points, side, dtype=torch.float64)
    number = torch.arange(points)
    weights[number, low] += 1 - (at - low)
    weights[number, high] += at - low
    return weights.to(like)


def _boxes(found: Tensor) -> Tensor:
    """Boxes around the points of masks bool (n, rows, cols), float (n, 4) in [0, 1]."""
    sides = []
    for dim in (1, 2):  # over rows: columns, that is x; over columns: y
        some = found.any(dim=dim)  # (n, points)
        points = some.shape[1]
        first = some.int().argmax(dim=1)
        last = points - some.flip(1).int().argmax(dim=1)
        sides.append(torch.stack([first, last], dim=1) / points * some.any(dim=1, keepdim=True))
    x, y = sides
    return torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], dim=1)
