"""Take networks apart into stages in a row, so that an attention branch can stand behind one of them.

Stages in a row give the network's own logits. Their names are those that `tap` of an adapter takes, too, so that
`model.split` and `gradcam.layer` name the same places for a network that is trained here as for one that is not. A
network that reads its answer from a class token cannot be taken apart: the token would pass beside the maps.

Shapes: B clips, T frames, S pixels, C channels, t/h/w the grid of a stage.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor, nn
from torchvision.models import get_model

from objabn.clips.geometry import MEAN, STD
from objabn.model.pretrained import classifier_of
from objabn.networks import torchvision
from objabn.networks.grids import Grid, as_it_is, channels_last
from objabn.networks.own import call

HEAD = "head"
WITH_CLASS_TOKEN = ("mvit_v2_s", "timesformer", "vivit")


class Staged(NamedTuple):
    """A network as stages.

    Attributes:
        network: the stages, the last one the head; a child's name is the stage's, with _ in place of a point.
        names: of the stages but the head.
        original: the network as its library or file has it, with the same weights: files name weights as it does.
        to_grid, from_grid: turn a stage's output into (B, C, t, h, w), and that back.
        unused: how names of weights begin that a file may have and that no answer depends on.
        drawn: weights besides the classifier's that `model.pretrained` does not bring.
        shapes: (1, C, t, h, w) of what each stage gives of one clip, by its name; None where that is no grid of cells.
    """

    network: nn.Sequential
    names: tuple[str, ...]
    original: nn.Module
    to_grid: Grid = as_it_is()
    from_grid: Grid | None = None
    unused: str = "-"
    drawn: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...] | None] = MappingProxyType({})


def in_a_row(stages: Mapping[str, nn.Module]) -> tuple[nn.Sequential, tuple[str, ...]]:
    """Put stages in a row; returns them and their names, both as of `Staged`."""
    children = OrderedDict((name.replace(".", "_"), stage) for name, stage in stages.items())
    return nn.Sequential(children), tuple(stages)[:-1]


def refuse_class_token(kind: str, spec: str) -> None:
    """Raise ValueError for a kind of network that cannot be taken apart."""
    if kind in WITH_CLASS_TOKEN:
        refuse_token(spec, "a class token")


def refuse_token(spec: str, token: str) -> NoReturn:
    """Raise ValueError for a network that reads its answer from one token."""
    expected = "expected a network that reads its answer from the cells that a map weights"
    raise ValueError(f"model.backbone: {expected}, got {spec}, which reads it from {token}")


class Renormalise(nn.Module):
    """Turn clips as all networks here take them into those that a network was trained on.

    Args:
        scale, shift: of each channel, float of 3 numbers.
        frames_first: whether it takes (B, T, 3, S, S).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor, *, frames_first: bool = False) -> None:
        super().__init__()
        self.register_buffer("scale", scale.float().reshape(1, 3, 1, 1, 1), persistent=False)
        self.register_buffer("shift", shift.float().reshape(1, 3, 1, 1, 1), persistent=False)
        self._frames_first = frames_first

    def forward(self, clips: Tensor) -> Tensor:
        """Return normalised clips (B, 3, T, S, S) as the network takes them."""
        own = clips * self.scale + self.shift
        return own.transpose(1, 2) if self._frames_first else own


class Apply(nn.Module):
    """Apply a function without weights."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, values: Tensor) -> Tensor:
        """Return what the function makes of values."""
        return self._function(values)


class First(nn.Module):
    """Take the first entry of what a layer gives."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, values: Tensor) -> Tensor:
        """Return the layer's first output."""
        return self.layer(values)[0]


def of_torchvision(name: str, num_classes: int) -> Staged:
    """Take a network of torchvision's apart, with weights as it draws them.

    Raises:
        ValueError: an unknown name, or a network with a class token.
    """
    spec = f"{torchvision.KIND}:{name}"
    refuse_class_token(name, spec)
    if name not in torchvision.NETWORKS:
        known = [each for each in torchvision.NETWORKS if each not in WITH_CLASS_TOKEN]
        raise ValueError(f"model.backbone: {spec}, expected one of {', '.join(known)}, got {name!r}")
    return take_apart(name, get_model(name, weights=None, num_classes=num_classes))


def take_apart(name: str, module: Any) -> Staged:
    """Take a module apart of a kind that torchvision has.

    Its depth and widths may be others.

    Args:
        name: r3d_18, mc3_18, r2plus1d_18, s3d or swin3d_t.
    """
    known = torchvision.NETWORKS[name]
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (known.mean, known.std))
    stages: dict[str, nn.Module] = {}
    if name == "s3d":
        stages |= {f"features.{number}": each for number, each in enumerate(module.features)}
        head = [module.avgpool, module.classifier, Apply(lambda logits: logits.mean(dim=(2, 3, 4)))]
    elif name == "swin3d_t":
        stages["patch_embed"] = nn.Sequential(module.patch_embed, module.pos_drop)
        stages |= {f"features.{number}": each for number, each in enumerate(module.features)}
        stages["norm"] = module.norm
        head = [Apply(channels_last()), module.avgpool, nn.Flatten(), module.head]
    else:
        stages |= {each: getattr(module, each) for each in ("stem", "layer1", "layer2", "layer3", "layer4")}
        head = [module.avgpool, nn.Flatten(), module.fc]
    first = next(iter(stages))
    stages[first] = nn.Sequential(Renormalise(STD / std, (MEAN - mean) / std), stages[first])
    network, names = in_a_row({**stages, HEAD: nn.Sequential(*head)})
    if name != "swin3d_t":
        return Staged(network, names, module)
    return Staged(network, names, module, channels_last(), lambda cells: cells.permute(0, 2, 3, 4, 1))


def of_file(spec: str, num_classes: int) -> Staged:
    """Take the stages that a user's function gives.

    It gives an `nn.Sequential` whose last child is the head.

    Args:
        spec: FILE.py:FUNCTION or package.module:function; the function takes the number of classes.

    Raises:
        ValueError: there is no such function, it raises, or gives something else.
    """
    network = call(spec, num_classes)[0]
    if not isinstance(network, nn.Sequential) or len(network) < 2:
        expected = "expected an nn.Sequential of stages and a head"
        raise ValueError(f"model.backbone: {spec}: {expected}, got a {type(network).__name__}")
    try:
        classifier_of(network[-1])
    except ValueError as error:
        raise ValueError(f"model.backbone: {spec}: {error}") from None
    names = tuple(name for name, _ in network.named_children())
    return Staged(network, names[:-1], network)
