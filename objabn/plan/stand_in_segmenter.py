"""The segmenter that a plan measures: the profile's own, or one of the same architecture with random weights.

Nothing is downloaded. Random weights find nothing sensible, so they are made to find INSTANCES in every frame: how long
the masks take depends on their number.
"""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torchvision.models import detection

from objabn.config.schema import Dataset, Detectron2, Torchvision
from objabn.segmentation.segmenters.choice import Segmenter, build
from objabn.segmentation.segmenters.figures_rcnn import figures_rcnn
from objabn.segmentation.segmenters.torchvision import WEIGHTS, ZOO

INSTANCES = 20  # a frame: an assumption, COCO's photographs have 7 annotated and score_floor lets more pass
ARCHITECTURES = {
    "maskrcnn_resnet50_fpn": detection.maskrcnn_resnet50_fpn,
    "maskrcnn_resnet50_fpn_v2": detection.maskrcnn_resnet50_fpn_v2,
}
STAND_IN = "maskrcnn_resnet50_fpn"  # for detectron2's R50-FPN
CERTAIN = 8.0  # logit of a person, where all others are 0


def segmenter_to_measure(params: Dataset, place: Path) -> tuple[Segmenter, str]:
    """The segmenter, and what it is instead of the profile's own in words; "" when it is that.

    Args:
        place: directory for a file of random weights, which is removed again.

    Raises:
        ValueError: weights that are there but do not fit.
    """
    settings: dict[str, Any] = params.segment.model_dump()
    if not isinstance(params.segment, Torchvision | Detectron2) or _is_there(params.segment):
        return build(**settings), ""
    path = place / "random.pth"
    instead = f"random weights that find {INSTANCES} instances a frame (an assumption)"
    if isinstance(params.segment, Detectron2) and importlib.util.find_spec("detectron2") is None:
        settings |= {"backend": "torchvision", "model": STAND_IN}
        instead = f"torchvision's R50-FPN stands in for detectron2, which is not installed; {instead}"
    state = _random_detectron2(settings["model"]) if settings["backend"] == "detectron2" else _random(settings["model"])
    torch.save({"model": state} if settings["backend"] == "detectron2" else state, path)
    try:
        return build(**{**settings, "weights": str(path), "max_instances": INSTANCES}), instead
    finally:
        path.unlink()


def _is_there(segment: Torchvision | Detectron2) -> bool:
    """Whether the segmenter can be had without a download."""
    if isinstance(segment, Detectron2) and importlib.util.find_spec("detectron2") is None:
        return False
    if segment.weights == ZOO and isinstance(segment, Torchvision) and segment.model in WEIGHTS:
        return Path(torch.hub.get_dir(), "checkpoints", Path(WEIGHTS[segment.model].url).name).is_file()
    return Path(segment.weights).is_file()


def _random(model: str) -> dict[str, torch.Tensor]:
    """Weights of one of torchvision's networks that takes all its anchors for persons."""
    if model in ARCHITECTURES:
        state = ARCHITECTURES[model](weights=None, weights_backbone=None).state_dict()
    else:
        state = figures_rcnn().state_dict()
    return _certain(state, "rpn.head.bbox_pred", person=1)


def _random_detectron2(model: str) -> dict[str, torch.Tensor]:
    """The same of one of detectron2's."""
    from detectron2 import model_zoo
    from detectron2.modeling import build_model

    try:
        config = model_zoo.get_config(model)
    except (RuntimeError, AttributeError) as error:
        raise ValueError(f"segment.model: expected a config of detectron2's model zoo, got {model!r}") from error
    config.MODEL.DEVICE = "cpu"
    return _certain(build_model(config).state_dict(), "proposal_generator.rpn_head.anchor_deltas", person=0)


def _certain(state: dict[str, torch.Tensor], anchors: str, person: int) -> dict[str, torch.Tensor]:
    box, label = "roi_heads.box_predictor.bbox_pred", "roi_heads.box_predictor.cls_score"
    for layer in (anchors, box, label):  # proposals are the anchors, boxes the proposals
        state[f"{layer}.weight"].zero_()
        state[f"{layer}.bias"].zero_()
    state[f"{label}.bias"][person] = CERTAIN
    return state
