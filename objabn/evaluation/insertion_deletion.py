"""Insertion and deletion: how fast the answer comes or goes when what the map ranks first is shown or taken away.

In space the cells of every frame are ranked by the map, and what is away is blurred. In time the frames are ranked by
the map's energy, its mean over the cells (h2 = h1 * M: what the map lets through of a frame), and what is away is
frozen: it repeats another frame. Beside each map a random ranking, without which an area says nothing. Cells that a
map holds equal come in random order, so a map that is flat or dark in half of a frame ranks there at random.

Each point of a curve is a pass of the whole network. So an evaluation measures some videos in space alone
(`ranked_videos`, `areas_in_space`), an audit all videos in space and time (`audits.methods`).

After RISE (Petsiuk, Das, Saenko, BMVC 2018), there for images and their pixels.

Shapes: B batch, V videos, T frames, S crop in pixels, h/w grid of the maps, n + 1 points of a curve.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from objabn.clips.seeds import video_number
from objabn.model.interface import VideoNetwork

BLUR = 1 / 12  # standard deviation of the blur, as a share of the crop's side
# Shares of the cells or frames shown or taken away: close where an object lies, since each point is a forward pass.
SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


def ranked_videos(classes: np.ndarray, number: int | None) -> np.ndarray:
    """Choose the videos whose rankings are measured, the same ones each time.

    Returns bool (V,). They are drawn from all classes alike, as far as these have videos.

    Args:
        classes: int (V,).
        number: of videos; None chooses all.

    >>> import numpy as np
    >>> chosen = ranked_videos(np.array([0, 0, 0, 0, 1, 1, 2]), 3)
    >>> int(chosen.sum()), chosen[:4].sum().item(), chosen[4:6].sum().item(), chosen[6].item()
    (3, 1, 1, True)
    """
    order = np.random.default_rng(0).permutation(len(classes))
    seen: dict[int, int] = defaultdict(int)
    turns = []  # how many of its class come before each video
    for label in classes[order].tolist():
        turns.append(seen[label])
        seen[label] += 1
    chosen = np.zeros(len(classes), bool)
    chosen[order[np.argsort(turns, kind="stable")][:number]] = True
    return chosen


def ranks(values: Tensor, ties: Tensor | None = None) -> Tensor:
    """Return the place of each value in its row, int64 (..., n): 0 is the largest.

    Equal values have places in the order of `ties`. Without it they have them in the order in which they stand: the
    cells of a map that is 0 in half of a frame would come row by row, side by side, which insertion rewards.

    Args:
        ties: as `values`, numbers of which no two in a row are equal.

    >>> import torch
    >>> ranks(torch.tensor([0.0, 2.0, 0.0]), ties=torch.tensor([0.3, 0.2, 0.1])).tolist()
    [2, 0, 1]
    """
    if ties is None:
        return values.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    order = ties.argsort(dim=-1)
    places = ranks(values.gather(-1, order))
    return torch.empty_like(places).scatter_(-1, order, places)


def counts(total: int, shares: Sequence[float] = SHARES) -> np.ndarray:
    """Count how many of `total` are shown or taken away at each point.

    Returns int64 (n + 1,) from 0 to `total`, each number once.
    """
    return np.unique(np.round(np.multiply(shares, total))).astype(int)


def area(shares: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Compute the area under curves by trapezia, float64 (V,).

    Args:
        shares: (n + 1,), from 0 to 1. probabilities: (V, n + 1).
    """
    return ((probabilities[:, 1:] + probabilities[:, :-1]) / 2 * np.diff(shares)).sum(axis=1)


def blurred(clips: Tensor) -> Tensor:
    """Return clips (B, 3, T, S, S) without detail.

    Each frame is blurred by a Gaussian, along one side and then the other.
    """
    size = clips.shape[-1]
    sigma = BLUR * size
    width = 2 * min(ceil(2 * sigma), size - 1) + 1  # reflected at the edges, so not beyond the frame
    frames = clips.transpose(1, 2).flatten(0, 1)  # (B T, 3, S, S)
    for kernel in ([width, 1], [1, width]):
        frames = gaussian_blur(frames, kernel, [sigma, sigma])
    return frames.unflatten(0, (clips.shape[0], clips.shape[2])).transpose(1, 2)


def patched(clips: Tensor, patches: Tensor, where: Tensor) -> Tensor:
    """Return clips (B, 3, T, S, S) of which some cells are taken from `patches`.

    Args:
        where: these cells, bool (B, T, h, w).
    """
    enlarged = F.interpolate(where.float(), size=clips.shape[-2:], mode="nearest")  # (B, T, S, S)
    return torch.where(enlarged[:, None] > 0, patches, clips)


def frozen(clips: Tensor, kept: Tensor) -> Tensor:
    """Return clips (B, 3, T, S, S) of which only the frames `kept` are there.

    Every other frame repeats the last one kept before it, or where there is none the first one kept after it; a clip
    of which none is kept is its middle frame.

    Args:
        kept: bool (B, T).
    """
    num_frames = kept.shape[1]
    at = torch.arange(num_frames, device=kept.device)
    before = torch.where(kept, at, -1).cummax(dim=1).values  # (B, T), -1: none
    first = torch.where(kept.any(dim=1), kept.int().argmax(dim=1), num_frames // 2)  # (B,)
    source = torch.where(before < 0, first[:, None], before)
    return clips.gather(2, source[:, None, :, None, None].expand_as(clips))


def noise(video: str, shape: tuple[int, ...]) -> Tensor:
    """Draw a ranking for the video, float32 in [0, 1); the same each time."""
    return torch.from_numpy(np.random.default_rng(video_number(video)).random(shape, dtype=np.float32))


Probability = Callable[[Tensor], Tensor]  # of the answer, (B,), for clips (B, 3, T, S, S)


def curves_in_space(
    clips: Tensor,
    rankings: Mapping[str, Tensor],
    probability: Probability,
    shares: Sequence[float] = SHARES,
    *,
    ties: Tensor,
) -> dict[str, Tensor]:
    """Compute the curves of clips whose cells come or go.

    Returns float (B, n + 1) by name: `insertion_x` and `deletion_x` of each ranking x.

    Args:
        clips: (B, 3, T, S, S).
        rankings: by name what ranks the cells, float (B, T, h, w).
        ties: what ranks cells that a ranking holds equal, a random ranking (B, T, h, w).
    """
    away = blurred(clips)
    return _curves(
        {
            name: ranks(values.flatten(2), ties.flatten(2)).unflatten(2, values.shape[2:])  # (B, T, h, w)
            for name, values in rankings.items()
        },
        counts(ties[0, 0].numel(), shares),
        (probability(away), probability(clips)),
        show=lambda cells: probability(patched(away, clips, cells)),
        take=lambda cells: probability(patched(clips, away, cells)),
    )


def curves_in_time(
    clips: Tensor,
    rankings: Mapping[str, Tensor],
    probability: Probability,
    shares: Sequence[float] = SHARES,
    *,
    ties: Tensor,
) -> dict[str, Tensor]:
    """Compute the curves of clips whose frames come or go.

    By name, `insertion_time_x` and `deletion_time_x`; shapes and arguments are those of `curves_in_space`.
    """
    none = torch.zeros(clips.shape[0], clips.shape[2], dtype=torch.bool, device=clips.device)
    by_time = {
        f"time_{name}": ranks(values.mean(dim=(2, 3)), ties.mean(dim=(2, 3)))  # (B, T)
        for name, values in rankings.items()
    }
    return _curves(
        by_time,
        counts(clips.shape[2], shares),
        (probability(frozen(clips, none)), probability(clips)),
        show=lambda frames: probability(frozen(clips, frames)),
        take=lambda frames: probability(frozen(clips, ~frames)),
    )


def _curves(
    places: Mapping[str, Tensor],
    points: np.ndarray,
    ends: tuple[Tensor, Tensor],
    *,
    show: Callable[[Tensor], Tensor],
    take: Callable[[Tensor], Tensor],
) -> dict[str, Tensor]:
    """Compute both curves of each ranking, float (B, n + 1).

    Args:
        places: by name the place of each cell or frame in the ranking, int64 (B, ...).
        points: how many are shown or taken away (`counts`).
        ends: probabilities with nothing shown, and with all, (B,).
        show, take: of the probability, (B,), when nothing but these is shown, or these are taken away, bool (B, ...).
    """
    nothing, whole = ends
    between, curves = points[1:-1].tolist(), {}
    for name, own in places.items():
        curves[f"insertion_{name}"] = torch.stack([nothing, *(show(own < count) for count in between), whole], dim=1)
        curves[f"deletion_{name}"] = torch.stack([whole, *(take(own < count) for count in between), nothing], dim=1)
    return curves


def answer_probability(model: VideoNetwork, answers: Tensor) -> Probability:
    """Return what computes the probability of answers for other forms of clips.

    Args:
        answers: the clips' classes, int64 (B,).
    """
    return lambda clips: model(clips).perception_logits.softmax(dim=1).gather(1, answers[:, None])[:, 0]


def with_random(rankings: Mapping[str, Tensor], videos: Iterable[str]) -> dict[str, Tensor]:
    """Return rankings by name, float (B, T, h, w), with `random` among them.

    That one is drawn for each clip's video.
    """
    first = next(iter(rankings.values()))
    drawn = torch.stack([noise(video, tuple(first.shape[1:])) for video in videos])
    return {**rankings, "random": drawn.to(first.device)}


@torch.no_grad()
def areas_in_space(
    model: VideoNetwork, clips: Tensor, rankings: Mapping[str, Tensor], videos: Iterable[str], answers: Tensor
) -> dict[str, np.ndarray]:
    """Measure how maps rank the cells of clips.

    Returns the areas under the curves in space, float64 (B,) by curve.

    Args:
        model: in evaluation mode.
        clips: normalised, float32 (B, 3, T, S, S).
        rankings: maps by letter, float (B, T, h, w).
        videos: of the clips, from whose names the random rankings are drawn.
        answers: int64 (B,), the class predicted for each whole clip.
    """
    given = with_random(rankings, videos)
    at = counts(given["random"][0, 0].numel())
    curves = curves_in_space(clips, given, answer_probability(model, answers), ties=given["random"])
    return {name: area(at / at[-1], values.cpu().numpy().astype(np.float64)) for name, values in curves.items()}
