"""A small 3-D ResNet in plain torch, as an example of a backbone of your own.

`model.backbone: docs/models/small_r3d.py:backbone` in params.yaml trains it with an attention branch. All that is asked
of such a file: a function that takes the number of classes and returns an `nn.Sequential` whose children have names.
The last child is the head, which turns features into logits and ends with a linear layer; the others are the stages,
one of which is `model.split`. The network takes clips (B, 3, T, S, S), normalised as x = (RGB / 255 - 0.45) / 0.225.

With 8 classes it has 905,016 parameters. It makes of 8 frames of 112 pixels, as channels x time x height x width:

    stem     16 x 8 x 56 x 56
    layer1   16 x 8 x 56 x 56
    layer2   32 x 4 x 28 x 28
    layer3   64 x 4 x 14 x 14
    layer4  128 x 2 x  7 x  7
"""

from collections import OrderedDict

from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128)
STRIDES = ((1, 1, 1), (2, 2, 2), (1, 2, 2), (2, 2, 2))  # time, height, width


class BasicBlock(nn.Module):
    """Two 3 x 3 x 3 convolutions, and a shortcut beside them."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv3d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm3d(outputs),
            nn.ReLU(),
            nn.Conv3d(outputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm3d(outputs),
        )
        self.shortcut = nn.Sequential()  # empty: it gives what it gets
        if inputs != outputs or stride != (1, 1, 1):
            self.shortcut = nn.Sequential(
                nn.Conv3d(inputs, outputs, kernel_size=1, stride=stride, bias=False), nn.BatchNorm3d(outputs)
            )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, outputs, T', h, w) of x, (B, inputs, T, H, W)."""
        return self.relu(self.convs(x) + self.shortcut(x))


def backbone(num_classes: int) -> nn.Sequential:
    """Build the network with random weights."""
    stages: dict[str, nn.Module] = {
        "stem": nn.Sequential(
            nn.Conv3d(3, WIDTHS[0], kernel_size=(3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
            nn.BatchNorm3d(WIDTHS[0]),
            nn.ReLU(),
        )
    }
    inputs = WIDTHS[0]
    for number, (width, stride) in enumerate(zip(WIDTHS, STRIDES, strict=True), 1):
        stages[f"layer{number}"] = BasicBlock(inputs, width, stride)
        inputs = width
    stages["head"] = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(inputs, num_classes))
    network = nn.Sequential(OrderedDict(stages))
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return network
