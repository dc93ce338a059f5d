"""detectron2's R50-FPN with random weights, in the files that detectron2 reads; needs detectron2 for most of it."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from objabn.segmentation.segmenters import choice
from objabn.segmentation.segmenters.detectron2 import MODEL
from objabn.segmentation.segmenters.instances import Instances
from tests.helpers.instances import textured

TINY: dict[str, Any] = {"short_edge": 64, "proposals": 50, "score_floor": 0.05, "device": "cpu"}


def frames_of(num_frames: int, height: int, width: int) -> np.ndarray:
    return np.stack([textured(height, width, seed) for seed in range(num_frames)]).astype(np.uint8)


def build(weights: Path | str, **settings: Any) -> Callable[[np.ndarray], list[Instances]]:
    return choice.build("detectron2", **{"weights": str(weights), **TINY, **settings})


def reference(weights: Path | str = "", **tests: Any) -> Any:
    """detectron2's own network and config, on the CPU; tests: settings of our `build`."""
    from detectron2 import model_zoo
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.modeling import build_model

    config = model_zoo.get_config(MODEL)
    config.MODEL.DEVICE, config.MODEL.WEIGHTS = "cpu", str(weights)
    config.INPUT.MIN_SIZE_TEST = tests.get("short_edge", 800)
    config.MODEL.RPN.POST_NMS_TOPK_TEST = tests.get("proposals", 1000)
    config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = tests.get("score_floor", 0.05)
    network = build_model(config).eval()
    DetectionCheckpointer(network).load(str(weights))
    return network, config


def spread_out(network: Any, frames: np.ndarray) -> None:
    """Makes scores, boxes and masks vary from place to place as a trained network's do, and masks be blobs."""
    predictor, head = network.roi_heads.box_predictor, network.proposal_generator.rpn_head
    mask_head = network.roi_heads.mask_head
    with torch.no_grad():
        for kernel in [layer.weight for layer in (*mask_head.conv_norm_relus, mask_head.deconv)]:
            kernel.copy_(kernel.mean(dim=(2, 3), keepdim=True).expand_as(kernel))  # blurs
    layers = {
        head.objectness_logits: 1.0,
        head.anchor_deltas: 0.3,
        predictor.bbox_pred: 1.0,
        predictor.cls_score: 3.0,
        mask_head.predictor: 3.0,
    }
    images = [{"image": torch.from_numpy(frame).permute(2, 0, 1)} for frame in frames]
    for layer, spread in layers.items():
        outputs: list[torch.Tensor] = []
        hook = layer.register_forward_hook(
            lambda _, __, output, seen=outputs: seen.append(output.transpose(0, 1).flatten(1))
        )
        with torch.no_grad():
            network.inference(images)
            hook.remove()
            values = torch.cat(outputs, dim=1)  # (output channels, places)
            scale = spread / values.std(dim=1)
            layer.weight *= scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
            layer.bias.copy_((layer.bias - values.mean(dim=1)) * scale)


def random_state() -> dict[str, torch.Tensor]:
    """Seeded weights of the whole network, their outputs spread out."""
    torch.manual_seed(0)
    network, _ = reference()
    spread_out(network, frames_of(2, 64, 96))
    return network.state_dict()


def save_pkl(state: dict[str, Any], path: Path, **extra: Any) -> Path:
    """As the zoo's files: numpy arrays and an author."""
    arrays = {key: np.asarray(value) for key, value in state.items()}
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo", **extra}))
    return path
