"""Take VideoMAE and V-JEPA 2, of the library transformers, apart into stages of tokens.

Shapes: B clips, T frames, S pixels, C channels, t/h/w the grid of the tokens.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from objabn.clips.geometry import MEAN, STD
from objabn.networks import checkpoints
from objabn.networks.grids import tokens
from objabn.networks.stages import HEAD, Apply, First, Renormalise, Staged, in_a_row, refuse_class_token, refuse_token
from objabn.networks.transformers import sizes_of
from objabn.segmentation.segmenters import hub


def of_transformers(checkpoint: str, num_classes: int, num_frames: int, crop: int, weights: str | None) -> Staged:
    """Take a checkpoint's network of transformers apart.

    Args:
        checkpoint: a folder, or the name of a checkpoint in the library's cache.
        num_frames, crop: T and S of the clips.
        weights: a folder whose weights it gets, but for the classifier; None: as the network draws them.

    Raises:
        ValueError: the library or the folder is not there; another kind of network; one with a class token, or for
            other clips; weights that do not fit.
    """
    spec = f"{checkpoints.KIND}:{checkpoint}"
    folder = checkpoints.folder_of(checkpoint)
    config, known = _config_of(folder)
    kind = config["model_type"]
    refuse_class_token(kind, spec)
    if kind == "videomae" and not config.get("use_mean_pooling", True):
        refuse_token(spec, "its first token (use_mean_pooling false)")
    checkpoints.check_library(spec)
    module, drawn = _module(folder, known.architecture, num_classes, weights)
    frames, size, grid = sizes_of(module.config)
    if (num_frames, crop) != (frames, size):
        expected = f"expected data.num_frames {frames} and data.crop {size}, which {spec} sees"
        raise ValueError(f"model.backbone: {expected}, got {num_frames} and {crop}")
    return take_checkpoint_apart(module, checkpoints.pixels_of(folder, known), grid)._replace(drawn=drawn)


def take_checkpoint_apart(module: Any, pixels: checkpoints.Pixels, grid: tuple[int, int, int]) -> Staged:
    """Take a VideoMAE (which averages its tokens) or V-JEPA 2 with classes apart.

    Args:
        pixels: how its processor treats pixels.
        grid: t, h, w of its tokens.
    """
    # Pixels are STD c + MEAN of a clip c.
    renormalise = Renormalise(STD * pixels.scale, MEAN * pixels.scale + pixels.shift, frames_first=True)
    if module.config.model_type == "vjepa2":
        encoder = module.vjepa2.encoder
        prefix, unused = "vjepa2.encoder", "vjepa2.predictor."
        stages: dict[str, nn.Module] = {f"{prefix}.embeddings": nn.Sequential(renormalise, encoder.embeddings)}
        stages |= {f"{prefix}.layer.{number}": First(layer) for number, layer in enumerate(encoder.layer)}
        stages[f"{prefix}.layernorm"] = encoder.layernorm
        head = nn.Sequential(module.pooler, module.classifier)
        module.vjepa2.predictor = nn.Identity()  # classes are told without it
    else:
        inner, unused = module.videomae, "-"
        stages = {"videomae.embeddings": nn.Sequential(renormalise, _Embeddings(inner.embeddings))}
        stages |= {f"videomae.encoder.layer.{number}": layer for number, layer in enumerate(inner.encoder.layer)}
        head = nn.Sequential(Apply(lambda values: values.mean(dim=1)), module.fc_norm, module.classifier)
    network, names = in_a_row({**stages, HEAD: head})
    return Staged(network, names, module, tokens(*grid), lambda cells: cells.flatten(2).transpose(1, 2), unused)


class _Embeddings(nn.Module):
    """VideoMAE's, of all patches."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, clips: Tensor) -> Tensor:
        return self.layer(clips, None)


def _config_of(folder: Path) -> tuple[dict[str, Any], checkpoints.Known]:
    """Read a checkpoint's config, with classes or without, and tell its kind. Raises: ValueError for another."""
    path = folder / hub.CONFIG
    if not path.is_file():
        raise ValueError(f"{folder}: expected {hub.CONFIG}, got no such file")
    config = hub.read_config(folder)
    if (kind := config.get("model_type")) not in checkpoints.NETWORKS:
        raise ValueError(f"{path}: model_type, expected one of {', '.join(checkpoints.NETWORKS)}, got {kind!r}")
    return config, checkpoints.NETWORKS[kind]


def _module(folder: Path, architecture: str, num_classes: int, weights: str | None) -> tuple[Any, tuple[str, ...]]:
    """Build a network with a new classifier, and what else behind its layers a checkpoint without classes lacks.

    Returns it as float32, whatever the checkpoint has, and the names of what it lacks besides the classifier.
    """
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    kind = getattr(transformers, architecture)
    settings: dict[str, Any] = {"local_files_only": True, "num_labels": num_classes}
    try:
        config = kind.config_class.from_pretrained(str(folder), **settings)
        if weights is None:
            return kind(config).float(), ()
        module, found = kind.from_pretrained(
            weights, config=config, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True,
            local_files_only=True,
        )  # fmt: skip
    except Exception as error:  # values or files that the library does not take
        reason = str(error).strip().partition("\n")[0]
        source = weights or folder
        raise ValueError(
            f"{source}: expected a checkpoint of {architecture}, got {type(error).__name__}: {reason}"
        ) from error
    lacking = {*found["missing_keys"], *(str(each[0]) for each in found["mismatched_keys"])}
    inner = {key for key in lacking if key.startswith(f"{kind.base_model_prefix}.") and ".predictor." not in key}
    if inner:
        raise ValueError(f"{weights}: {len(inner)} keys are missing or of another shape, first: {min(inner)}")
    behind = {key for key in lacking if not key.startswith("classifier.") and ".predictor." not in key}
    return module, tuple(sorted(behind))
