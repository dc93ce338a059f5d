"""Torchvision's semantic models at random weights, in the files that torchvision saves."""

from pathlib import Path

import numpy as np
import torch
from torchvision.models import segmentation

from objabn.segmentation.segmenters.semantic import LRASPP
from objabn.segmentation.segmenters.state_dicts import SEMANTIC
from tests.helpers.instances import textured


def random_state(model: str, num_classes: int = 21, **settings: bool) -> dict[str, torch.Tensor]:
    """Seeded weights whose classes' logits are spread out over textured frames, so that several win somewhere."""
    torch.manual_seed(0)
    network = getattr(segmentation, model)(
        weights=None, weights_backbone=None, num_classes=num_classes, **settings
    ).eval()
    logits: list[torch.Tensor] = []
    frames = np.stack([textured(64, 96, seed) for seed in range(4)]).astype(np.uint8)
    images = SEMANTIC[model].transforms(resize_size=64)(torch.from_numpy(frames).permute(0, 3, 1, 2))
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = None  # statistics of this one pass, without which the output is all but constant
        network.train()(images)
        network.eval()
        network.classifier.register_forward_hook(lambda _, __, output: logits.append(output))
        network(images)
        (seen,) = logits  # (4, classes, h, w)
        mean, scale = seen.mean(dim=(0, 2, 3)), 3 / seen.std(dim=(0, 2, 3))
        head = network.classifier
        layers = [head.low_classifier, head.high_classifier] if model == LRASPP else [head[-1]]
        for layer in layers:
            layer.weight *= scale[:, None, None, None]
            layer.bias.copy_((layer.bias - mean / len(layers)) * scale)
    return network.state_dict()


def save_random(model: str, path: Path, num_classes: int = 21, **settings: bool) -> Path:
    torch.save(random_state(model, num_classes, **settings), path)
    return path
