"""A network of tokens, which takes other clips: `objabn explain VIDEO --model docs/models/own_tokens.py:load`."""

import torch
from torch import Tensor, nn

from objabn.networks.adapter import Adapter
from objabn.networks.grids import tokens


class Tokens(nn.Module):
    def __init__(self, num_classes: int = 8, width: int = 32, cells: int = 4 * 7 * 7) -> None:
        super().__init__()
        self.patches = nn.Conv3d(3, width, (2, 16, 16), stride=(2, 16, 16))
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 1 + cells, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, nhead=4, dim_feedforward=64, batch_first=True)
        self.blocks = nn.Sequential(layer, nn.TransformerEncoderLayer(width, 4, 64, batch_first=True))
        self.head = nn.Linear(width, num_classes)

    def forward(self, video: Tensor) -> dict[str, Tensor]:  # (B, T, 3, S, S), pixels from -1 to 1
        cells = self.patches(video.transpose(1, 2)).flatten(2).transpose(1, 2)
        first = self.class_token.expand(len(cells), -1, -1)
        return {"logits": self.head(self.blocks(torch.cat([first, cells], dim=1) + self.positions)[:, 0])}


def load() -> Adapter:
    return Adapter(
        Tokens(),
        num_frames=8,
        size=112,
        preprocess=lambda pixels: (2 * pixels - 1).transpose(1, 2),  # of pixels (B, 3, T, S, S) from 0 to 1
        grid=tokens(4, 7, 7, class_tokens=1),
        layer="blocks.0",  # behind the last block only the class token is read
    )
