"""RISE for videos: a map from what the answer does when random parts of the clip are hidden.

Half of a coarse grid of cells in space and time is hidden at random, many times over, and a cell counts as much as the
answer's class is probable when the cell is seen. Nothing inside the network is looked at, so the map is a check on
methods that do look inside; it costs a forward pass for each mask.

After RISE (Petsiuk, Das, Saenko, BMVC 2018), there for images: masks have soft edges and stand where chance puts them,
and what is hidden is grey. Here a mask also has a next one in time, into which it turns at some frame.

Shapes: N masks, B clips, T frames, S crop in pixels, h/w grid of the maps, L classes.
"""

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from objabn.clips.seeds import video_number
from objabn.evaluation.passes import PERTURBATIONS
from objabn.model.interface import VideoNetwork

SPACE, TIME = 7, 1  # cells of a mask along a side of the frame, as RISE has them, and along the clip
SEEN = 0.5  # probability that a cell is seen
_AT_ONCE = 16  # masked clips of a forward pass
_LEAST = 1e-6  # a difference of probabilities below is rounding


def random_masks(video: str, num_masks: int, size: tuple[int, int]) -> Iterator[Tensor]:
    """Masks drawn for the video, float32 (T, S, S) in [0, 1], the same each time; 1: seen.

    Coarse cells, each seen or not, enlarged trilinearly, of which a piece of the clip's size is cut out at random.

    Args:
        size: (T, S).
    """
    draw = np.random.default_rng(video_number(video))
    sizes = (size[0], size[1], size[1])
    cells = tuple(min(cells, side) for cells, side in zip((TIME, SPACE, SPACE), sizes, strict=True))
    each = [ceil(side / count) for side, count in zip(sizes, cells, strict=True)]  # frames or pixels of a cell
    whole = [(count + 1) * step for count, step in zip(cells, each, strict=True)]
    for _ in range(num_masks):
        coarse = torch.from_numpy((draw.random([count + 1 for count in cells]) < SEEN).astype(np.float32))
        mask = F.interpolate(coarse[None, None], size=whole, mode="trilinear", align_corners=False)[0, 0]
        t, y, x = (int(draw.integers(step)) for step in each)
        yield mask[t : t + sizes[0], y : y + sizes[1], x : x + sizes[2]]


def seen_mean(masks: Tensor, probabilities: Tensor) -> Tensor:
    """Mean probability of the answer while a cell is seen, float (T, h, w); 0 for a cell that never is.

    sum over n of p_n M_n / sum over n of M_n: RISE's weighted mean of the masks, but for how often each cell is seen.

    Args:
        masks: (N, T, h, w) in [0, 1]. probabilities: (N,).
    """
    seen = masks.sum(dim=0)
    return torch.einsum("n,nthw->thw", probabilities, masks) / torch.where(seen > 0, seen, 1)


def stretched(values: Tensor) -> Tensor:
    """A clip's values (T, h, w) scaled so that the least is 0 and the largest 1; all 0 where they do not differ.

    The least one is no evidence: the answer is as probable as that without any cell of its own.
    """
    least, largest = values.min(), values.max()
    return torch.zeros_like(values) if largest - least < _LEAST else (values - least) / (largest - least)


@torch.no_grad()
def perturbation_maps(
    model: VideoNetwork, clips: Tensor, videos: Sequence[str], classes: Tensor, *, num_masks: int = PERTURBATIONS
) -> Tensor:
    """RISE's maps of clips, float32 (B, 1, T, h, w) in [0, 1] on the grid of M; `num_masks` forward passes a clip.

    Args:
        model: in evaluation mode.
        clips: normalised, float32 (B, 3, T, S, S).
        videos: of each clip, from whose name its masks are drawn.
        classes: int64 (B,), the answer of each whole clip.
    """
    grid = (model.map_size, model.map_size)
    maps = []
    for clip, video, label in zip(clips, videos, classes, strict=True):
        masks, kept, probabilities = random_masks(video, num_masks, (clip.shape[1], clip.shape[-1])), [], []
        for start in range(0, num_masks, _AT_ONCE):
            some = [next(masks) for _ in range(min(_AT_ONCE, num_masks - start))]
            batch = torch.stack(some).to(clip.device)  # (n, T, S, S)
            probabilities.append(model(clip * batch[:, None]).perception_logits.softmax(dim=1)[:, label])
            kept.append(F.adaptive_avg_pool2d(batch, grid))
        maps.append(stretched(seen_mean(torch.cat(kept), torch.cat(probabilities)))[None])
    return torch.stack(maps)
