"""Compute the maps of clips: a network's own, and those that need no attention branch."""

import torch
from torch import Tensor

from objabn.config.rows import GRAD_CAM, MAPS, POST_HOC
from objabn.evaluation.posthoc import PostHoc, posthoc_maps
from objabn.model.interface import VideoNetwork, frame_maps


@torch.no_grad()
def logits_and_maps(model: VideoNetwork, clips: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """Compute logits and maps of a batch of clips.

    Returns the perception branch's logits (B, L) and maps (B, M, T, h, w) in the order of `map_names`.

    Args:
        layer: of Grad-CAM, `gradcam.layer`.
    """
    if model.attention_branch is None:
        found = posthoc_maps(model, clips, layer)
        return found.output.perception_logits, found.maps[GRAD_CAM]
    output = model(clips)
    return output.perception_logits, frame_maps(output.maps, clips.shape[2])


def named_maps(found: PostHoc, attention: str) -> dict[str, Tensor]:
    """Return all maps of clips by letter, float (B, T, h, w).

    Their order is that of `evaluated_maps`: the network's own, and the post-hoc ones. A map of fewer steps than frames
    has each step's for all frames that it has seen.
    """
    num_frames = found.maps[GRAD_CAM].shape[2]
    maps = frame_maps(found.output.maps, num_frames)
    own = {letter: maps[:, number] for number, letter in enumerate(MAPS[attention])}
    return own | {letter: found.maps[letter][:, 0] for letter in POST_HOC}


def repeated_maps(found: PostHoc, attention: str) -> frozenset[str]:
    """Tell which of `named_maps` are the same in several frames.

    They are those of fewer steps than frames.
    """
    own = MAPS[attention] if found.output.maps.shape[2] < found.maps[GRAD_CAM].shape[2] else ()
    return found.repeated | frozenset(own)
