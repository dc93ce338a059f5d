"""Describe a backbone as stages in a row, one of which is the split behind which the attention branch stands."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from objabn.config.schema import Model


class Backbone(NamedTuple):
    """A network for a given number of classes, and where the attention branch stands in it.

    Attributes:
        stages: from the input on, the last one the head: one behind the other they turn normalised clips, float32
            (B, 3, T, S, S), into logits (B, L).
        names: of the stages but the head.
        grids: of each of them what turns its output into (B, C, T'', h', w'); None where it is no such grid.
        at: how many stages the feature extractor has.
        channels, map_frames, map_size: C, T' and h = w of h1, the grid of the last of them.
        to_grid, from_grid: turn the output of that stage into h1, and h1 back; none where it is h1 already.
        branch_blocks: makes the residual blocks of the attention branch; None takes those of an X3D.
        is_x3d: whether its layers are those that `fast_layers` knows.
    """

    stages: tuple[nn.Module, ...]
    names: tuple[str, ...]
    grids: tuple[Callable[[Tensor], Tensor] | None, ...]
    at: int
    channels: int
    map_frames: int
    map_size: int
    to_grid: tuple[nn.Module, ...] = ()
    from_grid: tuple[nn.Module, ...] = ()
    branch_blocks: Callable[[int, Model], nn.Module] | None = None
    is_x3d: bool = False


def beside(module: nn.Module, layer: nn.Module) -> list[nn.Module]:
    """List the largest parts of a module that do not hold one of its layers.

    Weights of its own, which are in none, come as an `nn.ParameterList`.

    >>> layer = nn.Linear(2, 2)
    >>> [type(part).__name__ for part in beside(nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh(), layer)), layer)]
    ['ReLU', 'Tanh']
    """
    parts: list[nn.Module] = []
    for child in module.children():
        if child is not layer:
            parts += beside(child, layer) if layer in child.modules() else [child]
    own = list(module.parameters(recurse=False))
    return [*parts, *([nn.ParameterList(own)] if own else [])]
