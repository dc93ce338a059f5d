"""All ways to explain a network side by side: how they rank what counts, and how they lie on the object.

The row's own maps, post-hoc methods and baselines on all videos, in space and in time; the perturbation method, of
which a map takes hundreds of passes, on the videos of `eval.ranking_videos`.

    measured = measure_methods(run.model, run.attention, test_clips, params)
    measured.per_video.groupby("label")["insertion_g"].mean(), measured.mean

Shapes: B batch, V videos, T frames, S crop in pixels, h/w grid of the maps, n + 1 points of a curve.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from objabn.audits.perturbation import perturbation_maps
from objabn.clips.batches import Batch, clip_tensors
from objabn.clips.dataset import ClipDataset
from objabn.config.rows import PERTURBATION
from objabn.config.schema import Dataset
from objabn.evaluation.conditions import batches
from objabn.evaluation.insertion_deletion import (
    SHARES,
    answer_probability,
    area,
    counts,
    curves_in_space,
    curves_in_time,
    ranked_videos,
    with_random,
)
from objabn.evaluation.map_measures import map_measures
from objabn.evaluation.maps import named_maps, repeated_maps
from objabn.evaluation.metrics import mean_known
from objabn.evaluation.posthoc import posthoc_maps
from objabn.evaluation.results import CURVE
from objabn.evaluation.targets import targets
from objabn.model.device import make_fabric
from objabn.model.interface import VideoNetwork

CURVE_KEYS = ("curve", "share")  # columns that tell lines of mean curves apart


class Measured(NamedTuple):
    """What was measured of each video, and mean curves."""

    per_video: pd.DataFrame  # video, label, and by column a number; NaN of videos that were not measured
    mean: pd.DataFrame  # curve, share (of the cells or frames shown or taken away), probability


@torch.no_grad()
def measure_methods(
    model: VideoNetwork, attention: str, dataset: ClipDataset, params: Dataset, *, shares: Sequence[float] = SHARES
) -> Measured:
    """Measures a row's own maps, post-hoc methods, baselines and the perturbation method; views are averaged.

    Columns of `per_video` for a map x: insertion_x, deletion_x, insertion_time_x and deletion_time_x, areas in [0, 1]
    under curves of the probability of the class predicted for the whole clip, right or wrong (but for M_b, which ranks
    what is held to be no evidence), each beside that of a random ranking, `*_random`; and the columns of
    `map_measures`, without curves. A good map has a large area of insertion and a small one of deletion, both against
    random. x is "p" for the perturbation method, whose numbers are NaN for videos that are not drawn.
    """
    fabric = make_fabric(params)
    model = model.to(fabric.device).eval()
    drawn = ranked_videos(dataset.labels, params.eval.ranking_videos)
    found: list[tuple[int, dict[str, np.ndarray]]] = []  # of each batch its clips and their results
    for batch in batches(dataset, len(dataset), params, "methods"):
        batch = fabric.to_device(batch)
        clips, rows = clip_tensors(batch, params.data.crop), batch["row"].cpu().numpy()
        given = posthoc_maps(model, clips, params.gradcam.layer)
        maps, videos = named_maps(given, attention), dataset.table["video"].iloc[rows].tolist()
        ranking = with_random({letter: each for letter, each in maps.items() if letter != "b"}, videos)
        ties = ranking["random"]
        results = _curves(model, clips, ranking, given.classes, shares, ties)
        native = {letter: each[:, 0] for letter, each in given.native.items()}
        results |= _measures(maps, native, batch, params, repeated_maps(given, attention))
        if (at := np.flatnonzero(drawn[rows])).size:
            here = torch.from_numpy(at).to(clips.device)
            some, answers = clips[here], given.classes[here]
            seen = perturbation_maps(model, some, [videos[place] for place in at], answers)
            own = {PERTURBATION: seen[:, 0]}
            of_some = _curves(model, some, own, answers, shares, ties[here])
            of_some |= _measures(own, {}, {name: value[here] for name, value in batch.items()}, params)
            results |= {name: _spread(values, at, len(clips)) for name, values in of_some.items()}
        found.append((len(clips), results))
    totals = {"": model.map_size**2, "time_": params.data.num_frames}
    points = {kind: counts(total, shares) / total for kind, total in totals.items()}
    return _by_video(found, dataset, points)


def _curves(
    model: VideoNetwork,
    clips: Tensor,
    ranking: Mapping[str, Tensor],
    answers: Tensor,
    shares: Sequence[float],
    ties: Tensor,
) -> dict[str, np.ndarray]:
    """Curves of clips by name, (B, n + 1)."""
    probability = answer_probability(model, answers)
    curves: dict[str, Tensor] = {}
    for of in (curves_in_space, curves_in_time):
        curves |= of(clips, ranking, probability, shares, ties=ties)
    return {name: values.cpu().numpy() for name, values in curves.items()}


def _measures(
    maps: Mapping[str, Tensor],
    native: Mapping[str, Tensor],
    batch: Batch,
    params: Dataset,
    repeated: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """What `map_measures` finds of clips by name, (B,), but for its curves."""
    on_cpu, natives = ({letter: each.cpu().numpy() for letter, each in some.items()} for some in (maps, native))
    size = next(iter(on_cpu.values())).shape[-1]
    measured = map_measures(on_cpu, natives, targets(batch, params, size), params.eval, repeated=repeated)
    return {name: values for name, values in measured.items() if not name.startswith(CURVE)}


def _spread(values: np.ndarray, at: np.ndarray, number: int) -> np.ndarray:
    """Values of some clips (b, ...) among all of a batch (B, ...), NaN elsewhere."""
    among = np.full((number, *values.shape[1:]), np.nan)
    among[at] = values
    return among


def _by_video(
    found: Sequence[tuple[int, Mapping[str, np.ndarray]]], dataset: ClipDataset, points: Mapping[str, np.ndarray]
) -> Measured:
    """Means over views, areas of curves, and mean curves over videos; a batch without a name has NaN for it.

    Args:
        points: shares of the cells ("") and frames ("time_") at which curves are known.
    """
    shapes = {name: values.shape[1:] for _, results in found for name, values in results.items()}
    columns, mean = {}, []
    for name, shape in shapes.items():
        parts = [results.get(name, np.full((number, *shape), np.nan)) for number, results in found]
        per_clip = np.concatenate(parts).astype(np.float64)
        of_videos = mean_known(per_clip.reshape(-1, dataset.views, *shape), axis=1)  # (V, ...)
        if shape:
            at = points["time_" if "_time_" in name else ""]
            columns[name] = area(at, of_videos)
            known = of_videos[~np.isnan(of_videos).any(axis=1)]
            mean.append(pd.DataFrame({"curve": name, "share": at, "probability": known.mean(axis=0)}))
        else:
            columns[name] = of_videos
    per_video = pd.concat([dataset.table[["video", "label"]], pd.DataFrame(columns)], axis=1)
    return Measured(per_video, pd.concat(mean, ignore_index=True))
