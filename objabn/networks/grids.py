"""Turn a layer's output into a grid of cells, (B, C, t, h, w).

Each function here but the last makes a `Grid`. It is linear, so that gradients go through it as features do; it moves
no value from cell to cell, and it leaves out class tokens.

Shapes: B clips, C channels, t/h/w the grid's steps of time, rows and columns.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from objabn.model.interface import first_output, identity

Grid = Callable[[Tensor], Tensor]


def as_it_is() -> Grid:
    """Make a grid of an output that is (B, C, t, h, w) already.

    >>> as_it_is()(torch.zeros(2, 5, 4, 3, 3)).shape
    torch.Size([2, 5, 4, 3, 3])
    """
    return identity


def channels_last() -> Grid:
    """Make a grid of an output (B, t, h, w, C).

    >>> channels_last()(torch.zeros(2, 4, 3, 3, 5)).shape
    torch.Size([2, 5, 4, 3, 3])
    """
    return lambda values: values.permute(0, 4, 1, 2, 3)


def tokens(steps: int, rows: int, columns: int, *, class_tokens: int = 0) -> Grid:
    """Make a grid of tokens (B, class_tokens + t h w, C).

    Columns go fastest and time slowest.

    >>> ordered = torch.arange(9.0).reshape(1, 9, 1)  # the first is a class token
    >>> tokens(2, 2, 2, class_tokens=1)(ordered)[0, 0].tolist()
    [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]
    """
    shape = (steps, rows, columns)
    return lambda values: values[:, class_tokens:].unflatten(1, shape).permute(0, 4, 1, 2, 3)


def tokens_time_fastest(steps: int, rows: int, columns: int) -> Grid:
    """Make a grid of tokens (B, 1 + h w t, C), behind a class token: TimeSformer's.

    Time goes fastest, rows slowest.

    >>> ordered = torch.arange(9.0).reshape(1, 9, 1)
    >>> tokens_time_fastest(2, 2, 2)(ordered)[0, 0].tolist()
    [[[1.0, 3.0], [5.0, 7.0]], [[2.0, 4.0], [6.0, 8.0]]]
    """
    return lambda values: values[:, 1:].unflatten(1, (rows, columns, steps)).permute(0, 4, 3, 1, 2)


def frames_in_batch(steps: int, rows: int, columns: int) -> Grid:
    """Make a grid of tokens (B t, 1 + h w, C): each frame is by itself.

    A class token stands before each frame.

    >>> ordered = torch.arange(10.0).reshape(2, 5, 1)
    >>> frames_in_batch(2, 2, 2)(ordered)[0, 0].tolist()
    [[[1.0, 2.0], [3.0, 4.0]], [[6.0, 7.0], [8.0, 9.0]]]
    """

    def grid(values: Tensor) -> Tensor:
        of_frames = values[:, 1:].unflatten(0, (-1, steps))  # (B, t, h w, C)
        return of_frames.unflatten(2, (rows, columns)).permute(0, 4, 1, 2, 3)

    return grid


def places_in_batch(rows: int, columns: int) -> Grid:
    """Make a grid of tokens (B h w, t, C): each place by itself, without class tokens.

    >>> ordered = torch.arange(8.0).reshape(4, 2, 1)
    >>> places_in_batch(2, 2)(ordered)[0, 0].tolist()
    [[[0.0, 2.0], [4.0, 6.0]], [[1.0, 3.0], [5.0, 7.0]]]
    """
    return lambda values: values.unflatten(0, (-1, rows, columns)).permute(0, 4, 3, 1, 2)


def grid_shape(grid: Grid, output: Any, clips: int = 1) -> tuple[int, ...] | None:
    """Tell the shape (B, C, t, h, w) of the grid of a layer's output.

    None where it is no grid of several cells.

    Args:
        output: of a layer, on any device, of `clips` clips; of a tuple the first entry counts.
    """
    values = first_output(output)
    if not isinstance(values, Tensor) or not values.is_floating_point():
        return None
    try:
        found = grid(torch.empty(values.shape, device="meta"))
    except (RuntimeError, IndexError, ValueError, TypeError):  # a shape that this grid is not made for
        return None
    if not isinstance(found, Tensor) or found.dim() != 5 or found.shape[0] != clips or min(found.shape[3:]) < 2:
        return None
    return tuple(found.shape)
