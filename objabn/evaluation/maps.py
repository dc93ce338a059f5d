"""Compute the maps of clips: a network's own, or Grad-CAM where it has none."""

import torch
from torch import Tensor

from objabn.config.rows import GRAD_CAM
from objabn.evaluation.posthoc import posthoc_maps
from objabn.model.network import ObjectABN


@torch.no_grad()
def logits_and_maps(model: ObjectABN, clips: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """Compute logits and maps of a batch of clips.

    Returns the perception branch's logits (B, L) and maps (B, M, T, h, w) in the order of `map_names`.

    Args:
        layer: of Grad-CAM, `gradcam.layer`.
    """
    if model.attention_branch is None:
        found = posthoc_maps(model, clips, layer)
        return found.output.perception_logits, found.maps[GRAD_CAM]
    output = model(clips)
    return output.perception_logits, output.maps
