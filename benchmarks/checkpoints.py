"""Networks of the published sizes with random weights, in the files that the published weights come in.

Sizes of RF-DETR, Mask2Former and EoMT are those of their authors' configurations; SAM 3's are the library's defaults.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.models import detection, segmentation

from objabn.segmentation.segmenters.detectron2 import MODEL

INSTANCES = 10  # of a frame, of which a score floor is made
FLOOR = 1e-9  # of scores, below all
_RF_DETR = {  # pixels of the input, windows, decoder layers, queries
    "nano": (312, 1, 4, 100),
    "small": (384, 2, 4, 100),
    "medium": (432, 2, 5, 200),
    "large": (504, 2, 5, 300),
}
_SWIN = {  # channels, layers, heads, window, queries
    "tiny": (96, [2, 2, 6, 2], [3, 6, 12, 24], 7, 100),
    "large": (192, [2, 2, 18, 2], [6, 12, 24, 48], 12, 200),
}


def best_score(scores: np.ndarray) -> float:
    """The score that a frame's best ten instances are above: random weights score everything low."""
    return float(np.sort(scores)[::-1][INSTANCES]) if len(scores) > INSTANCES else FLOOR


def write_torchvision(model: str, path: Path) -> Path:
    """Write a file of weights as torchvision's zoo has it."""
    torch.manual_seed(0)
    if model.startswith("maskrcnn"):
        network = getattr(detection, model)(weights=None, weights_backbone=None)
    else:
        more = {} if model.startswith("lraspp") else {"aux_loss": True}
        network = getattr(segmentation, model)(weights=None, weights_backbone=None, num_classes=21, **more)
    torch.save(network.state_dict(), path)
    return path


def write_detectron2(path: Path) -> Path:
    """Write a file of weights that detectron2's demo and our backend take."""
    from detectron2 import model_zoo
    from detectron2.modeling import build_model

    config = model_zoo.get_config(MODEL)
    config.MODEL.DEVICE = "cpu"
    torch.manual_seed(0)
    torch.save({"model": build_model(config).state_dict()}, path)
    return path


def write_checkpoint(name: str, folder: Path) -> Path:
    """Write a folder as the Hub has it: a key of `CHECKPOINTS`."""
    torch.manual_seed(0)
    network, processor = CHECKPOINTS[name]()
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _rf_detr(size: str) -> tuple[Any, Any]:
    from transformers import RfDetrConfig, RfDetrForInstanceSegmentation, RfDetrImageProcessor

    side, windows, layers, queries = _RF_DETR[size]
    backbone = {
        "model_type": "rf_detr_dinov2", "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6,
        "image_size": side, "patch_size": 12, "num_windows": windows,
        "out_features": ["stage3", "stage6", "stage9", "stage12"],
    }  # fmt: skip
    config = RfDetrConfig(
        backbone_config=backbone, d_model=256, num_queries=queries, decoder_layers=layers, decoder_n_points=2,
        decoder_self_attention_heads=8, decoder_cross_attention_heads=16, group_detr=13, mask_downsample_ratio=4,
        num_labels=91,
    )  # fmt: skip
    return RfDetrForInstanceSegmentation(config), RfDetrImageProcessor(size={"height": side, "width": side})


def _mask2former(size: str) -> tuple[Any, Any]:
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, Mask2FormerImageProcessor

    channels, layers, heads, window, queries = _SWIN[size]
    backbone = {
        "model_type": "swin", "embed_dim": channels, "depths": layers, "num_heads": heads, "window_size": window,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }  # fmt: skip
    config = Mask2FormerConfig(backbone_config=backbone, num_queries=queries, num_labels=80)
    size_of_all = {"height": 384, "width": 384}
    return Mask2FormerForUniversalSegmentation(config), Mask2FormerImageProcessor(size=size_of_all, ignore_index=255)


def _eomt() -> tuple[Any, Any]:
    from transformers import EomtConfig, EomtForUniversalSegmentation, EomtImageProcessor

    size = {"shortest_edge": 640, "longest_edge": 640}
    return EomtForUniversalSegmentation(EomtConfig(num_labels=80)), EomtImageProcessor(size=size, do_pad=True)


def _sam3() -> tuple[Any, Any]:
    from transformers import CLIPTokenizerFast, Sam3Config, Sam3ImageProcessor, Sam3Model, Sam3Processor

    letters = [*"abcdefghijklmnopqrstuvwxyz"]  # a tokenizer of our own: as many tokens, other numbers
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokenizer = CLIPTokenizerFast(vocab={token: number for number, token in enumerate(tokens)}, merges=[])
    return Sam3Model(Sam3Config()), Sam3Processor(Sam3ImageProcessor(), tokenizer)


CHECKPOINTS: dict[str, Callable[[], tuple[Any, Any]]] = {
    **{f"rf-detr-seg-{size}": partial(_rf_detr, size) for size in _RF_DETR},
    **{f"mask2former-swin-{size}": partial(_mask2former, size) for size in _SWIN},
    "eomt-large-640": _eomt,
    "sam3": _sam3,
}
