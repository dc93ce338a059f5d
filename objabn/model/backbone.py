"""Describe a backbone as stages in a row, one of which is the split behind which the attention branch stands."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
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
        drawn: what `model.pretrained` does not bring, as words; those weights are drawn.
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
    drawn: str = "the head's projection"


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


@contextmanager
def as_tested(layers: nn.Module) -> Iterator[None]:
    """Compute with layers in evaluation mode, and put each layer's mode back."""
    modes = {layer: layer.training for layer in layers.modules()}
    layers.eval()
    try:
        yield
    finally:
        for layer, training in modes.items():
            layer.training = training


def check_gradients(stages: Mapping[str, nn.Module], clip: tuple[int, ...], spec: str, processes: int) -> None:
    """Check that several processes can train a backbone.

    They wait for a gradient of each weight. It makes a pass of a clip of zeros on the CPU, in evaluation mode; what is
    drawn meanwhile is drawn apart.

    Args:
        stages: by name, in their order, the last one the head; frozen weights have no gradient.
        clip: its shape, (1, 3, T, S, S). spec: `model.backbone`, for the message.

    Raises:
        ValueError: no logit depends on a weight.
    """
    weights = {
        f"{name}.{key}": value
        for name, stage in stages.items()
        for key, value in stage.named_parameters()
        if value.requires_grad
    }
    row = nn.Sequential(*stages.values())
    with torch.random.fork_rng(devices=[]), as_tested(row), torch.enable_grad():
        total = row(torch.zeros(clip)).sum()
        found = torch.autograd.grad(total, list(weights.values()), allow_unused=True) if total.requires_grad else ()
    if lacking := [name for name, gradient in zip(weights, found, strict=False) if gradient is None]:
        expected = f"expected a gradient of each weight, since {processes} processes train it"
        raise ValueError(f"model.backbone: {spec}: {expected}, got none of {len(lacking)} (first: {lacking[0]})")
