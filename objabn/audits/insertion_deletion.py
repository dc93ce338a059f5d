"""Insertion and deletion: how fast the answer comes or goes when what the map ranks first is shown or taken away.

In space the cells of every frame are ranked by the map, and what is away is blurred. In time the frames are ranked by
the map's energy, its mean over the cells (h2 = h1 * M: what the map lets through of a frame), and what is away is
frozen: it repeats another frame. Beside each map a random ranking, without which an area says nothing.

After RISE (Petsiuk, Das, Saenko, BMVC 2018), there for images and their pixels.

Shapes: B batch, V videos, M maps, T frames, S crop in pixels, h/w grid of the maps, n + 1 points of a curve.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from objabn.clips.batches import clip_tensors
from objabn.clips.dataset import ClipDataset
from objabn.clips.seeds import video_number
from objabn.config.rows import MAPS
from objabn.config.schema import Dataset
from objabn.evaluation.conditions import batches, mean_over_views
from objabn.model.device import make_fabric
from objabn.model.network import ObjectABN

BLUR = 1 / 12  # standard deviation of the blur, as a share of the crop's side
# Shares of the cells or frames shown or taken away: close where an object lies, since each point is a forward pass.
SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


class Curves(NamedTuple):
    """Areas of each video, and the mean curves that they are the areas of."""

    per_video: pd.DataFrame  # video, label, and by curve the area in [0, 1]
    mean: pd.DataFrame  # curve, share (of the cells or frames shown or taken away), probability


def ranks(values: Tensor) -> Tensor:
    """Place of each value in its row, int64 (..., n): 0 is the largest; equal ones in the order in which they stand."""
    return values.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)


def counts(total: int, shares: Sequence[float] = SHARES) -> np.ndarray:
    """How many of `total` are shown or taken away at each point, each number once; int64 (n + 1,) from 0 to `total`."""
    return np.unique(np.round(np.multiply(shares, total))).astype(int)


def area(shares: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Area under curves (V, n + 1) over shares (n + 1,) from 0 to 1, by trapezia; float64 (V,)."""
    return ((probabilities[:, 1:] + probabilities[:, :-1]) / 2 * np.diff(shares)).sum(axis=1)


def blurred(clips: Tensor) -> Tensor:
    """Clips (B, 3, T, S, S) without detail: each frame blurred by a Gaussian, along one side and then the other."""
    size = clips.shape[-1]
    sigma = BLUR * size
    width = 2 * min(ceil(2 * sigma), size - 1) + 1  # reflected at the edges, so not beyond the frame
    frames = clips.transpose(1, 2).flatten(0, 1)  # (B T, 3, S, S)
    for kernel in ([width, 1], [1, width]):
        frames = gaussian_blur(frames, kernel, [sigma, sigma])
    return frames.unflatten(0, (clips.shape[0], clips.shape[2])).transpose(1, 2)


def patched(clips: Tensor, patches: Tensor, where: Tensor) -> Tensor:
    """Clips with the cells `where`, bool (B, T, h, w), taken from `patches`; all others (B, 3, T, S, S)."""
    enlarged = F.interpolate(where.float(), size=clips.shape[-2:], mode="nearest")  # (B, T, S, S)
    return torch.where(enlarged[:, None] > 0, patches, clips)


def frozen(clips: Tensor, kept: Tensor) -> Tensor:
    """Clips (B, 3, T, S, S) of which only the frames `kept`, bool (B, T), are there.

    Every other frame repeats the last one kept before it, or where there is none the first one kept after it; a clip
    of which none is kept is its middle frame.
    """
    num_frames = kept.shape[1]
    at = torch.arange(num_frames, device=kept.device)
    before = torch.where(kept, at, -1).cummax(dim=1).values  # (B, T), -1: none
    first = torch.where(kept.any(dim=1), kept.int().argmax(dim=1), num_frames // 2)  # (B,)
    source = torch.where(before < 0, first[:, None], before)
    return clips.gather(2, source[:, None, :, None, None].expand_as(clips))


def noise(video: str, shape: tuple[int, ...]) -> Tensor:
    """A ranking drawn for the video, float32 in [0, 1); the same each time."""
    return torch.from_numpy(np.random.default_rng(video_number(video)).random(shape, dtype=np.float32))


def clip_curves(
    clips: Tensor, rankings: dict[str, Tensor], probability: Callable[[Tensor], Tensor], shares: Sequence[float]
) -> dict[str, Tensor]:
    """Curves of a batch, float (B, n + 1) by name: `insertion_x` and `deletion_x`, `insertion_time_x` and so on.

    Args:
        clips: (B, 3, T, S, S).
        rankings: by name what ranks the cells, float (B, T, h, w).
        probability: of the answer, (B,), for clips like these.
    """
    away = blurred(clips)
    whole, nothing = probability(clips), probability(away)
    still = probability(
        frozen(clips, torch.zeros(clips.shape[0], clips.shape[2], dtype=torch.bool, device=clips.device))
    )
    curves = {}
    for name, values in rankings.items():
        cells = ranks(values.flatten(2)).unflatten(2, values.shape[2:])  # (B, T, h, w)
        in_space = counts(cells[0, 0].numel(), shares)[1:-1].tolist()
        shown = [probability(patched(away, clips, cells < count)) for count in in_space]
        taken = [probability(patched(clips, away, cells < count)) for count in in_space]
        curves[f"insertion_{name}"] = torch.stack([nothing, *shown, whole], dim=1)
        curves[f"deletion_{name}"] = torch.stack([whole, *taken, nothing], dim=1)
        frames = ranks(values.mean(dim=(2, 3)))  # (B, T)
        in_time = counts(frames.shape[1], shares)[1:-1].tolist()
        shown = [probability(frozen(clips, frames < count)) for count in in_time]
        taken = [probability(frozen(clips, frames >= count)) for count in in_time]
        curves[f"insertion_time_{name}"] = torch.stack([still, *shown, whole], dim=1)
        curves[f"deletion_time_{name}"] = torch.stack([whole, *taken, still], dim=1)
    return curves


@torch.no_grad()
def curves_of(
    model: ObjectABN, attention: str, dataset: ClipDataset, params: Dataset, *, shares: Sequence[float] = SHARES
) -> Curves:
    """Insertion and deletion by M_u and M_o, where the row has them, and by random rankings.

    The probability is that of the class predicted for the whole clip, right or wrong; views are averaged. M_b is left
    out: it ranks what is held to be no evidence. A good map has a large area of insertion and a small one of deletion,
    both against `*_random`.
    """
    fabric = make_fabric(params)
    model = model.to(fabric.device).eval()
    names = [name for name in MAPS[attention] if name != "b"]
    assert names, f"{attention} has no map that ranks"
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    totals = {"": model.map_size**2, "time_": params.data.num_frames}
    for batch in batches(dataset, len(dataset), params, "insertion, deletion"):
        batch = fabric.to_device(batch)
        clips = clip_tensors(batch, params.data.crop)
        output = model(clips)
        answer = output.perception_logits.argmax(dim=1, keepdim=True)  # (B, 1)
        rankings = {name: output.maps[:, MAPS[attention].index(name)] for name in names}
        videos = dataset.table["video"].iloc[batch["row"].cpu().numpy()]
        drawn = [noise(video, tuple(output.maps.shape[2:])) for video in videos]
        rankings["random"] = torch.stack(drawn).to(clips.device)

        def probability(edited: Tensor, answer: Tensor = answer) -> Tensor:
            return model(edited).perception_logits.softmax(dim=1).gather(1, answer)[:, 0]

        for curve, values in clip_curves(clips, rankings, probability, shares).items():
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
