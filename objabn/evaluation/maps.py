"""Compute the maps of clips: a network's own, or Grad-CAM where it has none."""

import torch
from torch import Tensor

from objabn.evaluation.gradcam import grad_cam
from objabn.model.network import ObjectABN


@torch.no_grad()
def logits_and_maps(model: ObjectABN, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Compute logits and maps of a batch of clips.

    Returns the perception branch's logits (B, L) and maps (B, M, T, h, w) in the order of `map_names`.
    """
    if model.attention_branch is None:
        return grad_cam(model.perception_branch, model.extractor(clips))
    output = model(clips)
    return output.perception_logits, output.maps
