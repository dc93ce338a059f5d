"""Define the attention branch: class logits and attention maps from the features h1.

Shapes: B batch, C channels of h1, T/h/w grid of h1 and of the maps, M maps, L classes, D feature size. T is the clip's
number of frames, or less with a backbone that steps over frames.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from objabn.config.schema import Model


class AttentionBranch(nn.Module):
    """Compute class logits and attention maps from the features h1.

    The branch consists of residual blocks and of ABN's head. The head makes class maps. Pooled class maps give the
    logits, and the same class maps give the attention maps.

    Args:
        in_channels: C.
        config: the block `model` of params.yaml, of which the branch reads the keys that begin with `attention_`,
            `class_pool` and `feature_pool`.
        num_classes: L.
        priors: for each of the M maps the value in (0, 1) near which the map starts. 0.5 leaves the map's BatchNorm as
            ABN has it. A map that is to be dark but for a small object has a long way to go from 0.5.
        blocks: residual blocks from C to D channels with their first weights; None makes those of an X3D.
    """

    def __init__(
        self,
        in_channels: int,
        config: Model,
        num_classes: int,
        priors: Sequence[float],
        blocks: nn.Module | None = None,
    ) -> None:
        super().__init__()
        channels = config.attention_channels
        self._class_pool, self._feature_pool = config.class_pool, config.feature_pool
        own_blocks = blocks is None
        if blocks is None:
            from objabn.model.x3d import residual_stage

            blocks = residual_stage(in_channels, channels, config.attention_depth)
        self.blocks = blocks
        self.class_maps = nn.Sequential(
            nn.BatchNorm3d(channels),
            nn.Conv3d(channels, num_classes, kernel_size=1, bias=False),
            nn.BatchNorm3d(num_classes),
            nn.ReLU(),
        )
        three = config.attention_convs == 3
        self.classifier = nn.Conv3d(num_classes, num_classes, kernel_size=1) if three else None
        norm = nn.BatchNorm3d(len(priors))
        self.map_head = nn.Sequential(
            nn.Conv3d(num_classes, len(priors), kernel_size=(1, 3, 3), padding=(0, 1, 1), bias=False),
            norm,
            nn.Sigmoid(),
        )
        if own_blocks:
            from objabn.model.x3d import init_weights, set_final_gammas

            init_weights(self)
            set_final_gammas(self.blocks, config.attention_gamma)
        else:
            self._init_head()
        with torch.no_grad():
            norm.bias.copy_(torch.tensor(priors).logit())

    def _init_head(self) -> None:
        """Draw the head's weights as those of an X3D's branch are drawn."""
        for part in (self.class_maps, self.classifier, self.map_head):
            for layer in part.modules() if part is not None else ():
                if isinstance(layer, nn.Conv3d):
                    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                    if layer.bias is not None:
                        nn.init.zeros_(layer.bias)

    def forward(self, h1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, attention maps and pooled features of h1.

        Args:
            h1: (B, C, T, h, w).

        Returns:
            Logits (B, L), maps (B, M, T, h, w) in [0, 1] and features f, (B, D), or (B, D T h w) where
            `feature_pool` is "flatten".
        """
        blocks = self.blocks(h1)  # (B, D, T, h, w)
        norm, conv, scale, relu = self.class_maps
        scores = scale(conv(norm(blocks)))  # (B, L, T, h, w)
        # Without a convolution of their own the logits are the pooled scores, which may be negative, as logits must:
        # pooled here, since the ReLU works in place.
        logits = pooled(scores, self._class_pool) if self.classifier is None else None
        class_maps = relu(scores)  # (B, L, T, h, w)
        if self.classifier is not None:
            logits = pooled(self.classifier(class_maps), self._class_pool)
        # bfloat16 has no value between 0.996 and 1: there the sigmoid would be 1, and its gradient 0.
        with torch.autocast("cpu" if h1.is_meta else h1.device.type, enabled=False):  # it does not know "meta"
            maps = self.map_head(class_maps.float())
        assert logits is not None
        return logits, maps, pooled(blocks, self._feature_pool)


def pooled(values: Tensor, how: str) -> Tensor:
    """Pool values over time and place.

    Returns float (B, C) of (B, C, T, h, w), or (B, C T h w) for "flatten".

    Args:
        how: "mean", "max" or "flatten".

    >>> import torch
    >>> values = torch.tensor([1.0, 5.0]).reshape(1, 1, 1, 1, 2)
    >>> [pooled(values, how).tolist() for how in ("mean", "max", "flatten")]
    [[[3.0]], [[5.0]], [[1.0, 5.0]]]
    """
    if how == "flatten":
        return values.flatten(1)
    return values.amax(dim=(2, 3, 4)) if how == "max" else values.mean(dim=(2, 3, 4))
