"""Build the six blocks of an X3D, and load pretrained weights.

This is the only module that imports pytorchvideo.
"""

import hashlib
import math
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from objabn.config.schema import BLOCKS, Model
from objabn.model.backbone import Backbone
from objabn.model.interface import identity
from objabn.model.pretrained import STATE, fitting, read_checkpoint
from objabn.system.downloads import bring, not_whole, torch_path
from objabn.system.locks import one_at_a_time

with warnings.catch_warnings():  # pytorchvideo's swish is a torch.jit.script function: torch 2.15 deprecates it
    warnings.simplefilter("ignore", category=FutureWarning)
    warnings.simplefilter("ignore", category=DeprecationWarning)
    from pytorchvideo.models.hub.x3d import checkpoint_paths
    from pytorchvideo.models.weight_init import init_net_weights
    from pytorchvideo.models.x3d import create_x3d, create_x3d_res_stage

KINETICS = "kinetics400"  # `model.pretrained` for pytorchvideo's X3D-M
_EXPECTED = f"{KINETICS}, null or the path of a checkpoint"
_BOTTLENECK_FACTOR = 2.25  # X3D's: inner channels over outer channels


def x3d_blocks(
    *, num_classes: int, num_frames: int, crop: int, width_factor: float, depth_factor: float, dropout: float,
    pretrained: str | None = None,
) -> list[nn.Module]:  # fmt: skip
    """Build the six blocks of an X3D, with a new projection to the classes.

    The blocks are stem, res2, res3, res4, res5 and the head without softmax. The projection yields L logits.

    Args:
        num_frames, crop: of the input clip; they fix the head's pooling.
        pretrained: "kinetics400" (pytorchvideo's zoo, X3D-M), a path of a checkpoint of that format, or None.

    Raises:
        ValueError: when the checkpoint cannot be read or any of its keys but the projection's does not fit.
    """
    net = create_x3d(
        model_num_class=num_classes,
        input_clip_length=num_frames,
        input_crop_size=crop,
        width_factor=width_factor,
        depth_factor=depth_factor,
        dropout_rate=dropout,
        head_activation=None,
    )
    pool = net.blocks[-1].pool.pool
    pool.kernel_size = tuple(int(size) for size in pool.kernel_size)  # with NumPy's integers torch.compile gives up
    if pretrained is not None:
        _load_backbone(net, pretrained)
    return list(net.blocks)


def x3d_backbone(config: Model, *, num_classes: int, num_frames: int, crop: int) -> Backbone:
    """Build an X3D as stages.

    Args:
        config: the block `model` of params.yaml.
        num_frames, crop: of the clips.

    Raises:
        ValueError: as `x3d_blocks`.
    """
    blocks = x3d_blocks(
        num_classes=num_classes,
        num_frames=num_frames,
        crop=crop,
        width_factor=config.width_factor,
        depth_factor=config.depth_factor,
        dropout=config.dropout,
        pretrained=config.pretrained,
    )
    at = BLOCKS.index(config.split) + 1
    return Backbone(
        stages=tuple(blocks),
        names=BLOCKS,
        grids=(identity,) * len(BLOCKS),
        at=at,
        channels=_out_channels(blocks[at - 1]),
        map_frames=num_frames,  # no stage halves time
        map_size=math.ceil(crop / 2**at),  # the stem and each stage halve the grid
        is_x3d=True,
    )


def _out_channels(stage: nn.Module) -> int:
    """Return how many channels a residual stage yields."""
    convs = [module for module in stage.modules() if isinstance(module, nn.Conv3d)]
    return convs[-1].out_channels


def check_backbone(path: str, *, num_frames: int, crop: int, width_factor: float, depth_factor: float) -> None:
    """Check that the checkpoint at a path fits an X3D, which takes no memory itself.

    Raises:
        ValueError: as `x3d_blocks`.
    """
    clip = {"input_clip_length": num_frames, "input_crop_size": crop}
    with torch.device("meta"):
        net = create_x3d(model_num_class=2, width_factor=width_factor, depth_factor=depth_factor, **clip)
    _fitting(net, read_checkpoint(path, _EXPECTED), path)


def _load_backbone(net: nn.Module, source: str) -> None:
    """Load all weights but those of the head's projection.

    The projection of the checkpoint has another number of classes.
    """
    checkpoint = _download() if source == KINETICS else read_checkpoint(source, _EXPECTED)
    net.load_state_dict(_fitting(net, checkpoint, source), strict=False)


def downloaded_digest(pretrained: str | None) -> dict[str, str]:
    """Return the SHA-256 of a downloaded backbone by its URL.

    Downloads the backbone if it is not there yet. Returns nothing for a backbone that is a file of the user's.

    Args:
        pretrained: `model.pretrained`.

    Raises:
        ValueError: the file cannot be downloaded.
    """
    if pretrained != KINETICS:
        return {}
    url, path = _zoo_file()
    with path.open("rb") as file:
        return {url: f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"}


def _zoo_file() -> tuple[str, Path]:
    """Return URL and path of pytorchvideo's X3D-M, which is downloaded into torch's cache if it is not there.

    One process of a machine downloads it, and the others wait.

    Raises:
        ValueError: the file cannot be downloaded.
    """
    url = checkpoint_paths["x3d_m"]
    path = torch_path(url)
    if path.is_file():
        return url, path
    try:
        with one_at_a_time(path.parent):
            if not path.is_file():
                print(f"{path}: downloading {url}", flush=True)
                torch.hub.download_url_to_file(url, str(path), progress=False)
    except Exception as error:  # no connection, a full disk, no right to write
        reason = str(error).partition("\n")[0]
        expected = f"model.pretrained: expected pytorchvideo to download {url}, got {reason}"
        raise ValueError(f"{expected}; {bring(url, path, 'model.pretrained')}") from error
    return url, path


def _download() -> Any:
    """Return what pytorchvideo's X3D-M holds.

    Raises:
        ValueError: the file cannot be downloaded, or what lies in the cache is no checkpoint.
    """
    url, path = _zoo_file()
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for files that are not its own
        got = not_whole(path) or f"a file that torch cannot read ({type(error).__name__})"
        raise ValueError(f"{path}: expected the file of {url}, got {got}; remove it and fetch it again") from error


def _fitting(net: nn.Module, checkpoint: Any, source: str) -> dict[str, torch.Tensor]:
    """Return a checkpoint's weights but those of the head's projection. Raises: ValueError when one does not fit."""
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(STATE), dict):
        raise ValueError(f"{source}: expected a checkpoint with the key {STATE} (pytorchvideo's format)")
    return fitting(net, checkpoint[STATE], ("blocks.5.proj.weight", "blocks.5.proj.bias"), source)


def residual_stage(in_channels: int, channels: int, depth: int) -> nn.Module:
    """Build a stage of `depth` residual blocks of X3D.

    The stage maps float (B, in_channels, T, h, w) to (B, channels, T, h, w).
    """
    return create_x3d_res_stage(
        depth=depth,
        dim_in=in_channels,
        dim_inner=int(_BOTTLENECK_FACTOR * channels),
        dim_out=channels,
        conv_stride=(1, 1, 1),
    )


def init_weights(module: nn.Module) -> None:
    """Initialise a module's weights as pytorchvideo initialises an X3D."""
    init_net_weights(module)


def set_final_gammas(stage: nn.Module, gamma: float) -> None:
    """Set the weight of each residual block's last BatchNorm.

    0, as X3D is initialised: a block starts as its shortcut alone. 1, as in ABN's released code: as a block.
    """
    for layer in stage.modules():
        if isinstance(layer, nn.BatchNorm3d) and getattr(layer, "block_final_bn", False):
            nn.init.constant_(layer.weight, gamma)
