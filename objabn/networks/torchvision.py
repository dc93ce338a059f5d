"""Adapt torchvision's video networks: r3d_18, mc3_18, r2plus1d_18, s3d, mvit_v2_s and swin3d_t.

    network = load("r2plus1d_18", weights="r2plus1d_18-91a641e6.pth")

Weights are a file of torchvision's; nothing is downloaded. Another number of classes than Kinetics' 400 is taken from
the file's last layer.
"""

from typing import NamedTuple

import torch
from torch import nn
from torchvision.models import get_model, get_model_weights

from objabn.networks.adapter import KINETICS_MEAN, KINETICS_STD, Adapter
from objabn.networks.grids import Grid, as_it_is, channels_last, tokens
from objabn.networks.tracing import UNREAD, Trace, trace_on_meta
from objabn.networks.weights import RANDOM, fill, read_state
from objabn.system.downloads import bring, torch_path
from objabn.system.files import file_digest

KIND = "torchvision"
KINETICS_CLASSES = 400


class Known(NamedTuple):
    """What a network of torchvision's was trained on, and where its classes are.

    Attributes:
        num_frames, size: of its clips. mean, std: of pixels in [0, 1].
        classifier: the weight of the last layer, whose first length is the number of classes.
    """

    num_frames: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classifier: str


_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.45,) * 3, (0.225,) * 3
_KINETICS = KINETICS_MEAN, KINETICS_STD
NETWORKS = {
    "r3d_18": Known(16, 112, *_KINETICS, "fc.weight"),
    "mc3_18": Known(16, 112, *_KINETICS, "fc.weight"),
    "r2plus1d_18": Known(16, 112, *_KINETICS, "fc.weight"),
    "s3d": Known(16, 224, *_KINETICS, "classifier.1.weight"),
    "mvit_v2_s": Known(16, 224, *_HALF, "head.1.weight"),
    "swin3d_t": Known(16, 224, *_IMAGENET, "head.weight"),
}


def load(
    name: str,
    *,
    weights: str | None = None,
    num_frames: int | None = None,
    size: int | None = None,
    layer: str | None = None,
    num_classes: int | None = None,
) -> Adapter:
    """Load a network of torchvision's.

    Args:
        name: one of `NETWORKS`.
        weights: a file, "random", or None: torchvision's own, where torch keeps its downloads.
        num_frames, size: of the clips; None as it was trained.
        layer: of Grad-CAM; None: the last that has cells.
        num_classes: of random weights; None: 400.

    Raises:
        ValueError: an unknown name; weights that are not there or do not fit; clips that it does not take; a layer that
            it has not.
    """
    module, class_names, digests = build(name, weights=weights, num_classes=num_classes)
    network = adapt(name, module, num_frames=num_frames, size=size, layer=layer, class_names=class_names)
    network.digests = digests
    return network


def build(
    name: str, *, weights: str | None = None, num_classes: int | None = None
) -> tuple[nn.Module, tuple[str, ...] | None, dict[str, str]]:
    """Build a module with its weights, in evaluation mode.

    Arguments and errors are those of `load`.

    Returns:
        the module, the names of its classes (None where they are not known), the digest of the file of weights.
    """
    if name not in NETWORKS:
        raise ValueError(f"{KIND}:{name}: expected one of {', '.join(NETWORKS)}, got {name!r}")
    if weights == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return get_model(name, weights=None, num_classes=num_classes or KINETICS_CLASSES).eval(), None, {}
    path = _own_weights(name) if weights is None else weights
    state = read_state(path)
    classifier = state.get(NETWORKS[name].classifier)
    if classifier is None or classifier.dim() < 2:
        raise ValueError(f"{path}: does not fit {KIND}:{name}: it has no {NETWORKS[name].classifier}")
    module = get_model(name, weights=None, num_classes=len(classifier)).eval()
    fill(module, state, path, f"{KIND}:{name}")
    categories = next(iter(get_model_weights(name))).meta["categories"] if len(classifier) == KINETICS_CLASSES else None
    return module, categories and tuple(categories), {"weights": file_digest(path)}


def _own_weights(name: str) -> str:
    """Where torch keeps torchvision's own weights of Kinetics. Raises: ValueError when they are not there."""
    url = next(iter(get_model_weights(name))).url
    path = torch_path(url)
    if not path.is_file():
        raise ValueError(
            f"{KIND}:{name}: expected its weights, got none; {bring(url, path, 'weights')}; "
            "random weights are for a trial alone"
        )
    return str(path)


def adapt(
    name: str,
    module: nn.Module,
    *,
    num_frames: int | None = None,
    size: int | None = None,
    layer: str | None = None,
    class_names: tuple[str, ...] | None = None,
) -> Adapter:
    """Adapt a module of a kind that torchvision has.

    Its depth and widths may be others. Arguments are those of `load`.

    Raises:
        ValueError: it does not take such clips, or has no such layer.
    """
    known = NETWORKS[name]
    frames, pixels = num_frames or known.num_frames, size or known.size
    spec = f"{KIND}:{name}"
    usual = f"it was made for {known.num_frames} frames of {known.size} pixels"
    try:
        seen = trace_on_meta(module, (1, 3, frames, pixels, pixels), spec)
    except ValueError as error:
        raise ValueError(f"{spec}: does not take {frames} frames of {pixels} pixels, {usual} ({error})") from error
    places = _places(name, seen)
    return Adapter(
        module, num_frames=frames, size=pixels, mean=known.mean, std=known.std, layer=layer or places.layer,
        split=places.split, grid=places.grids, class_names=class_names, spec=spec,
        seen=seen._replace(unfit=dict.fromkeys(places.unread, UNREAD)),
    )  # fmt: skip


class Places(NamedTuple):
    """Layers that have a grid, the default layer and split among them, and those that no logit reads."""

    grids: dict[str, Grid]
    layer: str
    split: str
    unread: frozenset[str] = frozenset()


def _places(name: str, seen: Trace) -> Places:
    if name == "mvit_v2_s":
        return _mvit(seen)
    if name == "swin3d_t":
        names = ["patch_embed", *_children(seen, "features"), "norm"]  # stages stand between mergings of patches
        return Places(dict.fromkeys(names, channels_last()), "norm", names[-4])
    if name == "s3d":
        names = _children(seen, "features")
        return Places(dict.fromkeys(names, as_it_is()), names[-1], names[-4])  # names[-3] halves the grid
    names = ["stem", "layer1", "layer2", "layer3", "layer4"]
    return Places(dict.fromkeys(names, as_it_is()), "layer4", "layer3")


def _children(seen: Trace, parent: str) -> list[str]:
    """Names of a module's children that ran, in their order."""
    return [name for name in seen.order if name.startswith(f"{parent}.") and name.count(".") == 1]


def _mvit(seen: Trace) -> Places:
    """Find the grids of an MViT: each block says the grid of its tokens, behind one class token.

    Behind the last block only the class token is read, so the last layer with a map is that block's first norm. The
    split is the last block on a finer grid than the last.
    """
    blocks = _children(seen, "blocks")
    sizes = [seen.outputs[block][1] for block in blocks]  # (t, h, w)
    first = seen.outputs["conv_proj"].shape[2:]
    grids: dict[str, Grid] = {}
    for block, before, size in zip(blocks, [tuple(first), *sizes], sizes, strict=False):
        grids[f"{block}.norm1"] = tokens(*before, class_tokens=1)
        grids[block] = tokens(*size, class_tokens=1)
    finer = [block for block, size in zip(blocks, sizes, strict=True) if size != sizes[-1]]
    return Places(grids, f"{blocks[-1]}.norm1", (finer or blocks[:-1])[-1], frozenset({blocks[-1], "norm"}))
