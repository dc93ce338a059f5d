"""What both sides compute on: networks, clips and maps that are the same in every process and with every library.

All numbers come from `numpy.random.RandomState`, whose stream does not change with versions, and none from a default of
torch. So the tests compute the same again without the peers.

Shapes: B clips, T frames, S crop in pixels, N maps, h/w their grid.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from objabn.networks.adapter import Adapter
from objabn.networks.grids import tokens

CLASSES = 5
TINY = {
    "videomae": ("videomae.encoder.layer.0", "videomae.encoder.layer.1"),
    "timesformer": ("timesformer.encoder.layer.0", "timesformer.encoder.layer.1.layernorm_before"),
    "vivit": ("vivit.layers.0", "vivit.layers.1.layernorm_before"),
    "vjepa2": ("vjepa2.encoder.layer.0", "vjepa2.encoder.layernorm"),
}
# What they give is a tuple, of which pytorch-grad-cam takes no gradient.
TUPLES = {
    ("torchvision:mvit_v2_s", "blocks.13"),
    ("transformers:timesformer, tiny", "timesformer.encoder.layer.0"),
    ("transformers:vjepa2, tiny", "vjepa2.encoder.layer.0"),
}


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Numbers in [0, 1), float64, the same for ever."""
    return np.random.RandomState(seed).random_sample(shape)


def filled(module: nn.Module) -> nn.Module:
    """The module with weights of fixed numbers (as He's, uniform), biases 0, norms 1; in evaluation mode."""
    with torch.no_grad():
        for number, (name, weight) in enumerate(module.named_parameters()):
            if weight.dim() < 2:
                weight.fill_(0.0 if "bias" in name else 1.0)
                continue
            half = (6 * weight.shape[0] / weight.numel()) ** 0.5
            weight.copy_(torch.from_numpy((2 * numbers(*weight.shape, seed=number) - 1) * half))
    return module.eval()


def clips(num_frames: int, size: int) -> Tensor:
    """Normalised clips of coarse blocks that change, float32 (B, 3, T, S, S); of large ones one, else two."""
    coarse = numbers(1 if size > 112 else 2, 3, num_frames // 2, 7, 7)
    blocks = coarse.repeat(2, axis=2).repeat(-(-size // 7), axis=3).repeat(-(-size // 7), axis=4)
    return torch.from_numpy((blocks[..., :size, :size] - 0.45) / 0.225).float()


class Convolutions(nn.Module):
    """Two convolutions with a ReLU, and a classifier of the mean; 8 frames of 16 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv3d(3, 6, 3, stride=(1, 2, 2), padding=1), nn.ReLU())
        self.two = nn.Sequential(nn.Conv3d(6, 8, 3, stride=(2, 2, 2), padding=1), nn.ReLU())
        self.head = nn.Linear(8, CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.two(self.one(clips)).mean(dim=(2, 3, 4)))


class Tokens(nn.Module):
    """A small ViT for videos: tubelets of 2 x 4 x 4, a class token, two layers; 8 frames of 16 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv3d(3, 16, (2, 4, 4), stride=(2, 4, 4))
        self.first = nn.Parameter(torch.zeros(1, 1, 16))
        layers = [nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, norm_first=True) for _ in "12"]
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        values = self.embed(clips).flatten(2).transpose(1, 2)  # (B, t h w, C)
        values = torch.cat([self.first.expand(len(values), -1, -1), values], dim=1)
        for layer in self.layers:
            values = layer(values)
        return self.head(values[:, 0])


class Case(NamedTuple):
    """A network, and the layers whose maps are compared."""

    build: Callable[[], Adapter]
    layers: tuple[str, ...]
    tested: tuple[str, ...] = ()  # of these the maps' values are kept for the tests


def _torchvision(name: str, num_frames: int, size: int) -> Callable[[], Adapter]:
    def build() -> Adapter:
        from objabn.networks.choice import load_network

        given = {"num_frames": num_frames, "size": size, "num_classes": CLASSES}
        network = load_network(f"torchvision:{name}", weights="random", **given)
        filled(network.module)
        return network

    return build


def _transformers(name: str) -> Callable[[], Adapter]:
    def build() -> Adapter:
        from objabn.networks.transformers import adapt
        from tests.helpers.tiny_video import of_transformers

        return adapt(filled(of_transformers(name, CLASSES).module)).eval()

    return build


def _convolutions() -> Adapter:
    return Adapter(filled(Convolutions()), num_frames=8, size=16, mean=0.45, std=0.225)


def _tokens() -> Adapter:
    grid = tokens(4, 4, 4, class_tokens=1)
    return Adapter(filled(Tokens()), num_frames=8, size=16, mean=0.45, std=0.225, grid=grid, layer="layers.1.norm1")


CASES = {
    "two convolutions": Case(_convolutions, ("one", "two"), tested=("two",)),
    "small ViT": Case(_tokens, ("layers.0", "layers.1.norm1"), tested=("layers.0", "layers.1.norm1")),
    **{
        f"torchvision:{name}": Case(_torchvision(name, 8, 112), ("layer2", "layer3", "layer4"))
        for name in ("r3d_18", "mc3_18", "r2plus1d_18")
    },
    "torchvision:s3d": Case(_torchvision("s3d", 16, 224), ("features.8", "features.12", "features.15")),
    "torchvision:swin3d_t": Case(_torchvision("swin3d_t", 8, 112), ("features.2", "features.4", "norm")),
    "torchvision:mvit_v2_s": Case(
        _torchvision("mvit_v2_s", 16, 224), ("blocks.12.norm1", "blocks.15.norm1", "blocks.13")
    ),
    **{f"transformers:{name}, tiny": Case(_transformers(name), layers) for name, layers in TINY.items()},
}


def maps_and_truth() -> tuple[np.ndarray, np.ndarray]:
    """Maps whose values all differ, float64 (N, h, w) in [0, 1), and masks that are not empty, bool (N, h, w)."""
    maps, masks = numbers(8, 7, 7, seed=1) ** 2, numbers(8, 7, 7, seed=2) < 0.2
    masks[:, 3, 3] = True
    return maps, masks


def odd_maps_and_truth() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Maps (h, w) of which the definitions say different things, by what they are."""
    maps, masks = maps_and_truth()
    left, two = np.zeros((7, 7), bool), np.full((7, 7), 0.25)
    left[:, :3] = True
    two[3, [0, 6]] = 0.75
    return {
        "two highest cells, one of them on the truth": (two, left),
        "the same everywhere": (np.full((7, 7), 0.5), left),
        "no truth": (maps[0], np.zeros_like(masks[0])),
    }


def flipped() -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Clips of `two convolutions`, its maps (B, T, h, w), distinct in each frame, and each clip's class."""
    return clips(8, 16), numbers(2, 8, 4, 4, seed=3), np.array([0, 3])
