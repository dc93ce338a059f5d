"""What a video network's layers show: where an input's block arrives, which gradients come back."""

from typing import Any

import torch
from torch import Tensor

from objabn.model.interface import feature_maps, first_output


def clips_for(network: Any, number: int = 2, seed: int = 0) -> Tensor:
    """Random normalised clips that an adapter takes, (B, 3, T, S, S)."""
    shape = (number, 3, network.num_frames, network.size, network.size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def cut_gradient(network: Any, clips: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """Features of a layer and the gradients of the best class's logit there, both (B, C, T'', h', w').

    As post-hoc maps take them: the layer's output is cut off from what lies before it.
    """
    module, grid = network.tap(layer)
    kept: list[Tensor] = []

    def cut(_module: Any, _inputs: Any, output: Any) -> Any:
        kept.append(first_output(output).detach().requires_grad_())
        return (kept[0], *output[1:]) if isinstance(output, tuple) else kept[0]

    hook = module.register_forward_hook(cut)
    try:
        with torch.enable_grad():
            score = network(clips).perception_logits.amax(dim=1).sum()
            (gradient,) = torch.autograd.grad(score, kept)
    finally:
        hook.remove()
    return grid(kept[0].detach()), grid(gradient)


def change_of_block(network: Any, layer: str, place: tuple[int, int, int], side: int, frames: int) -> Tensor:
    """How much each cell of a layer changes, (T'', h', w'), when a bright block is laid into the second of two clips.

    Args:
        place: first frame, row and column of the block. side: in pixels. frames: how many.
    """
    clips = 0.1 * clips_for(network)
    t, y, x = place
    bright = clips.clone()
    bright[1, :, t : t + frames, y : y + side, x : x + side] += 5
    changes = (feature_maps(network, bright, layer) - feature_maps(network, clips, layer)).norm(dim=1)
    assert not changes[0].any(), "a clip changes another's features"
    return changes[1]


def brightest(changes: Tensor) -> tuple[int, int, int]:
    """Step, row and column of the largest value."""
    t, y, x = torch.unravel_index(changes.argmax(), changes.shape)
    return int(t), int(y), int(x)


def centre_of(changes: Tensor) -> list[float]:
    """Mean place of values as shares of the clip: time, height, width."""
    weights = changes / changes.sum()
    axes = [(torch.arange(size) + 0.5) / size for size in changes.shape]
    return [
        float((weights.sum(dim=[other for other in range(3) if other != axis]) * places).sum())
        for axis, places in enumerate(axes)
    ]


def weights_once(network: Any) -> bool:
    """Whether the steps hold each weight of a network exactly once."""
    held = [id(weight) for _, parts in network.steps() for part in parts for weight in part.parameters()]
    return len(held) == len(set(held)) and set(held) == {id(weight) for weight in network.parameters()}
