"""Insertion and deletion by the maps of all videos, in space and in time.

Shapes: B batch, V videos, T frames, S crop in pixels, h/w grid of the maps, n + 1 points of a curve.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from objabn.clips.batches import clip_tensors
from objabn.clips.dataset import ClipDataset
from objabn.config.rows import MAPS
from objabn.config.schema import Dataset
from objabn.evaluation.conditions import batches, mean_over_views
from objabn.evaluation.insertion_deletion import (
    SHARES,
    answer_probability,
    area,
    counts,
    curves_in_space,
    curves_in_time,
    with_random,
)
from objabn.model.device import make_fabric
from objabn.model.network import ObjectABN


class Curves(NamedTuple):
    """Areas of each video, and the mean curves that they are the areas of."""

    per_video: pd.DataFrame  # video, label, and by curve the area in [0, 1]
    mean: pd.DataFrame  # curve, share (of the cells or frames shown or taken away), probability


@torch.no_grad()
def curves_of(
    model: ObjectABN,
    attention: str,
    dataset: ClipDataset,
    params: Dataset,
    *,
    maps_of: Callable[[Tensor], Mapping[str, Tensor]] | None = None,
    shares: Sequence[float] = SHARES,
) -> Curves:
    """Measure insertion and deletion by maps and random rankings.

    Both are measured in space and in time.
    The probability is that of the class predicted for the whole clip, right or wrong; views are averaged. A good map
    has a large area of insertion and a small one of deletion, both against `*_random`.

    Args:
        maps_of: computes the maps that rank, by letter, float (B, T, h, w), for normalised clips (B, 3, T, S, S). None
            takes M_u and M_o, where the row has them. M_b ranks what is held to be no evidence.
    """
    fabric = make_fabric(params)
    model = model.to(fabric.device).eval()
    names = MAPS[attention]
    assert maps_of or set(names) - {"b"}, f"{attention} has no map that ranks"
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    totals = {"": model.map_size**2, "time_": params.data.num_frames}
    for batch in batches(dataset, len(dataset), params, "insertion, deletion"):
        batch = fabric.to_device(batch)
        clips = clip_tensors(batch, params.data.crop)
        output = model(clips)
        own = {name: output.maps[:, number] for number, name in enumerate(names) if name != "b"}
        videos = dataset.table["video"].iloc[batch["row"].cpu().numpy()]
        rankings = with_random(maps_of(clips) if maps_of else own, videos)
        probability = answer_probability(model, output.perception_logits.argmax(dim=1))
        in_space, in_time = (
            curves(clips, rankings, probability, shares) for curves in (curves_in_space, curves_in_time)
        )
        for curve, values in (in_space | in_time).items():
            found[curve].append(values.cpu().numpy())
    per_video = dataset.table[["video", "label"]].copy()
    mean = []
    for curve, per_clip in found.items():
        total = totals["time_" if "_time_" in curve else ""]
        at = counts(total, shares) / total
        probabilities = mean_over_views(per_clip, dataset)  # (V, n + 1)
        per_video[curve] = area(at, probabilities)
        mean.append(pd.DataFrame({"curve": curve, "share": at, "probability": probabilities.mean(axis=0)}))
    return Curves(per_video, pd.concat(mean, ignore_index=True))
