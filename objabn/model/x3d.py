"""Build the six blocks of an X3D, and load pretrained weights.

This is the only module that imports pytorchvideo.
"""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

with warnings.catch_warnings():  # pytorchvideo's swish is a torch.jit.script function: torch 2.15 deprecates it
    warnings.simplefilter("ignore", category=FutureWarning)
    warnings.simplefilter("ignore", category=DeprecationWarning)
    from pytorchvideo.models.hub.x3d import checkpoint_paths
    from pytorchvideo.models.weight_init import init_net_weights
    from pytorchvideo.models.x3d import create_x3d, create_x3d_res_stage

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
    if pretrained is not None:
        _load_backbone(net, pretrained)
    return list(net.blocks)


def _load_backbone(net: nn.Module, source: str) -> None:
    """Load all weights but those of the head's projection.

    The projection of the checkpoint has another number of classes.
    """
    if source == "kinetics400":
        checkpoint: Any = torch.hub.load_state_dict_from_url(checkpoint_paths["x3d_m"], map_location="cpu")
    else:
        if not Path(source).is_file():
            raise ValueError(
                f"model.pretrained: expected kinetics400, null or the path of a checkpoint, got {source!r}"
            )
        try:
            checkpoint = torch.load(source, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds for files that are not its own
            raise ValueError(f"{source}: expected a PyTorch checkpoint, got {type(error).__name__}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model_state"), dict):
        raise ValueError(f"{source}: expected a checkpoint with the key model_state (pytorchvideo's format)")
    head = ("blocks.5.proj.weight", "blocks.5.proj.bias")
    weights = {key: value for key, value in checkpoint["model_state"].items() if key not in head}
    shapes = {key: value.shape for key, value in net.state_dict().items() if key not in head}
    faults = [f"{key} is missing" for key in shapes.keys() - weights.keys()]
    faults += [f"{key} is not in the model" for key in weights.keys() - shapes.keys()]
    faults += [
        f"{key} has shape {tuple(weights[key].shape)}, expected {tuple(shapes[key])}"
        for key in shapes.keys() & weights.keys()
        if weights[key].shape != shapes[key]
    ]
    if faults:
        raise ValueError(f"{source}: {len(faults)} keys do not fit the model, first: {min(faults)}")
    net.load_state_dict(weights, strict=False)


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
