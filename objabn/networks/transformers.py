"""Adapt video networks of the library transformers: VideoMAE, TimeSformer, ViViT and V-JEPA 2, with their classifier.

    network = load("FOLDER")        # as `save_pretrained` writes it, or `hf download NAME --local-dir FOLDER`

Pixels are normalised as the checkpoint's processor does it, which is not run itself: clips are cropped and resized as
for all networks here, so logits differ a little from those behind the processor's own resizing.
"""

from typing import Any

from torch import nn

from objabn.networks.adapter import Adapter
from objabn.networks.checkpoints import (
    KIND,
    NETWORKS,
    Known,
    Pixels,
    build,
    check_library,
    folder_of,
    kind_of,
    pixels_of,
    without_predictor,
)
from objabn.networks.grids import Grid, frames_in_batch, places_in_batch, tokens, tokens_time_fastest
from objabn.networks.hf_files import settings_of, weights_of
from objabn.networks.tracing import UNREAD, trace_on_meta
from objabn.networks.weights import RANDOM
from objabn.system.files import file_digest


def load(
    checkpoint: str,
    *,
    weights: str | None = None,
    num_frames: int | None = None,
    size: int | None = None,
    layer: str | None = None,
    num_classes: int | None = None,
) -> Adapter:
    """Load a checkpoint of transformers.

    Args:
        checkpoint: a folder, or the name of a checkpoint in the library's cache.
        weights: None: the folder's; "random"; or another file for the folder's config.
        num_frames, size: None, or what the config says: these networks take one size.
        layer: of Grad-CAM; None: the last whose cells the logits read.
        num_classes: of random weights; None: as the config says.

    Raises:
        ValueError: the library or the folder is not there; another kind of network, or one without classes; weights
            that do not fit; clips that it does not take; a layer that it has not.
    """
    spec = f"{KIND}:{checkpoint}"
    folder = folder_of(checkpoint)
    known = kind_of(folder)
    check_library(spec)
    read = [*settings_of(folder), *(weights_of(folder) if weights is None else [])]
    module = build(folder, known, weights, num_classes, spec)
    network = adapt(module, pixels=pixels_of(folder, known), layer=layer, spec=spec)
    for key, given in (("num_frames", num_frames), ("size", size)):
        if given not in (None, getattr(network, key)):
            sees = f"it sees {network.num_frames} frames of {network.size} pixels"
            raise ValueError(f"{spec}: {key}, expected {getattr(network, key)}, since {sees}, got {given}")
    network.digests = {path.name: file_digest(path) for path in read}
    if weights not in (None, RANDOM):
        network.digests["weights"] = file_digest(str(weights))
    return network


def adapt(module: nn.Module, *, pixels: Pixels | None = None, layer: str | None = None, spec: str = "") -> Adapter:
    """Adapt a network of the library's, of a kind in `NETWORKS`.

    Args:
        pixels: None: as the kind's processor treats them by default.
        layer: of Grad-CAM; None: the last whose cells the logits read.

    Raises:
        ValueError: the network does not attend as its kind does by default, has no classes, or has no such layer.
    """
    config: Any = module.config
    known = NETWORKS[config.model_type]
    without_predictor(module)
    spec = spec or known.architecture
    frames, size, grid = sizes_of(config)
    if getattr(config, "attention_type", "divided_space_time") != "divided_space_time":
        raise ValueError(f"{spec}: attention_type, expected divided_space_time, got {config.attention_type}")
    seen = trace_on_meta(module, (1, frames, 3, size, size), spec)
    grids, default, unread = _places(config, known, grid)
    seen = seen._replace(unfit=dict.fromkeys(unread, UNREAD))
    names = [str(name) for _, name in sorted(config.id2label.items(), key=lambda item: int(item[0]))]
    return Adapter(
        module, num_frames=frames, size=size, grid=grids, layer=layer or default,
        split=f"{known.layers}.{max(config.num_hidden_layers * 2 // 3 - 1, 0)}",
        class_names=names, preprocess=pixels or Pixels(*known[2:]), spec=spec, seen=seen,
    )  # fmt: skip


def sizes_of(config: Any) -> tuple[int, int, tuple[int, int, int]]:
    """Tell frames and pixels of the clips, and the grid (t, h, w) of their tokens."""
    frames = config.frames_per_clip if config.model_type == "vjepa2" else config.num_frames
    size = config.crop_size if config.model_type == "vjepa2" else config.image_size
    size = size if isinstance(size, int) else size[0]
    tubelet = getattr(config, "tubelet_size", 1)  # TimeSformer has a token for each frame
    steps, patch = (tubelet, config.patch_size) if isinstance(tubelet, int) else tubelet[:2]
    patch = patch if isinstance(patch, int) else patch[0]
    return frames, size, (frames // steps, size // patch, size // patch)


def _places(config: Any, known: Known, grid: tuple[int, int, int]) -> tuple[dict[str, Grid], str, frozenset[str]]:
    """Find the layers' grids by name, the default layer, and the layers of which no logit reads a cell.

    Where the classifier reads one token, nothing reads the last layer's others: then the last layer with a map is its
    first norm, behind which all tokens attend to each other.
    """
    kind, last = config.model_type, config.num_hidden_layers - 1
    layers = [f"{known.layers}.{number}" for number in range(last + 1)]
    first = known.layers.partition(".")[0]
    if kind == "vjepa2":
        names = [f"{first}.encoder.embeddings", *layers, f"{first}.encoder.layernorm"]
        return dict.fromkeys(names, tokens(*grid)), names[-1], frozenset()
    norms = [f"{layer}.layernorm_before" for layer in layers]
    unread = frozenset({layers[-1], f"{first}.layernorm"})
    if kind == "timesformer":
        grids = dict.fromkeys([f"{first}.embeddings", *layers], tokens_time_fastest(*grid))
        grids |= {f"{layer}.temporal_layernorm": places_in_batch(*grid[1:]) for layer in layers}
        return grids | dict.fromkeys(norms, frames_in_batch(*grid)), norms[-1], unread
    cells = tokens(*grid, class_tokens=int(kind == "vivit"))
    grids = dict.fromkeys([f"{first}.embeddings", *layers, *norms], cells)
    if kind == "videomae" and config.use_mean_pooling:
        return grids, layers[-1], frozenset()
    return grids, norms[-1], unread
