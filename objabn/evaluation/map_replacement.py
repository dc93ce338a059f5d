"""Measure top-1 under replaced attention maps: does a network use its maps?

Only the maps are replaced; nothing else changes.

Shapes: B batch, M maps, T frames, C channels of h1, T'/h/w grid of h1 and of the maps.
"""

from collections import defaultdict

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from objabn.clips.batches import Batch, clip_tensors, mask_tensors
from objabn.clips.dataset import ClipDataset
from objabn.config.rows import MAPS
from objabn.config.schema import Dataset
from objabn.evaluation.conditions import batches, mean_over_views, top1_table
from objabn.evaluation.paired_clips import PairedClips, other_clips
from objabn.evaluation.targets import targets
from objabn.model.device import make_fabric
from objabn.model.interface import step_masks
from objabn.model.network import ObjectABN
from objabn.model.weighting import even_weights

_CLIP = (2, 3, 4)  # T, h, w
REPLACEMENTS = ("one", "inverse", "flat", "even", "other", "mask")


def replaced_maps(
    maps: Tensor, how: str, attention: str, new: Tensor | None = None, *, apply: str = "multiply"
) -> Tensor:
    """Replace all maps of a clip in the same way; return float (B, M, T', h, w).

    Args:
        maps: M, float (B, M, T', h, w) in [0, 1], in the order of `MAPS[attention]`.
        how: one of REPLACEMENTS:
            "one": 1, nothing is weighted.
            "inverse": 1 - M.
            "flat": each map's own mean over the clip.
            "even": the single weight w under which h1 keeps the energy that it has under the map (`even_weights`).
            "one" and "flat" also change the scale of h2, to which the perception branch is sensitive; "even" takes away
            the place alone.
            "other": the maps `new`.
            "mask": M_o becomes the union mask `new`, M_b becomes 1 minus the mask. There is no mask for M_u, so M_u
            stays. But where M_u is the only map (abn), M_u becomes the mask too. That tells whether the network can
            read an attention that it was never taught.
        apply: `model.attention_apply`, on which "even" depends.
        new: for "even" h1 (B, C, T', h, w); for "other" maps as `maps`; for "mask" zeros and ones (B, T', h, w).
    """
    if how == "one":
        return torch.ones_like(maps)
    if how == "inverse":
        return 1 - maps
    if how == "flat":
        return maps.mean(dim=_CLIP, keepdim=True).expand_as(maps)
    if how not in REPLACEMENTS:
        raise ValueError(f"replacement: expected one of {', '.join(REPLACEMENTS)}, got {how!r}")
    assert new is not None, f"{how} needs something to put in the maps' place"
    if how == "even":
        return even_weights(new, maps, apply).expand_as(maps)
    if how == "other":
        assert new.shape == maps.shape, f"{tuple(new.shape)}, expected {tuple(maps.shape)}"
        return new
    names = MAPS[attention]
    masks = {"o": new, "b": 1 - new} | ({"u": new} if names == ("u",) else {})
    planes = [masks.get(name, maps[:, number]) for number, name in enumerate(names)]
    return torch.stack([plane.to(maps) for plane in planes], dim=1)


@torch.no_grad()
def other_answers(
    model: ObjectABN, attention: str, batch: Batch, h1: Tensor, maps: Tensor, masks: dict[str, Tensor], params: Dataset
) -> dict[str, Tensor]:
    """Compute the answers of a network under other maps than its own.

    Returns y_p before softmax, float (B, L), by name: "even", one even weight of the same energy in place of each map;
    "other", the maps of another video, where the batch has partners, whose clips pass through the network for it; and
    each kind of masks in place of the map.

    Args:
        batch: as `PairedClips` or a `ClipDataset` gives it, on the model's device.
        h1, maps: of the clips of the batch, (B, C, T', h, w) and (B, M, T', h, w).
        masks: by kind, of frames, zeros and ones (B, T, h, w).
    """
    assert model.attention_branch is not None
    new: dict[str, tuple[str, Tensor]] = {"even": ("even", h1)}
    if "other_frames" in batch:
        clips = clip_tensors(other_clips(batch), params.data.crop)
        new["other"] = "other", model.attention_branch(model.extractor(clips))[1]
    steps = {kind: step_masks(mask, maps.shape[2], params.mask.time) for kind, mask in masks.items()}
    new |= {kind: ("mask", mask) for kind, mask in steps.items()}
    apply = model.attention_apply
    return {
        name: model.perceive(h1, replaced_maps(maps, how, attention, given, apply=apply))
        for name, (how, given) in new.items()
    }


@torch.no_grad()
def accuracy_under(model: ObjectABN, attention: str, dataset: ClipDataset, params: Dataset) -> pd.DataFrame:
    """Measure the top-1 of a trained network under each replacement of its maps.

    Returns one row a video; views are averaged. Columns: video, label, top1 (the network's own maps), top1_one,
    top1_inverse, top1_flat, top1_even, top1_other. Where `dataset` has the masks of training there is top1_masks, and
    where it has true masks top1_truth: both brought to the map's grid as in training (`mask.resize`, and `mask.time`
    where maps have fewer steps than clips have frames). For both kinds of masks there is top1_*_any (the cells that the
    mask covers at all: a limb that is thinner than a cell may be in no other column). Each top-1 is 0 or 1; under true
    masks NaN of a video with a frame that is not annotated.

    "other" takes the maps of the video's partner (`clips.partners`) at the same view. The partner's clip is read beside
    the video's own. So no more than two batches' maps are in memory, for one more pass through the extractor.

    Raises:
        ValueError: the network yields numbers that are not finite, or there are fewer than two videos.
    """
    assert MAPS[attention], f"{attention} has no maps to replace"
    fabric = make_fabric(params)
    model = model.to(fabric.device).eval()
    branch, crop = model.attention_branch, params.data.crop
    assert branch is not None
    logits: dict[str, list[Tensor]] = defaultdict(list)
    annotated: list[np.ndarray] = []
    for batch in batches(PairedClips(dataset, masks=False), len(dataset), params, "maps replaced"):
        batch = fabric.to_device(batch)
        h1 = model.extractor(clip_tensors(batch, crop))  # (B, C, T', h, w)
        maps = branch(h1)[1]
        found = targets(batch, params, model.map_size)
        annotated.append(found.whole())
        any_cell = {
            kind: step_masks(mask_tensors(batch, kind, model.map_size, "max"), maps.shape[2], "max")
            for kind in found.masks
        }
        answers = {"": model.perceive(h1, maps)}
        answers |= {how: model.perceive(h1, replaced_maps(maps, how, attention)) for how in ("one", "inverse", "flat")}
        answers |= other_answers(model, attention, batch, h1, maps, found.taught, params)
        answers |= {
            f"{kind}_any": model.perceive(h1, replaced_maps(maps, "mask", attention, mask))
            for kind, mask in any_cell.items()
        }
        for how, values in answers.items():
            logits[f"top1_{how}" if how else "top1"].append(values)
    table = top1_table(logits, dataset, model)
    if "top1_truth" in table:
        whole = mean_over_views(annotated, dataset) == 1  # (V,)
        for name in ("top1_truth", "top1_truth_any"):
            table[name] = table[name].where(whole)
    return table
