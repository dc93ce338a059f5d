"""Compute Grad-CAM maps for a network that has no attention branch.

The maps come from the gradient of a class's logit.

Shapes: B clips, C channels, T frames, h/w grid of the features and maps, L classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class GradCam(NamedTuple):
    """The maps of clips, and the logits of the same forward pass."""

    logits: Tensor  # (B, L)
    maps: Tensor  # (B, 1, T, h, w) in [0, 1]


def grad_cam(head: nn.Module, features: Tensor, classes: Tensor | None = None) -> GradCam:
    """Compute the Grad-CAM maps of each clip (Selvaraju et al. 2017).

    A map is ReLU(sum over c of w_c A_c), where w_c is the mean of dy/dA_c over T, h and w. The maps of a clip are
    divided by their maximum over the clip; they are zero where no cell speaks for the class. Gradients stop at
    `features`, and no weight gets a gradient: the call leaves nothing behind.

    Args:
        head: maps features to logits y (B, L); in evaluation mode, else clips of a batch depend on each other.
        features: A, float (B, C, T, h, w).
        classes: int64 (B,), the class of each clip whose logit is y; None takes the predicted class.
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
