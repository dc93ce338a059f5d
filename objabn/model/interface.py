"""What evaluation, audits and explanations ask of a network, whoever trained it.

`ObjectABN` and the adapters of `objabn.networks` give it: three functions (`preprocess`, the call, `tap`), the order of
the layers, and a few sizes. All networks take the same clips, normalised as X3D's weights expect (`clips.geometry`); a
network that was trained on others turns them into its own.

Shapes: B clips, T frames, S crop in pixels, L classes, T'/h/w grid of the maps, C channels of a layer, T''/h'/w' its
grid.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn


class Output(NamedTuple):
    """The result of a forward pass."""

    attention_logits: Tensor | None  # y_a before softmax, (B, L); None without an attention branch
    perception_logits: Tensor  # y_p before softmax, (B, L): the prediction
    maps: Tensor  # (B, M, T', h, w) in [0, 1]; M is 0 without an attention branch
    features: Tensor | None  # f, (B, D): after the residual blocks, pooled (`model.feature_pool`); None likewise
    even_logits: Tensor | None = None  # y_p under one even weight, (B, L); in training with `with_even` only


class Tap(NamedTuple):
    """A place in a network whose features can be looked at.

    Attributes:
        module: whose output they are; of a tuple its first entry.
        grid: turns that output, or its gradient, into (B, C, T'', h', w'). It is linear, moves no value from cell to
            cell, and leaves out class tokens.
    """

    module: nn.Module
    grid: Callable[[Tensor], Tensor]


class VideoNetwork(Protocol):
    """A network that can be explained and audited; an `nn.Module`, too.

    Attributes:
        map_size, map_frames: h = w and T' of its maps; without an attention branch, of the features at its split.
        layers: names that `tap` takes besides "split", from the input on.
        attention_branch: None where it has none.
    """

    map_size: int
    map_frames: int
    attention_branch: Any

    @property
    def layers(self) -> tuple[str, ...]: ...

    def preprocess(self, clips: Tensor) -> Any:
        """Turn clips into what the network itself takes.

        They are normalised, float32 (B, 3, T, S, S).
        """
        ...

    def __call__(self, clips: Tensor) -> Output:
        """Return what the network says of clips.

        They are normalised, float32 (B, 3, T, S, S), and preprocessed within.
        """
        ...

    def tap(self, layer: str) -> Tap:
        """Say where the features of a layer are.

        Args:
            layer: "split", or one of `layers`.

        Raises:
            ValueError: there is no such layer.
        """
        ...

    def steps(self) -> list[tuple[str, list[nn.Module]]]:
        """List all layers with weights by name, from the logits to the input.

        The sanity check draws them anew in this order.
        """
        ...

    # Of every `nn.Module`:
    def to(self, *args: Any, **kwargs: Any) -> Self: ...
    def eval(self) -> Self: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]: ...


def identity(values: Tensor) -> Tensor:
    """Return values themselves, a grid (B, C, T'', h', w') already."""
    return values


@torch.no_grad()
def feature_maps(network: Any, clips: Tensor, layer: str) -> Tensor:
    """Return a layer's features of normalised clips, float32 (B, C, T'', h', w').

    Args:
        network: a `VideoNetwork`.
        clips: float32 (B, 3, T, S, S).

    Raises:
        ValueError: the network has no such layer.
    """
    module, grid = network.tap(layer)
    kept: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _inputs, output: kept.append(first_output(output)))
    try:
        network(clips)
    finally:
        hook.remove()
    return grid(kept[0])


def first_output(output: Any) -> Tensor:
    """Return a module's output, or the first entry of one that is a tuple."""
    return output[0] if isinstance(output, tuple) else output


def frame_maps(maps: Tensor, num_frames: int) -> Tensor:
    """Return maps (B, M, T', h, w) for each frame, (B, M, T, h, w).

    Frame t shows step floor(t T'/T): a step's value stands for all frames that it has seen, none is mixed with the
    next. Maps of as many steps as frames are returned themselves.

    >>> import torch
    >>> frame_maps(torch.tensor([1.0, 2.0]).reshape(1, 1, 2, 1, 1), 5).flatten().tolist()
    [1.0, 1.0, 1.0, 2.0, 2.0]
    """
    steps = maps.shape[2]
    if steps == num_frames:
        return maps
    return maps[:, :, torch.arange(num_frames, device=maps.device) * steps // num_frames]


def step_masks(masks: Tensor, num_steps: int, how: str) -> Tensor:
    """Return masks of frames (B, T, h, w) for the steps of maps, (B, T', h, w).

    Both are of zeros and ones. Frame t belongs to step floor(t T'/T), as in `frame_maps`. Masks of as many frames as
    steps are returned themselves.

    Args:
        masks: float.
        num_steps: T', at most T.
        how: "max", cells that any frame of a step covers; "mean", cells that more than half of its frames cover. Means
            themselves would teach grey maps: the losses of maps are those of masks in {0, 1}.

    >>> import torch
    >>> masks = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0, 0.0]).reshape(1, 6, 1, 1)
    >>> [step_masks(masks, 2, how).flatten().tolist() for how in ("max", "mean")]
    [[1.0, 1.0], [1.0, 0.0]]
    """
    frames = masks.shape[1]
    if frames == num_steps:
        return masks
    steps = torch.arange(frames, device=masks.device) * num_steps // frames  # (T,)
    belongs = torch.nn.functional.one_hot(steps, num_steps).to(masks)  # (T, T')
    covered = torch.einsum("bthw,ts->bshw", masks, belongs)  # so many of a step's frames
    most = belongs.sum(dim=0) / 2 if how == "mean" else torch.zeros_like(belongs[0])
    return (covered > most[:, None, None]).to(masks)
