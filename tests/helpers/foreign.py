"""A network that is no X3D, as small as one can be: what is asked of any network is asked of it first."""

import torch
from torch import Tensor, nn

from objabn.model.interface import Output, Tap, identity

CLASSES = ("a", "b", "c")
T, SIZE, GRID = 4, 32, 4  # frames and pixels of its clips; cells a side of its split


class Tokens(nn.Module):
    """A layer of tokens (B, 1 + t h w, C) behind a class token, which it yields in a tuple beside their grid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, channels))
        self.norm, self.mix = nn.LayerNorm(channels), nn.Linear(channels, channels)

    def forward(self, features: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        tokens = torch.cat([self.token.expand(len(features), -1, -1), features.flatten(2).mT], dim=1)
        return self.mix(self.norm(tokens)).tanh(), tuple(features.shape[2:])


class Foreign(nn.Module):
    """A stem, a block at half of the frames and a layer of tokens, each with the next in place.

    Args:
        halved: whether its split has 2 steps for 4 frames, else as many as frames.
    """

    attention_branch = None
    layers = ("stem", "block", "tokens")
    map_size = GRID

    def __init__(self, seed: int = 0, *, halved: bool = True) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.stem = nn.Conv3d(3, 6, (1, 4, 4), stride=(1, 4, 4))
        step = 2 if halved else 1
        self.block = nn.Sequential(nn.ReLU(inplace=True), nn.Conv3d(6, 8, (step, 2, 2), stride=(step, 2, 2)))
        self.tokens, self.head = Tokens(8), nn.Linear(8, len(CLASSES))
        self.map_frames = T // step
        for weight in self.parameters():
            nn.init.normal_(weight, 0.05, 0.4)
        self.eval()

    def preprocess(self, clips: Tensor) -> Tensor:
        return 2 * clips

    def forward(self, clips: Tensor) -> Output:
        features = self.block(self.stem(self.preprocess(clips)))
        tokens, _ = self.tokens(features)
        return Output(None, self.head(tokens[:, 1:].mean(dim=1) + tokens[:, 0]), features[:, :0], None)

    def tap(self, layer: str) -> Tap:
        if layer == "tokens":
            return Tap(self.tokens, lambda values: values[:, 1:].mT.unflatten(2, (self.map_frames, GRID, GRID)))
        if layer not in ("split", *self.layers):
            raise ValueError(f"layer: expected split or one of {', '.join(self.layers)}, got {layer!r}")
        return Tap(self.stem if layer == "stem" else self.block, identity)

    def steps(self) -> list[tuple[str, list[nn.Module]]]:
        return [(name, [getattr(self, name)]) for name in ("head", *self.layers[::-1])]


def some_clips(number: int = 2, seed: int = 0) -> Tensor:
    """Draw normalised clips."""
    return torch.randn(number, 3, T, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
