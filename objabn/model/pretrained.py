"""Read checkpoints of backbones, and find the layer that they do not bring: the one that knows the classes."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from objabn.system.downloads import not_whole

STATE = "model_state"  # key of a checkpoint's weights, as in pytorchvideo's


def read_checkpoint(path: str, expected: str) -> Any:
    """Return what the checkpoint at a path holds.

    Args:
        expected: what `model.pretrained` may be.

    Raises:
        ValueError: there is no such file, or another kind.
    """
    if not Path(path).is_file():
        raise ValueError(f"model.pretrained: expected {expected}, got {path!r}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for files that are not its own
        got = not_whole(Path(path)) or type(error).__name__
        raise ValueError(f"{path}: expected a PyTorch checkpoint, got {got}") from error


def fitting(network: nn.Module, found: Mapping[str, Tensor], head: Collection[str], source: str) -> dict[str, Tensor]:
    """Return a checkpoint's weights but those of some keys.

    Args:
        found: the checkpoint's weights by key.
        head: keys that are left out, of the layer whose size is the number of classes.

    Raises:
        ValueError: a weight does not fit the network, is missing, or is one too many.
    """
    weights = {key: value for key, value in found.items() if key not in head}
    shapes = {key: value.shape for key, value in network.state_dict().items() if key not in head}
    faults = [f"{key} is missing" for key in shapes.keys() - weights.keys()]
    faults += [f"{key} is not in the model" for key in weights.keys() - shapes.keys()]
    faults += [
        f"{key} has shape {tuple(weights[key].shape)}, expected {tuple(shapes[key])}"
        for key in shapes.keys() & weights.keys()
        if weights[key].shape != shapes[key]
    ]
    if faults:
        raise ValueError(f"{source}: {len(faults)} keys do not fit the model, first: {min(faults)}")
    return weights


def classifier_of(head: nn.Module) -> tuple[str, nn.Module]:
    """Return the layer of a head that gives the logits, and its name.

    It is the last linear layer, or convolution, in the order in which they were made.

    Raises:
        ValueError: the head has none.

    >>> classifier_of(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    ('2', Linear(in_features=3, out_features=2, bias=True))
    """
    layers = [(name, each) for name, each in head.named_modules() if isinstance(each, nn.Linear | nn.Conv3d)]
    if not layers:
        raise ValueError(f"head: expected a linear layer to the classes, got {type(head).__name__} without one")
    return layers[-1]
