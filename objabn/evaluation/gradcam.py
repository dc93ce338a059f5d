"""Grad-CAM: maps for a network that has no attention branch, from the gradient of a class's logit.

Shapes: B clips, C channels, T frames, h/w grid of the features and maps, L classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class GradCam(NamedTuple):
    """Maps, and the logits that came with them."""

    logits: Tensor  # (B, L)
    maps: Tensor  # (B, 1, T, h, w) in [0, 1]


def grad_cam(head: nn.Module, features: Tensor, classes: Tensor | None = None) -> GradCam:
    """Grad-CAM of each clip (Selvaraju et al. 2017), ReLU(sum over c of w_c A_c), w_c the mean of dy/dA_c.

    The mean goes over T, h and w. Each clip's maps are divided by their maximum over the clip; they are zero where no
    cell speaks for the class. Gradients do not go beyond `features`, and no weight gets one: nothing is left behind.

    Args:
        head: in evaluation mode (else clips of a batch depend on each other); features -> logits y (B, L).
        features: A, float (B, C, T, h, w).
        classes: int64 (B,), whose logit; None takes the predicted ones.
    """
    assert not any(module.training for module in head.modules()), "the head is in training mode"
    with torch.enable_grad():
        features = features.detach().requires_grad_()
        logits = head(features)
        chosen = logits.detach().argmax(dim=1) if classes is None else classes
        score = logits.gather(1, chosen[:, None]).sum()  # clips are independent: each gets its own gradient
        (gradients,) = torch.autograd.grad(score, features)
    weights = gradients.mean(dim=(2, 3, 4), keepdim=True)  # (B, C, 1, 1, 1)
    maps = (weights * features.detach()).sum(dim=1, keepdim=True).relu()  # (B, 1, T, h, w)
    highest = maps.amax(dim=(1, 2, 3, 4), keepdim=True)
    return GradCam(logits.detach(), maps / torch.where(highest > 0, highest, 1))
