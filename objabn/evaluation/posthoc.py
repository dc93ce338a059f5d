"""Compute the maps that need no attention branch: gradient-based explanations, and two naive baselines.

They exist for every row, beside its own maps. Those of gradients explain the answer after it was given ("post hoc"):

- g: Grad-CAM at the layer `gradcam.layer`, most often the last stage, as people use it;
- s: Grad-CAM at the split, the output h1 of the feature extractor, which the row's own maps weight;
- l: LayerCAM at the layer of g.

Baselines know nothing of the network. A map that is no better than they are has told nothing:

- c: centre prior, the same Gaussian in every frame;
- m: motion saliency, how much each cell differs from the frames beside it.

A layer may have fewer steps in time than the clip has frames. Then a step's map is that of all frames that it has seen.

Shapes: B clips, C channels, T frames, S crop in pixels, h/w grid of M and T' its steps, h'/w' grid of a layer and T''
its steps, L classes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objabn.model.interface import Output, VideoNetwork, first_output, frame_maps

# Standard deviation of the centre prior as a share of the frame's side: it is above 0.6 in the middle half of the frame
# and at 0.14 in the middle of an edge, dark in the corners. Fixed, since a width fitted to the masks would know them.
CENTRE = 1 / 4


class PostHoc(NamedTuple):
    """Maps of clips, and all that the network said in the same forward pass. Nothing in it has a gradient."""

    output: Output
    h1: Tensor  # (B, C, T', h, w), the features at the split
    classes: Tensor  # int64 (B,), the class that each clip's maps explain
    maps: dict[str, Tensor]  # by letter of POST_HOC, float (B, 1, T, h, w) in [0, 1], on the grid of M
    native: dict[str, Tensor]  # those of g and l, (B, 1, T, h', w'), where their layer's grid is not that of M
    repeated: frozenset[str]  # letters of maps that are the same in several frames, since their layer has fewer steps


def posthoc_maps(model: VideoNetwork, clips: Tensor, layer: str, *, classes: Tensor | None = None) -> PostHoc:
    """Compute the post-hoc maps of clips by one forward and one backward pass.

    Maps on another grid are resized bilinearly, step by step, and each frame has those of its step. Then each clip's
    maps are divided by their maximum over the clip, so that frames can be compared; they are zero where nothing speaks
    for the class. Gradients go through all that lies behind the split, the attention branch and its map included.
    Weights get no gradients, frozen or not, and the call leaves nothing behind.

    Args:
        model: in evaluation mode, else clips of a batch would depend on each other.
        clips: normalised, float32 (B, 3, T, S, S).
        layer: of g and l, "split" or another layer that `model.tap` takes ("res4", "res5" of an X3D), as
            `gradcam.layer`.
        classes: int64 (B,), the class whose logit is explained; None takes the predicted class.

    Raises:
        ValueError: the network has no such layer.
    """
    assert not any(module.training for module in model.modules()), "the network is in training mode"
    with torch.enable_grad(), _tapped(model, layer) as features:
        output = model(clips)
        logits = output.perception_logits
        chosen = logits.detach().argmax(dim=1) if classes is None else classes
        score = logits.gather(1, chosen[:, None]).sum()  # clips are independent: each gets its own gradient
        gradients = dict(zip(features, torch.autograd.grad(score, list(features.values())), strict=True))
    at, split = (model.tap(name) for name in (layer, "split"))
    h1, slopes = (split.grid(values[split.module].detach()) for values in (features, gradients))
    own, own_slopes = (at.grid(values[at.module].detach()) for values in (features, gradients))
    raw = {"g": grad_cam(own, own_slopes), "s": grad_cam(h1, slopes), "l": layer_cam(own, own_slopes)}
    grid, num_frames = (h1.shape[-2], h1.shape[-1]), clips.shape[2]
    maps = {letter: scaled(frame_maps(resized(values, grid), num_frames)) for letter, values in raw.items()}
    maps["c"] = centre_prior(grid, h1).expand_as(maps["s"]).contiguous()
    maps["m"] = motion(clips, grid)
    native = {
        letter: scaled(frame_maps(values, num_frames))
        for letter, values in raw.items()
        if tuple(values.shape[-2:]) != grid
    }
    repeated = frozenset(letter for letter, values in raw.items() if values.shape[2] < num_frames)
    said = {name: value.detach() for name, value in output._asdict().items() if isinstance(value, Tensor)}
    return PostHoc(output._replace(**said), h1, chosen, maps, native, repeated)


@contextmanager
def _tapped(model: VideoNetwork, layer: str) -> Iterator[dict[nn.Module, Tensor]]:
    """Collect the outputs of the split's module and of a layer's in the forward pass within.

    The one that comes first, which is the split but for a network whose layer lies before its split, is cut off from
    what lies before it, so that gradients end there. Weights ask for no gradients meanwhile.
    """
    features: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, _inputs: object, output: Any) -> Any:
        values = first_output(output)
        features[module] = values if values.requires_grad else values.detach().requires_grad_()
        handed_on = features[module].clone()  # what follows may compute in place
        return (handed_on, *output[1:]) if isinstance(output, tuple) else handed_on

    modules = {model.tap(name).module for name in (layer, "split")}
    hooks = [module.register_forward_hook(keep) for module in modules]
    asking = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        for weight in asking:
            weight.requires_grad_(False)
        yield features
    finally:
        for weight in asking:
            weight.requires_grad_(True)
        for hook in hooks:
            hook.remove()


def grad_cam(features: Tensor, gradients: Tensor) -> Tensor:
    """Weight each channel by its mean gradient, and keep what speaks for the class.

    ReLU(sum over c of w_c A_c), where w_c is the mean of dy/dA_c over T'', h' and w' (Selvaraju et al. 2017). Returns
    (B, 1, T'', h', w'), not scaled.

    Args:
        features: A, float (B, C, T'', h', w'). gradients: dy/dA, of the same shape.
    """
    weights = gradients.mean(dim=(2, 3, 4), keepdim=True)  # (B, C, 1, 1, 1)
    return (weights * features).sum(dim=1, keepdim=True).relu()


def layer_cam(features: Tensor, gradients: Tensor) -> Tensor:
    """Weight each cell of each channel by its own gradient, where that is positive.

    ReLU(sum over c of ReLU(dy/dA_c) A_c) (Jiang et al. 2021). Shapes as `grad_cam`.
    """
    return (gradients.relu() * features).sum(dim=1, keepdim=True).relu()


def centre_prior(grid: tuple[int, int], like: Tensor) -> Tensor:
    """Return a Gaussian of the frame's centre, (h, w), whose largest cell is 1.

    Its standard deviation is `CENTRE` of the frame's side.

    Args:
        like: whose device and dtype it takes.
    """
    height, width = (torch.arange(size, device=like.device, dtype=like.dtype) for size in grid)
    squares = [((side + 0.5) / len(side) - 0.5).square() for side in (height, width)]  # of the distance to the centre
    prior = (-(squares[0][:, None] + squares[1]) / (2 * CENTRE**2)).exp()
    return prior / prior.max()


def motion(clips: Tensor, grid: tuple[int, int]) -> Tensor:
    """Compute how much each cell changes from frame to frame.

    Returns (B, 1, T, h, w), scaled to [0, 1]: the absolute difference of neighbouring frames, averaged over colours and
    a cell's pixels, then over the frame before and the frame after; the first and the last frame have one neighbour.
    Frames that repeat another, and clips of one frame, have no motion. The map is blind to what stands still, and a
    moving camera spoils it: then every edge of the scene moves, the background's too, and the map shows texture.

    Args:
        clips: normalised, float (B, 3, T, S, S).
    """
    if clips.shape[2] < 2:
        return clips.new_zeros(clips.shape[0], 1, clips.shape[2], *grid)
    changes = F.adaptive_avg_pool2d(clips.diff(dim=2).abs().mean(dim=1), grid)  # (B, T - 1, h, w)
    before = torch.cat([changes[:, :1], changes], dim=1)
    after = torch.cat([changes, changes[:, -1:]], dim=1)
    return scaled((before + after)[:, None])


def resized(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Resize maps (B, 1, T'', h', w') bilinearly to (B, 1, T'', h, w).

    Each step is resized by itself.
    """
    if tuple(maps.shape[-2:]) == grid:
        return maps
    return F.interpolate(maps[:, 0], size=grid, mode="bilinear", align_corners=False)[:, None]


def scaled(maps: Tensor) -> Tensor:
    """Divide maps (B, 1, T, h, w) by each clip's maximum.

    None of their values is below 0. Maps that are all 0 stay so.
    """
    highest = maps.amax(dim=(1, 2, 3, 4), keepdim=True)
    return maps / torch.where(highest > 0, highest, 1)
