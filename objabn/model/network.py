"""Define the Object-ABN network: an X3D, or another backbone, with an attention branch.

The backbone is split into a feature extractor and a perception branch. The attention branch stands between these two:

    x -> extractor -> h1 -+-> attention branch -> maps M, logits y_a, features f
                          +-> h1 weighted by M = h2 -> perception branch -> logits y_p

Shapes: B batch, T frames, C channels of h1, S crop in pixels, T'/h/w grid of h1 and of the maps (T' is T of an X3D), M
maps, L classes, D feature size.
"""

from typing import Any, Self

import torch
from torch import Tensor, nn

from objabn.config.rows import MAPS
from objabn.config.schema import Model
from objabn.model.attention_branch import AttentionBranch
from objabn.model.backbone import Backbone, as_tested, beside
from objabn.model.depthwise import fits_channels_last, memory_format, resolve_depthwise
from objabn.model.fast_layers import convolve_by, quicken
from objabn.model.interface import Output, Tap, identity
from objabn.model.pretrained import classifier_of
from objabn.model.weighting import MapMixer, apply_map, even_weights


class ObjectABN(nn.Module):
    """Predict the class of clips by the network of one configuration.

    Args:
        config: the block `model` of params.yaml.
        attention: "abn" (M_u), "mask" (M_o), "mha" (M_u, M_o, M_b), or "plain", the backbone without an attention
            branch.
        pc: with trainable class centroids `centroids` (L, D) for the PC loss; where `train.pc_centroids` is "two" also
            `push_centroids` (L, D), a second set that only pushes.
        num_classes: L.
        num_frames, crop: of the clips that the network will see.
        centroid_std: standard deviation of the normal distribution that the centroids are drawn from.
        push_centroids: whether there is a second set of centroids.
        with_even: in training, `forward` also computes the answer under one even weight (`loss_weights.even`).
        depthwise: `train.depthwise`.
        backbone: None builds the X3D that `config` describes.
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
        backbone: Backbone | None = None,
    ) -> None:
        super().__init__()
        if backbone is None:
            from objabn.model.x3d import x3d_backbone

            backbone = x3d_backbone(config, num_classes=num_classes, num_frames=num_frames, crop=crop)
        stages, at = backbone.stages, backbone.at
        self.extractor = nn.Sequential(*stages[:at], *backbone.to_grid)
        self.perception_branch = nn.Sequential(*backbone.from_grid, *stages[at:])
        self.attention_apply = config.attention_apply
        self.attention_branch: AttentionBranch | None = None
        self.mixer: MapMixer | None = None
        self.centroids: nn.Parameter | None = None
        self.push_centroids: nn.Parameter | None = None
        self.map_size, self.map_frames = backbone.map_size, backbone.map_frames
        self._names, self._grids, self._at = backbone.names, backbone.grids, at
        self._entry = len(backbone.from_grid)  # layers of the perception branch before its first stage
        self.drawn = backbone.drawn  # what pretrained weights lack, as words
        self.with_even = with_even and bool(MAPS[attention])
        if maps := MAPS[attention]:
            channels = backbone.channels
            blocks = backbone.branch_blocks and backbone.branch_blocks(channels, config)
            starts = {"u": 0.5, "o": config.foreground_prior, "b": 1 - config.foreground_prior}
            priors = [starts[name] for name in maps]
            self.attention_branch = AttentionBranch(channels, config, num_classes, priors, blocks)
            if len(maps) > 1:
                settings = config.attention_apply, config.mha_init
                self.mixer = MapMixer(channels, len(maps), *settings, bias=config.mixer_bias)
            if pc:
                cells = self.map_frames * self.map_size**2 if config.feature_pool == "flatten" else 1
                shape = (num_classes, config.attention_channels * cells)
                self.centroids = nn.Parameter(torch.randn(*shape) * centroid_std)
                if push_centroids:
                    self.push_centroids = nn.Parameter(torch.randn(*shape) * centroid_std)
        self._num_frozen = 0 if config.frozen is None else self._names.index(config.frozen) + 1
        self.extractor[: self._num_frozen].requires_grad_(False)
        self._depthwise = depthwise
        for layer in [self] if backbone.is_x3d else [self.attention_branch, self.mixer]:
            if layer is not None:
                quicken(layer)
        self._arrange(torch.channels_last_3d)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move the network as `nn.Module.to`, in the memory format of its device."""
        super().to(*args, **kwargs)
        if "memory_format" not in kwargs:
            device = next(self.parameters()).device
            self._arrange(memory_format(self._depthwise, device))
            convolve_by(self, resolve_depthwise(self._depthwise, device))
        return self

    def _arrange(self, order: torch.memory_format) -> None:
        for part in self.children():
            if fits_channels_last(part):
                part.to(memory_format=order)

    def train(self, mode: bool = True) -> "ObjectABN":
        """Set the mode as `nn.Module.train`, but keep frozen blocks in evaluation mode."""
        super().train(mode)
        self.extractor[: self._num_frozen].eval()
        return self

    def new_layers(self) -> list[nn.Module]:
        """List the layers whose weights do not come from a pretrained backbone."""
        return [self._classifier(), *(layer for layer in (self.attention_branch, self.mixer) if layer is not None)]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names that `tap` takes besides "split".

        They are those of the stages with a grid, from the split on.
        """
        behind = zip(self._names[self._at - 1 :], self._grids[self._at - 1 :], strict=True)
        return tuple(name for name, grid in behind if grid is not None)

    @property
    def stages(self) -> dict[str, nn.Module]:
        """Stages of the backbone by name, the head as "head"."""
        return {name: self._stage(at) for at, name in enumerate(self._names)} | {"head": self.perception_branch[-1]}

    def preprocess(self, clips: Tensor) -> Tensor:
        """Return normalised clips themselves: the first stage takes them."""
        return clips

    def tap(self, layer: str) -> Tap:
        """Say where the features of a layer are.

        The layer is "split", which is h1, or a stage from the split on.

        Raises:
            ValueError: there is no such layer, or it lies before the split.
        """
        if layer != "split" and layer not in self.layers:
            where = ", which lies before the split" if layer in self._names[: self._at - 1] else ""
            raise ValueError(f"layer: expected split or one of {', '.join(self.layers)}, got {layer!r}{where}")
        number = self._at - 1 if layer == "split" else self._names.index(layer)
        if number == self._at - 1:
            return Tap(self.extractor, identity)
        grid = self._grids[number]
        assert grid is not None
        return Tap(self._stage(number), grid)

    def _classifier(self) -> nn.Module:
        return classifier_of(self.perception_branch[-1])[1]

    def _stage(self, number: int) -> nn.Module:
        if number < self._at:
            return self.extractor[number]
        return self.perception_branch[self._entry + number - self._at]

    def steps(self) -> list[tuple[str, list[nn.Module]]]:
        """List all layers with weights by name, from the logits to the stem.

        Each layer comes once.
        """
        classifier, named = self._classifier(), list(enumerate(self._names))
        steps = [("projection", [classifier]), ("head", beside(self.perception_branch[-1], classifier))]
        steps += [(name, [self._stage(number)]) for number, name in named[self._at :][::-1]]
        if self.mixer is not None:
            steps.append(("mixer", [self.mixer]))
        if self.attention_branch is not None:
            steps.append(("attention branch", [self.attention_branch]))
        steps += [(name, [self._stage(number)]) for number, name in named[: self._at][::-1]]
        return [(name, layers) for name, layers in steps if any(list(each.parameters()) for each in layers)]

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
        """Return logits, maps and features of h1, the extractor's (B, C, T', h, w)."""
        if self.attention_branch is None:
            no_maps = h1[:, :0]  # (B, 0, T', h, w)
            return Output(None, self.perceive(h1, no_maps), no_maps, None)
        attention_logits, maps, features = self.attention_branch(h1)
        logits, even_logits = self.perceive(h1, maps), None
        if self.training and self.with_even:
            with as_tested(self.perception_branch):  # with BatchNorm's running statistics, which it leaves alone
                even = even_weights(h1.detach(), maps.detach(), self.attention_apply).expand_as(maps)
                even_logits = self.perceive(h1, even)
        return Output(attention_logits, logits, maps, features, even_logits)

    def perceive(self, h1: Tensor, maps: Tensor) -> Tensor:
        """Return the logits y_p of features h1 under given attention maps.

        The maps may be those that the attention branch computes for h1, or any others.

        Args:
            h1: (B, C, T', h, w).
            maps: (B, M, T', h, w).

        Returns:
            y_p before softmax, (B, L).
        """
        if self.attention_branch is None:
            return self.perception_branch(h1)
        h2 = apply_map(h1, maps, self.attention_apply) if self.mixer is None else self.mixer(h1, maps)
        return self.perception_branch(h2)
