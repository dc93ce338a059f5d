"""A small network of one's own, with random weights: `objabn explain VIDEO --model docs/models/own_model.py:load`."""

from torch import Tensor, nn


class Network(nn.Module):
    def __init__(self, num_classes: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 16, (3, 7, 7), (1, 4, 4), (1, 3, 3)), nn.BatchNorm3d(16), nn.ReLU())
        self.body = nn.Sequential(nn.Conv3d(16, 32, 3, 2, 1), nn.BatchNorm3d(32), nn.ReLU())
        self.classifier = nn.Linear(32, num_classes)

    def forward(self, clips: Tensor) -> Tensor:  # (B, 3, 16, 112, 112), normalised as Kinetics' clips are
        return self.classifier(self.body(self.stem(clips)).mean(dim=(2, 3, 4)))


def load() -> nn.Module:
    return Network()
