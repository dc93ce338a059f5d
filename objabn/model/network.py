"""Define the Object-ABN network: an X3D with an attention branch.

The X3D is split into a feature extractor and a perception branch. The attention branch stands between these two:

    x -> extractor -> h1 -+-> attention branch -> maps M, logits y_a, features f
                          +-> h1 weighted by M = h2 -> perception branch -> logits y_p

Shapes: B batch, T frames, C channels of h1, S crop in pixels, h/w grid of h1 and of the maps, M maps, L classes,
D feature size.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from objabn.config.rows import MAPS
from objabn.config.schema import BLOCKS, Model
from objabn.model.depthwise import memory_format, resolve_depthwise
from objabn.model.fast_layers import convolve_by, quicken
from objabn.model.x3d import init_weights, residual_stage, x3d_blocks


class Output(NamedTuple):
    """The result of a forward pass."""

    attention_logits: Tensor | None  # y_a before softmax, (B, L); None without an attention branch
    perception_logits: Tensor  # y_p before softmax, (B, L): the prediction
    maps: Tensor  # (B, M, T, h, w) in [0, 1]; M is 0 without an attention branch
    features: Tensor | None  # f, (B, D): after the residual blocks, averaged over T, h, w; None likewise


class AttentionBranch(nn.Module):
    """Compute class logits and attention maps from the features h1.

    The branch consists of residual blocks and of ABN's head. The head makes class maps. Pooled class maps give the
    logits, and the same class maps give the attention maps.

    Args:
        in_channels: C. channels: D, of the residual blocks. depth: number of residual blocks.
        num_classes: L.
        priors: for each of the M maps the value in (0, 1) near which the map starts. 0.5 leaves the map's BatchNorm as
            ABN has it. A map that is to be dark but for a small object has a long way to go from 0.5.
    """

    def __init__(self, in_channels: int, channels: int, depth: int, num_classes: int, priors: Sequence[float]) -> None:
        super().__init__()
        self.blocks = residual_stage(in_channels, channels, depth)
        self.class_maps = nn.Sequential(
            nn.BatchNorm3d(channels),
            nn.Conv3d(channels, num_classes, kernel_size=1, bias=False),
            nn.BatchNorm3d(num_classes),
            nn.ReLU(),
        )
        self.classifier = nn.Conv3d(num_classes, num_classes, kernel_size=1)
        norm = nn.BatchNorm3d(len(priors))
        self.map_head = nn.Sequential(
            nn.Conv3d(num_classes, len(priors), kernel_size=(1, 3, 3), padding=(0, 1, 1), bias=False),
            norm,
            nn.Sigmoid(),
        )
        init_weights(self)
        with torch.no_grad():
            norm.bias.copy_(torch.tensor(priors).logit())

    def forward(self, h1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, attention maps and pooled features of h1.

        Args:
            h1: (B, C, T, h, w).

        Returns:
            Logits (B, L), maps (B, M, T, h, w) in [0, 1] and features (B, D).
        """
        blocks = self.blocks(h1)  # (B, D, T, h, w)
        class_maps = self.class_maps(blocks)  # (B, L, T, h, w)
        logits = self.classifier(class_maps).mean(dim=(2, 3, 4))  # (B, L)
        # bfloat16 has no value between 0.996 and 1: there the sigmoid would be 1, and its gradient 0.
        with torch.autocast("cpu" if h1.is_meta else h1.device.type, enabled=False):  # it does not know "meta"
            maps = self.map_head(class_maps.float())
        return logits, maps, blocks.mean(dim=(2, 3, 4))


def apply_map(h1: Tensor, attention_map: Tensor, how: str = "multiply") -> Tensor:
    """Weight features by a single attention map.

    h2_{t,c} = h1_{t,c} M_t; float (B, C, T, h, w).

    Args:
        h1: (B, C, T, h, w).
        attention_map: M_u or M_o, (B, 1, T, h, w) in [0, 1].
        how: "multiply" (the paper's) or "residual" (h1 M + h1, as in ABN's released code).

    Paper: Eq. (1), Sec. 3.1.
    """
    weighted = h1 * attention_map
    return weighted + h1 if how == "residual" else weighted


class MapMixer(nn.Module):
    """Weight features by several attention maps, and mix the results.

    Each map weights its own copy of h1. A 1x1x1 convolution mixes the M copies back to C channels.

    Args:
        channels: C. num_maps: M. how: as `apply_map`.
        init: "default" or "identity", [I, 0, 0]: h2 starts as h1 weighted by the first map, M_u.
    """

    def __init__(self, channels: int, num_maps: int, how: str = "multiply", init: str = "default") -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv3d(channels * num_maps, channels, kernel_size=1)
        if init == "identity":
            nn.init.zeros_(self.conv.weight)
            assert self.conv.bias is not None
            nn.init.zeros_(self.conv.bias)
            with torch.no_grad():
                self.conv.weight[:, :channels, 0, 0, 0] = torch.eye(channels)

    def forward(self, h1: Tensor, maps: Tensor) -> Tensor:
        """Return the weighted and mixed features h2.

        Shapes: h2 (B, C, T, h, w) of h1 (B, C, T, h, w) and maps (B, M, T, h, w).

        Paper, Sec. 3.3: each map on each channel, h1^m_{t,c} = h1_{t,c} M_{m,t}, Eq. (4); concatenated along the
        channels, h1' = cat(h1^1, ..., h1^M), Eq. (5); h2 = conv(h1'), Eq. (6).
        """
        weighted = [apply_map(h1, attention_map[:, None], self.how) for attention_map in maps.unbind(dim=1)]
        return self.conv(torch.cat(weighted, dim=1))  # (B, M C, T, h, w) -> (B, C, T, h, w)


class ObjectABN(nn.Module):
    """Predict the class of clips by the network of one configuration.

    Args:
        config: the block `model` of params.yaml.
        attention: "abn" (M_u), "mask" (M_o), "mha" (M_u, M_o, M_b), or "plain", the X3D without an attention branch.
        pc: with trainable class centroids `centroids` (L, D) for the PC loss.
        num_classes: L.
        num_frames, crop: of the clips that the network will see.
        centroid_std: standard deviation of the normal distribution that the centroids are drawn from.
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
        if maps := MAPS[attention]:
            channels = _out_channels(blocks[at - 1])
            starts = {"u": 0.5, "o": config.foreground_prior, "b": 1 - config.foreground_prior}
            priors = [starts[name] for name in maps]
            self.attention_branch = AttentionBranch(
                channels, config.attention_channels, config.attention_depth, num_classes, priors
            )
            if len(maps) > 1:
                self.mixer = MapMixer(channels, len(maps), config.attention_apply, config.mha_init)
            if pc:
                self.centroids = nn.Parameter(torch.randn(num_classes, config.attention_channels) * centroid_std)
        self.map_size = math.ceil(crop / 2**at)  # the stem and each stage halve the grid
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

    def forward(self, clips: Tensor) -> Output:
        """Return logits, maps and features of normalised clips, float32 (B, 3, T, S, S)."""
        h1 = self.extractor(clips)  # (B, C, T, h, w)
        if self.attention_branch is None:
            no_maps = h1[:, :0]  # (B, 0, T, h, w)
            return Output(None, self.perceive(h1, no_maps), no_maps, None)
        attention_logits, maps, features = self.attention_branch(h1)
        return Output(attention_logits, self.perceive(h1, maps), maps, features)

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
