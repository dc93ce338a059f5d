"""Build an attention branch's residual blocks of plain 3-D convolutions, for backbones other than X3D."""

from itertools import pairwise

from torch import Tensor, nn

from objabn.config.schema import Model


class PlainBlock(nn.Module):
    """Two convolutions of 3 x 3 x 3 with BatchNorm and ReLU, and a shortcut beside them: (B, C, T, h, w) -> D channels.

    Args:
        gamma: weight with which the last BatchNorm starts; with 0 the block starts as its shortcut alone.
    """

    def __init__(self, in_channels: int, channels: int, gamma: float) -> None:
        super().__init__()
        last = nn.BatchNorm3d(channels)
        self.convs = nn.Sequential(
            nn.Conv3d(in_channels, channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm3d(channels),
            nn.ReLU(),
            nn.Conv3d(channels, channels, kernel_size=3, padding=1, bias=False),
            last,
        )
        self.shortcut = nn.Sequential()
        if in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv3d(in_channels, channels, kernel_size=1, bias=False), nn.BatchNorm3d(channels)
            )
        self.relu = nn.ReLU()
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        nn.init.constant_(last.weight, gamma)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, D, T, h, w) of x, (B, C, T, h, w)."""
        return self.relu(self.convs(x) + self.shortcut(x))


def plain_blocks(in_channels: int, config: Model) -> nn.Sequential:
    """Build `attention_depth` blocks in a row.

    Args:
        in_channels: C of h1.
        config: the block `model` of params.yaml; D is its `attention_channels`.
    """
    widths = [in_channels, *[config.attention_channels] * config.attention_depth]
    gamma = config.attention_gamma
    return nn.Sequential(*(PlainBlock(before, after, gamma) for before, after in pairwise(widths)))
