"""Semantic segmentation from torchvision: LR-ASPP and DeepLabV3 tell the classes of Pascal VOC from the background.

They tell no instances apart, and a union mask needs none. They are far cheaper than Mask R-CNN, but know 20 classes
(person, animals, vehicles, furniture) and none of what hands hold but bottles; everything else is background.

Their scores are a cell's own: its probability of being a person, and the highest of its probabilities of another class.
So a union mask at a threshold is where a class has that probability, not where an object is found with that score.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models import segmentation

from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.segmentation.segmenters.rcnn import (
    batch_that_fits,
    device_of,
    in_bf16,
    in_channels_last,
    to_host,
    upload,
)
from objabn.segmentation.segmenters.state_dicts import SEMANTIC, fill, read_state
from objabn.stores.masks import GRID, GROUPS

LRASPP = "lraspp_mobilenet_v3_large"
CATEGORIES = {  # by number of classes in the checkpoint, background included
    21: tuple(SEMANTIC[LRASPP].meta["categories"]),
    2: ("__background__", "person"),
}
LEAST = 0.05  # lower probabilities are stored as 0: they are all over a frame, and would be most of a store
_AUXILIARY = ("aux_classifier.",)  # a head that only training uses; torchvision's own files of DeepLabV3 have it


def build(*, weights: str, model: str, short_edge: int = 520, batch_size: int = 4, device: str = "auto") -> Segmenter:
    """Segmenter that runs a semantic model: bf16 arithmetic on CUDA, float32 on the CPU.

    Args:
        weights: zoo (torchvision downloads its weights of `model`, once), or the path of a state_dict (.pth) of
            `model`: torchvision's own, with 21 classes, or one with 2 (person).
        model: a key of SEMANTIC.
        short_edge: frames are resized so that their short edge has this many pixels; torchvision: 520.
        batch_size: frames a forward pass.
        device: auto (CUDA when there is one), cpu, cuda, cuda:1, ...

    Raises:
        ValueError: for weights that are missing, unreadable, not this model's, or cannot be downloaded.
    """
    state = read_state(weights, model)
    num_classes = _num_classes(state, weights, model)
    network = _network(model, num_classes)
    fill(network, state, weights, model, unused=_AUXILIARY)
    where = device_of(device)
    network = network.to(where).eval()
    in_channels_last(network, network.backbone)
    if where.type == "cuda":
        run_in_bf16(network, "cuda")
    prepare = SEMANTIC[model].transforms(resize_size=short_edge)  # torchvision's own, to its own means
    names = np.array(CATEGORIES[num_classes])

    def segment(frames: np.ndarray, _video: str = "") -> list[Instances]:
        batches = (frames[start : start + batch_size] for start in range(0, len(frames), batch_size))
        with batch_that_fits(batch_size, short_edge), torch.inference_mode():
            return [
                instances
                for batch in batches
                for instances in read_out(probabilities(network, prepare(upload(batch, where))), names)
            ]

    return segment


def check_weights(weights: str, model: str) -> None:
    """Check that the file of weights at a path fits a model, without memory for the network itself.

    Raises:
        ValueError: as `build`.
    """
    state = read_state(weights, model)
    with torch.device("meta"):
        network = _network(model, _num_classes(state, weights, model))
    fill(network, state, weights, model, assign=True, unused=_AUXILIARY)


def _num_classes(state: dict[str, Tensor], weights: str, model: str) -> int:
    """Classes that a state_dict tells apart, background included. Raises: ValueError for another number than ours."""
    key = "classifier.low_classifier.weight" if model == LRASPP else "classifier.4.weight"
    num_classes = len(state[key]) if key in state else 21
    if num_classes not in CATEGORIES:
        raise ValueError(f"{weights}: expected 21 classes (Pascal VOC) or 2 (background, person), got {num_classes}")
    return num_classes


def _network(model: str, num_classes: int) -> Any:
    """The untrained network, without the head that only training uses."""
    return getattr(segmentation, model)(weights=None, weights_backbone=None, num_classes=num_classes)


def probabilities(network: Any, images: Tensor) -> Tensor:
    """Each class's probability in each cell of the grid: (B, classes, GRID, GRID) float32, adding up to 1.

    torchvision scales the classes' logits up to the image; here they go to the grid at once, a value being that at the
    centre of its cell, as the image would have it there.

    Args:
        images: (B, 3, H, W) float32, normalised, whole frames.
    """
    features = network.backbone(images)
    logits = network.classifier(features.get("out", features))
    return F.interpolate(logits, (GRID, GRID), mode="bilinear", antialias=True).softmax(dim=1)


def read_out(shares: Tensor, names: np.ndarray) -> list[Instances]:
    """Score planes of each frame, and for the table of instances a row for each class that wins a cell.

    A row's score is the class's highest probability where it wins, its box encloses these cells. A class with a
    probability of a half somewhere wins there, so counts at REPORT_SCORE are of classes with a cell in the union.

    Args:
        shares: (B, classes, GRID, GRID) float32 in [0, 1], the background first.
        names: (classes,) str, of which one is person.
    """
    assert GROUPS == ("person", "other")
    person = names.tolist().index("person")
    others = [at for at, name in enumerate(names) if at and name != "person"]
    other = shares[:, others].amax(dim=1) if others else torch.zeros_like(shares[:, 0])
    scores = torch.stack([shares[:, person], other], dim=1)  # (B, 2, GRID, GRID)
    planes = (scores.where(scores >= LEAST, 0).double() * 255).floor().to(torch.uint8)  # as `quantise`
    wins = shares.argmax(dim=1)[:, None] == torch.arange(len(names), device=shares.device)[:, None, None]
    best = (shares * wins).amax(dim=(2, 3)).clamp(max=1)  # (B, classes)
    drawn, numbers, columns, rows = to_host(planes, best, wins.any(dim=2), wins.any(dim=3))
    found = []
    for frame in range(len(drawn)):
        classes = [at for at in np.argsort(-numbers[frame], kind="stable") if at and numbers[frame, at] > 0]
        sides = [(np.flatnonzero(columns[frame, at]), np.flatnonzero(rows[frame, at])) for at in classes]
        boxes = np.array([(x[0], y[0], x[-1] + 1, y[-1] + 1) for x, y in sides], np.float32).reshape(-1, 4) / GRID
        found.append(Instances(None, numbers[frame, classes], names[classes], boxes, drawn[frame]))
    return found


def run_in_bf16(network: Any, device_type: str) -> None:
    """Make the network's convolutions run in bf16, and hand over float32 in between."""
    for part in (network.backbone, network.classifier):
        part.forward = in_bf16(part.forward, device_type)
