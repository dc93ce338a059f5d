"""Count the arithmetic and the memory traffic of a network, by tensors that have shapes and no memory.

On torch's `meta` device each operation runs with its shapes and computes nothing, and the layers are plain `nn.Conv3d`,
as on a GPU. Bytes: each operation reads its inputs once and writes its outputs once; a view moves nothing. Kernels that
read twice (BatchNorm's) move more; caches and fused operations (`torch.compile`) move less.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import conv_flop_count, flop_registry

from objabn.config.rows import MAPS
from objabn.config.schema import Dataset
from objabn.config.segmenters import Detectron2, Torchvision
from objabn.model.run import Run, model_of_shapes
from objabn.segmentation.segmenters.detectron2 import MODEL as DETECTRON2
from objabn.training.losses import settings, total_loss

FLOAT_BYTES = {"32-true": 4, "bf16-mixed": 2}  # of an activation, by precision
_ADAM_BYTES = 7 * 4  # a parameter: weight, gradient and two moments are read, three are written, always float32
_R50 = "maskrcnn_resnet50_fpn"
_LONG_EDGE, _MULTIPLE = 1333, 32  # pixels: most of a frame's long edge; of what images are padded to a multiple


class Operations(TorchDispatchMode):
    """Add up the operations that run inside: `flops` (a multiply-add is two), `floats` and `others` (bytes) moved."""

    flops = floats = others = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func.is_view or func.name().startswith("aten::empty"):
            return out
        for tensor in tree_iter((args, kwargs, out)):
            if isinstance(tensor, Tensor):
                elements = _elements(tensor)
                if tensor.is_floating_point():
                    self.floats += elements
                else:
                    self.others += elements * tensor.element_size()
        if func is torch.ops.aten.convolution_backward.default:
            self.flops += _of_gradients(*args)
        elif count := flop_registry.get(func._overloadpacket):
            self.flops += count(*args, **kwargs, out_val=out)
        return out


def _elements(tensor: Tensor) -> int:
    """Elements in memory: an expanded axis is there once."""
    return math.prod(size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)


def _of_gradients(gradient: Tensor, x: Tensor, weight: Tensor, *rest: Any) -> int:
    """FLOPs of a convolution's gradients. torch's own count (2.15) takes a grouped convolution for a full one."""
    transposed, mask = rest[4], rest[7]
    return sum(mask[:2]) * conv_flop_count(list(x.shape), list(weight.shape), list(gradient.shape), transposed)


@dataclass(frozen=True)
class Work:
    """What a clip costs: forward, and in a step of training (forward, backward and its share of Adam)."""

    parameters: int
    forward_flops: int
    step_flops: int
    forward_floats: int  # numbers moved, 2 or 4 bytes each
    step_floats: int
    step_others: int  # bytes of what precision does not change: labels, Adam
    kept_floats: int  # numbers that the forward pass keeps for the backward pass


def count_row(params: Dataset, attention: str, num_classes: int, *, pc: bool = False) -> Work:
    """Count one step of training of a row, in about a second and without its memory."""
    data, size = params.data, params.train.batch_size
    network = model_of_shapes(Run(params, attention, pc, 0), num_classes).train()
    with torch.device("meta"):
        clips = torch.empty(size, 3, data.num_frames, data.crop, data.crop).to(memory_format=torch.channels_last_3d)
        labels = torch.empty(size, dtype=torch.int64)
        grid = torch.empty(size, network.map_frames, network.map_size, network.map_size)
    own = {value.untyped_storage()._cdata for value in network.parameters()}
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if (storage := tensor.untyped_storage())._cdata not in own and tensor.is_floating_point():
            saved[storage._cdata] = storage.nbytes() // tensor.element_size()
        return tensor

    with Operations() as done, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(clips)
        forward = done.flops, done.floats
        total_loss(
            output, labels, attention=attention, union_masks=grid if "o" in MAPS[attention] else None,
            centroids=network.class_centroids, **settings(params),
        )[0].backward()  # fmt: skip
    trained = sum(value.numel() for value in network.parameters() if value.requires_grad)
    return Work(
        parameters=sum(value.numel() for value in network.parameters()),
        forward_flops=forward[0] // size,
        step_flops=done.flops // size,
        forward_floats=forward[1] // size,
        step_floats=done.floats // size,
        step_others=(done.others + _ADAM_BYTES * trained // params.train.accumulate) // size,
        kept_floats=sum(saved.values()) // size,
    )


def segmenter_flops(params: Dataset) -> tuple[int, int] | None:
    """Count Mask R-CNN R50-FPN: FLOPs of a frame, and of each instance's mask; None for other segmenters."""
    segment, sides = params.segment, (params.decode.height, params.decode.width)
    name = _R50 if isinstance(segment, Detectron2) and segment.model == DETECTRON2 else getattr(segment, "model", "")
    if not isinstance(segment, Detectron2 | Torchvision) or name not in (_R50, f"{_R50}_v2"):
        return None
    from torchvision.models import detection

    scale = min(segment.short_edge / min(sides), _LONG_EDGE / max(sides))
    padded = [_MULTIPLE * math.ceil(int(scale * side) / _MULTIPLE) for side in sides]
    with torch.device("meta"), torch.no_grad():
        network = getattr(detection, name)(weights=None, weights_backbone=None).eval()
        heads = network.roi_heads
        with Operations() as frame:
            network.rpn.head(list(network.backbone(torch.empty(1, 3, *padded)).values()))
            heads.box_predictor(heads.box_head(torch.empty(segment.proposals, 256, 7, 7)))
        with Operations() as mask:
            heads.mask_predictor(heads.mask_head(torch.empty(1, 256, 14, 14)))
    return frame.flops, mask.flops
