"""Object-ABN: an X3D split into feature extractor and perception branch, with an attention branch between them.

    x -> extractor -> h1 -+-> attention branch -> maps M, logits y_a, features f
                          +-> h1 weighted by M = h2 -> perception branch -> logits y_p

Shapes: B batch, T frames, C channels of h1, S crop in pixels, h/w grid of h1 and of the maps, M maps, L classes,
D feature size. This is the only module that imports pytorchvideo.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from objabn.config.schema import BLOCKS, MAPS
from objabn.model.fast_layers import quicken

with warnings.catch_warnings():  # its swish is a torch.jit.script function, which torch 2.15 deprecates at import
    warnings.simplefilter("ignore", category=FutureWarning)
    warnings.simplefilter("ignore", category=DeprecationWarning)
    from pytorchvideo.models.hub.x3d import checkpoint_paths
    from pytorchvideo.models.weight_init import init_net_weights
    from pytorchvideo.models.x3d import create_x3d, create_x3d_res_stage

_BOTTLENECK_FACTOR = 2.25  # X3D's: inner channels over outer channels


class Output(NamedTuple):
    """What a forward pass yields."""

    attention_logits: Tensor | None  # y_a before softmax, (B, L); None without an attention branch
    perception_logits: Tensor  # y_p before softmax, (B, L): the prediction
    maps: Tensor  # (B, M, T, h, w) in [0, 1]; M is 0 without an attention branch
    features: Tensor | None  # f, (B, D): after the residual blocks, averaged over T, h, w; None likewise


def x3d_blocks(
    *, num_classes: int, num_frames: int, crop: int, width_factor: float, depth_factor: float, dropout: float,
    pretrained: str | None = None,
) -> list[nn.Module]:  # fmt: skip
    """The six blocks of an X3D (stem, res2, res3, res4, res5, head without softmax), with a new projection to L.

    Args:
        num_frames, crop: of the input clip; they fix the head's pooling.
        pretrained: "kinetics400" (pytorchvideo's zoo, X3D-M), a path of a checkpoint of that format, or None.

    Raises:
        ValueError: when the checkpoint cannot be read or any of its keys but the projection's does not fit.
    """
    net = create_x3d(
        model_num_class=num_classes,
        input_clip_length=num_frames,
        input_crop_size=crop,
        width_factor=width_factor,
        depth_factor=depth_factor,
        dropout_rate=dropout,
        head_activation=None,
    )
    if pretrained is not None:
        _load_backbone(net, pretrained)
    return list(net.blocks)


def _load_backbone(net: nn.Module, source: str) -> None:
    """Loads all weights but those of the head's projection, whose number of classes is another."""
    if source == "kinetics400":
        checkpoint: Any = torch.hub.load_state_dict_from_url(checkpoint_paths["x3d_m"], map_location="cpu")
    else:
        if not Path(source).is_file():
            raise ValueError(
                f"model.pretrained: expected kinetics400, null or the path of a checkpoint, got {source!r}"
            )
        try:
            checkpoint = torch.load(source, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds for files that are not its own
            raise ValueError(f"{source}: expected a PyTorch checkpoint, got {type(error).__name__}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model_state"), dict):
        raise ValueError(f"{source}: expected a checkpoint with the key model_state (pytorchvideo's format)")
    head = ("blocks.5.proj.weight", "blocks.5.proj.bias")
    given = {key: value for key, value in checkpoint["model_state"].items() if key not in head}
    own = {key: value.shape for key, value in net.state_dict().items() if key not in head}
    faults = [f"{key} is missing" for key in own.keys() - given.keys()]
    faults += [f"{key} is not in the model" for key in given.keys() - own.keys()]
    faults += [
        f"{key} has shape {tuple(given[key].shape)}, expected {tuple(own[key])}"
        for key in own.keys() & given.keys()
        if given[key].shape != own[key]
    ]
    if faults:
        raise ValueError(f"{source}: {len(faults)} keys do not fit the model, first: {min(faults)}")
    net.load_state_dict(given, strict=False)


class AttentionBranch(nn.Module):
    """Residual blocks, then ABN's head: class logits from pooled class maps, and the attention maps.

    Args:
        in_channels: C. channels: D, of the residual blocks. depth: number of residual blocks.
        num_classes: L.
        priors: for each of the M maps the value in (0, 1) that it starts about. 0.5 leaves the map's BatchNorm as ABN
            has it; a map that is to be dark but for a small object has a long way to go from there.
    """

    def __init__(self, in_channels: int, channels: int, depth: int, num_classes: int, priors: Sequence[float]) -> None:
        super().__init__()
        self.blocks = create_x3d_res_stage(
            depth=depth,
            dim_in=in_channels,
            dim_inner=int(_BOTTLENECK_FACTOR * channels),
            dim_out=channels,
            conv_stride=(1, 1, 1),
        )
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
        init_net_weights(self)
        with torch.no_grad():
            norm.bias.copy_(torch.tensor(priors).logit())

    def forward(self, h1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, L), maps (B, M, T, h, w) in [0, 1] and features (B, D) of h1 (B, C, T, h, w)."""
        blocks = self.blocks(h1)  # (B, D, T, h, w)
        class_maps = self.class_maps(blocks)  # (B, L, T, h, w)
        logits = self.classifier(class_maps).mean(dim=(2, 3, 4))  # (B, L)
        return logits, self.map_head(class_maps), blocks.mean(dim=(2, 3, 4))


def apply_map(h1: Tensor, attention_map: Tensor, how: str = "multiply") -> Tensor:
    """Features weighted by a single attention map: h2_{t,c} = h1_{t,c} M_t; float (B, C, T, h, w).

    Args:
        h1: (B, C, T, h, w).
        attention_map: M_u or M_o, (B, 1, T, h, w) in [0, 1].
        how: "multiply" (the paper's) or "residual" (h1 M + h1, as in ABN's released code).

    Paper: Eq. (1), Sec. 3.1.
    """
    weighted = h1 * attention_map
    return weighted + h1 if how == "residual" else weighted


class MapMixer(nn.Module):
    """Several attention maps applied to h1, and mixed back to C channels by a 1x1x1 convolution.

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
        """h2 (B, C, T, h, w) of h1 (B, C, T, h, w) and maps (B, M, T, h, w).

        Paper, Sec. 3.3: each map on each channel, h1^m_{t,c} = h1_{t,c} M_{m,t}, Eq. (4); concatenated along the
        channels, h1' = cat(h1^1, ..., h1^M), Eq. (5); h2 = conv(h1'), Eq. (6).
        """
        weighted = [apply_map(h1, each[:, None], self.how) for each in maps.unbind(dim=1)]
        return self.conv(torch.cat(weighted, dim=1))  # (B, M C, T, h, w) -> (B, C, T, h, w)


class ObjectABN(nn.Module):
    """The network of one configuration.

    Args:
        attention: "abn" (M_u), "mask" (M_o), "mha" (M_u, M_o, M_b), or "plain", the X3D without an attention branch.
        pc: with trainable class centroids `centroids` (L, D) for the PC loss.
        num_classes: L.
        num_frames, crop: of the clips it will see.
        split: last stage of the extractor, "res2", "res3" or "res4" (the paper's).
        frozen: last block of the extractor whose weights and BatchNorm statistics stay as they are, or None.
        foreground_prior: the value that M_o starts about; M_b starts about 1 - it, M_u about 0.5.
        Others: as in params.yaml.
    """

    def __init__(
        self,
        *,
        attention: str,
        pc: bool,
        num_classes: int,
        num_frames: int,
        crop: int,
        split: str = "res4",
        width_factor: float = 2.0,
        depth_factor: float = 2.2,
        pretrained: str | None = None,
        frozen: str | None = None,
        attention_depth: int = 3,
        attention_channels: int = 192,
        attention_apply: str = "multiply",
        mha_init: str = "default",
        foreground_prior: float = 0.5,
        dropout: float = 0.5,
        centroid_std: float = 1.0,
    ) -> None:
        super().__init__()
        blocks = x3d_blocks(
            num_classes=num_classes,
            num_frames=num_frames,
            crop=crop,
            width_factor=width_factor,
            depth_factor=depth_factor,
            dropout=dropout,
            pretrained=pretrained,
        )
        at = BLOCKS.index(split) + 1
        self.extractor = nn.Sequential(*blocks[:at])
        self.perception_branch = nn.Sequential(*blocks[at:])
        self.attention_apply = attention_apply
        self.attention_branch: AttentionBranch | None = None
        self.mixer: MapMixer | None = None
        self.centroids: nn.Parameter | None = None
        if maps := MAPS[attention]:
            channels = _out_channels(blocks[at - 1])
            starts = {"u": 0.5, "o": foreground_prior, "b": 1 - foreground_prior}
            priors = [starts[name] for name in maps]
            self.attention_branch = AttentionBranch(channels, attention_channels, attention_depth, num_classes, priors)
            if len(maps) > 1:
                self.mixer = MapMixer(channels, len(maps), attention_apply, mha_init)
            if pc:
                self.centroids = nn.Parameter(torch.randn(num_classes, attention_channels) * centroid_std)
        self.map_size = math.ceil(crop / 2**at)  # the stem and each stage halve the grid
        self._num_frozen = 0 if frozen is None else BLOCKS.index(frozen) + 1
        self.extractor[: self._num_frozen].requires_grad_(False)
        quicken(self)
        self.to(memory_format=torch.channels_last_3d)

    def train(self, mode: bool = True) -> "ObjectABN":
        """As `nn.Module.train`, but frozen blocks stay in evaluation mode."""
        super().train(mode)
        self.extractor[: self._num_frozen].eval()
        return self

    def new_layers(self) -> list[nn.Module]:
        """The layers that no pretrained backbone brings."""
        projection = self.perception_branch[-1].proj
        assert isinstance(projection, nn.Module)
        return [projection, *(layer for layer in (self.attention_branch, self.mixer) if layer is not None)]

    def forward(self, clips: Tensor) -> Output:
        """Logits, maps and features of normalised clips, float32 (B, 3, T, S, S)."""
        h1 = self.extractor(clips)  # (B, C, T, h, w)
        if self.attention_branch is None:
            no_maps = h1[:, :0]  # (B, 0, T, h, w)
            return Output(None, self.perceive(h1, no_maps), no_maps, None)
        attention_logits, maps, features = self.attention_branch(h1)
        return Output(attention_logits, self.perceive(h1, maps), maps, features)

    def perceive(self, h1: Tensor, maps: Tensor) -> Tensor:
        """Logits y_p (B, L) of h1 (B, C, T, h, w) under these maps (B, M, T, h, w), its own or others."""
        if self.attention_branch is None:
            return self.perception_branch(h1)
        h2 = apply_map(h1, maps, self.attention_apply) if self.mixer is None else self.mixer(h1, maps)
        return self.perception_branch(h2)


def _out_channels(stage: nn.Module) -> int:
    """Channels that a residual stage yields."""
    convs = [module for module in stage.modules() if isinstance(module, nn.Conv3d)]
    return convs[-1].out_channels
