"""Mask R-CNN from torchvision, with a local weights file in torchvision's own format: COCO's, or the small `figures`.

The backend's other models, which tell classes apart and no instances, stand in `semantic`.

The network runs as torchvision runs it, but for the last step: its paste rounds boxes to whole pixels, so the 28 x 28
masks go through `paste_masks` instead, straight to the grid.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection import backbone_utils
from torchvision.ops import FrozenBatchNorm2d

from objabn.segmentation.segmenters import semantic
from objabn.segmentation.segmenters.figures_rcnn import figures_rcnn
from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.segmentation.segmenters.rcnn import (
    batch_that_fits,
    by_frame,
    device_of,
    in_bf16,
    in_channels_last,
    upload,
)
from objabn.segmentation.segmenters.state_dicts import MASK_RCNN, SEMANTIC, WEIGHTS, fill, read_state

MODELS = (*MASK_RCNN, "figures")
CATEGORIES = {  # by number of classes in the checkpoint, background included
    91: tuple(detection.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"]),
    2: ("__background__", "person"),
}
CLASS_KEY = "roi_heads.box_predictor.cls_score.weight"


def build(
    *,
    weights: str,
    model: str = "maskrcnn_resnet50_fpn_v2",
    short_edge: int = 800,
    long_edge: int = 1333,
    proposals: int = 1000,
    score_floor: float = 0.05,
    max_instances: int = 100,
    batch_size: int = 4,
    device: str = "auto",
    draws: bool | None = None,
    **_: Any,
) -> Segmenter:
    """Segmenter that runs Mask R-CNN: bf16 arithmetic on CUDA, float32 on the CPU.

    Args:
        weights: zoo (torchvision downloads its COCO weights of `model`, once), or the path of a state_dict (.pth) of
            `model`: torchvision's own, with 91 classes, or one with 2 (person).
        model: maskrcnn_resnet50_fpn_v2, maskrcnn_resnet50_fpn, or figures: the small one of the embedded data, which
            `pretrain.segmenter` trains. A semantic model (`semantic`) needs no more than weights, short_edge,
            batch_size and device.
        short_edge: frames are resized so that their short edge has this many pixels ...
        long_edge: ... and their long edge no more than these.
        proposals: regions a frame that the second stage classifies.
        score_floor: instances must score above this.
        max_instances: most instances a frame, the best scored.
        batch_size: frames a forward pass.
        device: auto (CUDA when there is one), cpu, cuda, cuda:1, ...
        draws: gives score planes, drawn on the device, in place of masks; None on a GPU only.

    Raises:
        ValueError: for an unknown model, or weights that are missing, unreadable, not this model's, or cannot be
            downloaded.
    """
    if model in SEMANTIC:
        return semantic.build(weights=weights, model=model, short_edge=short_edge, batch_size=batch_size, device=device)
    if model not in MODELS:
        raise ValueError(f"torchvision model: expected one of {', '.join((*WEIGHTS, 'figures'))}, got {model!r}")
    state = read_state(weights, model)
    num_classes = _num_classes(state, weights)
    network = _network(
        model,
        num_classes,
        min_size=short_edge,
        max_size=long_edge,
        rpn_post_nms_top_n_test=proposals,
        box_score_thresh=score_floor,
        box_detections_per_img=max_instances,
    )
    _load(network, state, weights, model)
    where = device_of(device)
    network = network.to(where)
    if where.type == "cuda":
        in_channels_last(network, network.backbone)
        run_in_bf16(network, "cuda")
    return segmenter(network, num_classes, batch_size, draws=where.type == "cuda" if draws is None else draws)


def check_weights(weights: str, model: str) -> None:
    """Check that the file of weights at a path fits a model, without memory for the network itself.

    Raises:
        ValueError: as `build`.
    """
    if model in SEMANTIC:
        semantic.check_weights(weights, model)
        return
    state = read_state(weights, model)
    with torch.device("meta"):
        network = _network(model, _num_classes(state, weights))
    _load(network, state, weights, model, assign=True)


def _num_classes(state: dict[str, Tensor], weights: str) -> int:
    """Classes that a state_dict tells apart, background included. Raises: ValueError for another number than ours."""
    num_classes = len(state[CLASS_KEY]) if CLASS_KEY in state else 91
    if num_classes not in CATEGORIES:
        raise ValueError(f"{weights}: expected 91 classes (COCO) or 2 (background, person), got {num_classes}")
    return num_classes


def segmenter(network: detection.MaskRCNN, num_classes: int, batch_size: int, *, draws: bool = False) -> Segmenter:
    """Segmenter around a network as it stands, put into evaluation mode.

    Args:
        num_classes: a key of CATEGORIES.
        batch_size: frames a forward pass.
        draws: gives score planes, drawn on the network's device, in place of masks.
    """
    names = np.array(CATEGORIES[num_classes])
    where = next(network.parameters()).device
    network.eval()

    def segment(frames: np.ndarray, _video: str = "") -> list[Instances]:
        batches = (frames[start : start + batch_size] for start in range(0, len(frames), batch_size))
        with batch_that_fits(batch_size, network.transform.min_size[0]):
            return [instances for batch in batches for instances in _forward(network, batch, where, names, draws)]

    return segment


@torch.inference_mode()
def _forward(
    network: detection.MaskRCNN, frames: np.ndarray, device: torch.device, names: np.ndarray, draws: bool
) -> list[Instances]:
    """Instances of a batch of frames, uint8 (B, H, W, 3)."""
    pixels = upload(frames, device).float() / 255  # (B, 3, H, W)
    images, _ = network.transform(list(pixels))
    features = network.backbone(images.tensors)
    regions, _ = network.rpn(images, features)
    found, _ = network.roi_heads(features, regions, images.image_sizes)

    counts = [len(one["scores"]) for one in found]
    height, width = images.image_sizes[0]  # of the resized frames, all alike: the frames are of one video
    boxes = torch.cat([one["boxes"] for one in found]) / pixels.new_tensor([width, height, width, height])  # (n, 4)
    masks = torch.cat([one["masks"] for one in found])[:, 0]  # (n, 28, 28)
    scores, labels = (torch.cat([one[key] for one in found]) for key in ("scores", "labels"))
    return by_frame(masks, boxes, scores, labels, names, counts, draws=draws)


def _network(model: str, num_classes: int, **settings: Any) -> detection.MaskRCNN:
    """The untrained network with the layers that torchvision's checkpoint of it was made with."""
    if model == "figures":
        # Twice as fast on a CPU: torch's convolutions are, and everything after them is small.
        return figures_rcnn(num_classes, **settings).to(memory_format=torch.channels_last)
    if model == "maskrcnn_resnet50_fpn_v2":
        return detection.maskrcnn_resnet50_fpn_v2(
            weights=None, weights_backbone=None, num_classes=num_classes, **settings
        )
    # torchvision's function would build ordinary batch norms unless it downloads weights; its checkpoint has frozen
    # ones. Those load the buffers of either kind, and in evaluation both compute the same.
    backbone = backbone_utils.resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=3
    )
    return detection.MaskRCNN(backbone, num_classes, **settings)


def _load(network: nn.Module, state: dict[str, Tensor], path: str, model: str, *, assign: bool = False) -> None:
    """As `fill`, with what torchvision does for its own checkpoint besides. Raises: ValueError as `fill`."""
    frozen = not any(key.endswith("num_batches_tracked") for key in state)
    fill(network, state, path, model, assign=assign)
    if model == "maskrcnn_resnet50_fpn" and frozen and len(state[CLASS_KEY]) == 91:
        # torchvision does the same for its own checkpoint, trained when frozen batch norms had no epsilon.
        for layer in network.modules():
            if isinstance(layer, FrozenBatchNorm2d):
                layer.eps = 0.0


def run_in_bf16(network: detection.MaskRCNN, device_type: str) -> None:
    """Make the network's convolutions and linear layers run in bf16, and hand over float32 in between."""
    heads = network.roi_heads
    for part in (
        network.backbone,
        network.rpn.head,
        heads.box_head,
        heads.box_predictor,
        heads.mask_head,
        heads.mask_predictor,
    ):
        part.forward = in_bf16(part.forward, device_type)
