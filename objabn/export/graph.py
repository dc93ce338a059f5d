"""Trace a network to a graph of plain operators that takes batches of any size.

Shapes: B clips, T frames, S pixels, L classes, M maps, h/w their grid.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from objabn.config.schema import Data
from objabn.model.fast_layers import DepthwiseConv3d, PointwiseConv3d, TemporalConv3d
from objabn.model.interface import VideoNetwork, frame_maps
from objabn.networks.adapter import Adapter
from objabn.networks.tracing import call

CLIPS, LOGITS, MAPS = "clips", "logits", "maps"  # names of the graph's input and outputs
BATCH = "batch"  # name of the axis that may have any size
_FAST = (DepthwiseConv3d, PointwiseConv3d, TemporalConv3d)  # of an X3D; each computes what an nn.Conv3d does


class _Graph(nn.Module):
    """A network as the graph has it: `outputs` of clips."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, clips: Tensor) -> tuple[Tensor, ...]:
        if not isinstance(self.network, Adapter):
            return outputs(self.network, clips)
        # Not the adapter's own `forward`: it counts the logits' rows, which would make their number a constant.
        said = call(self.network.module, self.network.preprocess(clips))
        return (said["logits"] if isinstance(said, Mapping) else getattr(said, "logits", said),)


class _Mean(nn.Module):
    """nn.AdaptiveAvgPool3d(1) without torch's strides, which ONNX would have to gather."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean(dim=(2, 3, 4), keepdim=True)


def output_names(network: VideoNetwork) -> tuple[str, ...]:
    """Name the outputs of a network's graph: logits, and maps where it has any."""
    return (LOGITS,) if network.attention_branch is None else (LOGITS, MAPS)


def outputs(network: VideoNetwork, clips: Tensor) -> tuple[Tensor, ...]:
    """Return what the graph is to say of clips, as the network itself says it.

    Args:
        clips: normalised, float32 (B, 3, T, S, S).

    Returns:
        float32, logits (B, L), and maps (B, M, T, h, w) in [0, 1] of a network with an attention branch. A map of fewer
        steps than frames has each step's for all frames that it has seen.
    """
    output = network(clips)
    if network.attention_branch is None:
        return (output.perception_logits,)
    return output.perception_logits, frame_maps(output.maps, clips.shape[2])


def trace(network: VideoNetwork, data: Data) -> ExportedProgram:
    """Trace a network on the CPU, in evaluation mode, by plain operators.

    The network itself is left alone.

    Args:
        network: on the CPU. data: the clips that it takes.

    Raises:
        ValueError: it cannot be copied or traced, or takes no batch of another size.
    """
    graph = _Graph(_plain(network)).eval()
    clips = torch.zeros(1).expand(2, 3, data.num_frames, data.crop, data.crop)  # a file holds them, so one number
    sizes = {CLIPS: {0: Dim(BATCH, min=1)}}
    with torch.no_grad(), _no_fused_transformers():
        try:
            return torch.export.export(graph, (clips,), dynamic_shapes=sizes, strict=False)
        except Exception as error:  # torch raises many kinds, and a network of the user's any
            reason = " ".join(str(error).split())[:300]
        try:  # a network that asks for the length of a tensor; takes three times as long
            return torch.export.export(graph, (clips,), dynamic_shapes=sizes, strict=True)
        except Exception as error:
            raise ValueError(f"export: expected a network that torch.export can trace, got {reason}") from error


@contextmanager
def _no_fused_transformers() -> Iterator[None]:
    """Keep torch from computing an nn.TransformerEncoderLayer by one operator, which ONNX has not."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _plain(network: VideoNetwork) -> nn.Module:
    """Copy a network with torch's own layers, in contiguous memory."""
    try:
        plain: nn.Module = copy.deepcopy(network)  # type: ignore[assignment]
    except Exception as error:  # whatever a network of the user's holds
        raise ValueError(f"export: expected a network that can be copied, got {error}") from error
    for layer in list(plain.modules()):
        if isinstance(layer, _FAST):
            layer.__class__ = nn.Conv3d  # type: ignore[assignment]
        for name, child in layer.named_children():
            if isinstance(child, nn.AdaptiveAvgPool3d) and child.output_size in (1, (1, 1, 1)):
                setattr(layer, name, _Mean())
    for value in (*plain.parameters(), *plain.buffers()):
        value.data = value.data.contiguous()
    return plain
