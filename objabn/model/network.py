"""Define the Object-ABN network: an X3D with an attention branch.

The X3D is split into a feature extractor and a perception branch. The attention branch stands between these two:

    x -> extractor -> h1 -+-> attention branch -> maps M, logits y_a, features f
                          +-> h1 weighted by M = h2 -> perception branch -> logits y_p

Shapes: B batch, T frames, C channels of h1, S crop in pixels, h/w grid of h1 and of the maps, M maps, L classes,
D feature size.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn

from objabn.config.rows import MAPS
from objabn.config.schema import BLOCKS, Model
from objabn.model.attention_branch import AttentionBranch
from objabn.model.depthwise import memory_format, resolve_depthwise
from objabn.model.fast_layers import convolve_by, quicken
from objabn.model.interface import Output, Tap, identity
from objabn.model.weighting import MapMixer, apply_map, even_weights
from objabn.model.x3d import x3d_blocks


class ObjectABN(nn.Module):
    """Predict the class of clips by the network of one configuration.

    Args:
        config: the block `model` of params.yaml.
        attention: "abn" (M_u), "mask" (M_o), "mha" (M_u, M_o, M_b), or "plain", the X3D without an attention branch.
        pc: with trainable class centroids `centroids` (L, D) for the PC loss; where `train.pc_centroids` is "two" also
            `push_centroids` (L, D), a second set that only pushes.
        num_classes: L.
        num_frames, crop: of the clips that the network will see.
        centroid_std: standard deviation of the normal distribution that the centroids are drawn from.
        push_centroids: whether there is a second set of centroids.
        with_even: in training, `forward` also computes the answer under one even weight (`loss_weights.even`).
        depthwise: `train.depthwise`.
    """

    def __init__(
        self,
        config: Model,
        *,
        attention: str,
        pc: bool,
        num_classes: int,
        num_frames: int,
        crop: int,
        centroid_std: float = 1.0,
        push_centroids: bool = False,
        with_even: bool = False,
        depthwise: str = "auto",
    ) -> None:
        super().__init__()
        blocks = x3d_blocks(
            num_classes=num_classes,
            num_frames=num_frames,
            crop=crop,
            width_factor=config.width_factor,
            depth_factor=config.depth_factor,
            dropout=config.dropout,
            pretrained=config.pretrained,
        )
        at = BLOCKS.index(config.split) + 1
        self.extractor = nn.Sequential(*blocks[:at])
        self.perception_branch = nn.Sequential(*blocks[at:])
        self.attention_apply = config.attention_apply
        self.attention_branch: AttentionBranch | None = None
        self.mixer: MapMixer | None = None
        self.centroids: nn.Parameter | None = None
        self.push_centroids: nn.Parameter | None = None
        self.map_size = math.ceil(crop / 2**at)  # the stem and each stage halve the grid
        self.map_frames = num_frames  # no stage halves time
        self.with_even = with_even and bool(MAPS[attention])
        if maps := MAPS[attention]:
            channels = _out_channels(blocks[at - 1])
            starts = {"u": 0.5, "o": config.foreground_prior, "b": 1 - config.foreground_prior}
            priors = [starts[name] for name in maps]
            self.attention_branch = AttentionBranch(channels, config, num_classes, priors)
            if len(maps) > 1:
                settings = config.attention_apply, config.mha_init
                self.mixer = MapMixer(channels, len(maps), *settings, bias=config.mixer_bias)
            if pc:
                cells = num_frames * self.map_size**2 if config.feature_pool == "flatten" else 1
                shape = (num_classes, config.attention_channels * cells)
                self.centroids = nn.Parameter(torch.randn(*shape) * centroid_std)
                if push_centroids:
                    self.push_centroids = nn.Parameter(torch.randn(*shape) * centroid_std)
        self._num_frozen = 0 if config.frozen is None else BLOCKS.index(config.frozen) + 1
        self.extractor[: self._num_frozen].requires_grad_(False)
        self._depthwise = depthwise
        quicken(self)
        self.to(memory_format=torch.channels_last_3d)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move the network as `nn.Module.to`, in the memory format of its device."""
        super().to(*args, **kwargs)
        if "memory_format" not in kwargs:
            device = next(self.parameters()).device
            super().to(memory_format=memory_format(self._depthwise, device))
            convolve_by(self, resolve_depthwise(self._depthwise, device))
        return self

    def train(self, mode: bool = True) -> "ObjectABN":
        """Set the mode as `nn.Module.train`, but keep frozen blocks in evaluation mode."""
        super().train(mode)
        self.extractor[: self._num_frozen].eval()
        return self

    def new_layers(self) -> list[nn.Module]:
        """List the layers whose weights do not come from a pretrained backbone."""
        projection = self.perception_branch[-1].proj
        assert isinstance(projection, nn.Module)
        return [projection, *(layer for layer in (self.attention_branch, self.mixer) if layer is not None)]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the stages, from the input on; `tap` takes those from the split on."""
        return BLOCKS

    def preprocess(self, clips: Tensor) -> Tensor:
        """Return normalised clips themselves: they are what an X3D takes."""
        return clips

    def tap(self, layer: str) -> Tap:
        """Say where the features of a layer are: "split", which is h1, or a stage from the split on.

        Raises:
            ValueError: there is no such layer, or it lies before the split.
        """
        behind = 0 if layer == "split" else self._index(layer) - len(self.extractor) + 1
        if behind < 0:
            raise ValueError(f"layer: expected split or a stage behind it, got {layer!r}, which lies before it")
        return Tap(self.perception_branch[behind - 1] if behind else self.extractor, identity)

    def steps(self) -> list[tuple[str, list[nn.Module]]]:
        """List all layers with weights by name, from the logits to the stem; each layer once."""
        split, head = len(self.extractor), self.perception_branch[-1]
        inner = [layer for name, layer in head.named_children() if name != "proj"]
        steps = [("projection", [layer for name, layer in head.named_children() if name == "proj"]), ("head", inner)]
        steps += [(name, [self.perception_branch[at - split]]) for at, name in enumerate(BLOCKS) if at >= split][::-1]
        if self.mixer is not None:
            steps.append(("mixer", [self.mixer]))
        if self.attention_branch is not None:
            steps.append(("attention branch", [self.attention_branch]))
        return steps + [(BLOCKS[at], [self.extractor[at]]) for at in reversed(range(split))]

    def _index(self, layer: str) -> int:
        if layer not in self.layers:
            raise ValueError(f"layer: expected split or one of {', '.join(self.layers)}, got {layer!r}")
        return self.layers.index(layer)

    @property
    def class_centroids(self) -> tuple[Tensor, ...]:
        """Return the sets of class centroids, each (L, D).

        They are none, one, or one that pulls and one that pushes.
        """
        return tuple(each for each in (self.centroids, self.push_centroids) if each is not None)

    def forward(self, clips: Tensor) -> Output:
        """Return logits, maps and features of normalised clips, float32 (B, 3, T, S, S)."""
        return self.answer(self.extractor(clips))

    def answer(self, h1: Tensor) -> Output:
        """Return logits, maps and features of h1, the extractor's (B, C, T, h, w)."""
        if self.attention_branch is None:
            no_maps = h1[:, :0]  # (B, 0, T, h, w)
            return Output(None, self.perceive(h1, no_maps), no_maps, None)
        attention_logits, maps, features = self.attention_branch(h1)
        logits, even_logits = self.perceive(h1, maps), None
        if self.training and self.with_even:
            with _as_tested(self.perception_branch):
                even = even_weights(h1.detach(), maps.detach(), self.attention_apply).expand_as(maps)
                even_logits = self.perceive(h1, even)
        return Output(attention_logits, logits, maps, features, even_logits)

    def perceive(self, h1: Tensor, maps: Tensor) -> Tensor:
        """Return the logits y_p of features h1 under given attention maps.

        The maps may be those that the attention branch computes for h1, or any others.

        Args:
            h1: (B, C, T, h, w).
            maps: (B, M, T, h, w).

        Returns:
            y_p before softmax, (B, L).
        """
        if self.attention_branch is None:
            return self.perception_branch(h1)
        h2 = apply_map(h1, maps, self.attention_apply) if self.mixer is None else self.mixer(h1, maps)
        return self.perception_branch(h2)


def _out_channels(stage: nn.Module) -> int:
    """Return how many channels a residual stage yields."""
    convs = [module for module in stage.modules() if isinstance(module, nn.Conv3d)]
    return convs[-1].out_channels


@contextmanager
def _as_tested(layers: nn.Module) -> Iterator[None]:
    """Compute with layers in evaluation mode, and put each layer's mode back.

    What the network says under an even weight is asked for as it will be tested: with BatchNorm's running statistics,
    which it leaves alone, and without dropout.
    """
    modes = {layer: layer.training for layer in layers.modules()}
    layers.eval()
    try:
        yield
    finally:
        for layer, training in modes.items():
            layer.training = training
