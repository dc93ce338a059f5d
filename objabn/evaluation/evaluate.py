"""Evaluate trained networks on the test split, video by video."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from objabn.clips.batches import Batch, Clips, clip_tensors, loader
from objabn.clips.dataset import ClipDataset
from objabn.config.rows import MAPS, map_names
from objabn.config.schema import Dataset
from objabn.evaluation.insertion_deletion import areas_in_space, ranked_videos
from objabn.evaluation.map_measures import map_measures
from objabn.evaluation.map_replacement import other_answers
from objabn.evaluation.maps import named_maps, repeated_maps
from objabn.evaluation.metrics import mean_known, top1_known, top_k
from objabn.evaluation.paired_clips import PairedClips
from objabn.evaluation.posthoc import posthoc_maps
from objabn.evaluation.results import CURVE
from objabn.evaluation.targets import target_measures, targets
from objabn.evaluation.trained import why_not_finite
from objabn.model.device import make_fabric
from objabn.model.interface import VideoNetwork
from objabn.model.network import ObjectABN
from objabn.progress import progress

Keep = Callable[[Batch, np.ndarray], None]
_ANSWER, _OTHER = "probabilities", "probabilities under "  # of classes, (clips, L); the rest is numbers of maps


def evaluate_run(
    model: VideoNetwork,
    attention: str,
    dataset: ClipDataset,
    params: Dataset,
    *,
    rank: bool = False,
    keep: Keep | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield the results of one trained network, one line a video.

    A table comes as soon as all views of a video are in. Numbers are means over a clip's frames, then over views;
    probabilities are means over views.

    Columns: video, label, predicted, top1 and top5 (0 or 1), confidence (probability of the predicted class). Of a row
    with an attention branch the top-1 under other maps (`other_answers`): top1_attention, top1_even, top1_other (if
    there are two videos), top1_masks, and with ground truth top1_truth, NaN where a frame is not annotated. For each
    map x of `evaluated_maps` the columns of `map_measures`. insertion_x and deletion_x for each of them but b, and
    insertion_random and deletion_random: areas in space, NaN of videos that are not ranked. The columns of
    `target_measures`.

    No more than a batch and a video's views are held at a time.

    Args:
        rank: measure insertion and deletion, on `eval.ranking_videos` videos.
        keep: called with each batch and its maps, float32 (B, M, T, h, w) in the order of `map_names`; a `MapKeeper`.

    Raises:
        ValueError: the network yields numbers that are not finite.
    """
    fabric = make_fabric(params)
    model = model.to(fabric.device).eval()
    number = params.eval.ranking_videos if rank else 0
    chosen = ranked_videos(dataset.labels, number)  # (V,)
    clips: Clips = PairedClips(dataset, masks=False) if MAPS[attention] and len(dataset.table) > 1 else dataset
    size, workers = params.eval.batch_size, params.machine.loader_workers
    batches = loader(clips, size, workers=workers, device=fabric.device)
    total = -(-len(dataset) // size)
    waiting: dict[str, np.ndarray] = {}  # results of clips whose videos are not complete
    num_done = 0  # videos
    for batch in progress(batches, total=total, desc="evaluate", unit="batch"):
        results = _clip_results(model, attention, batch, params, dataset, chosen, keep)
        if waiting:
            results = {name: np.concatenate([waiting[name], values]) for name, values in results.items()}
        num_videos = len(results[_ANSWER]) // dataset.views
        if num_videos:
            yield _video_results(dataset, slice(num_done, num_done + num_videos), results)
        waiting = {name: values[num_videos * dataset.views :] for name, values in results.items()}
        num_done += num_videos
    assert num_done == len(dataset.table)


@torch.no_grad()
def _clip_results(
    model: VideoNetwork,
    attention: str,
    batch: Batch,
    params: Dataset,
    dataset: ClipDataset,
    chosen: np.ndarray,
    keep: Keep | None,
) -> dict[str, np.ndarray]:
    """Results of each clip of a batch by name, (B,), (B, K) or (B, L).

    Args:
        chosen: bool (V,), whose maps' rankings are measured.
    """
    crop = params.data.crop
    clips = clip_tensors(batch, crop)
    found = posthoc_maps(model, clips, params.gradcam.layer)
    masks = targets(batch, params, model.map_size)
    answers = {_ANSWER: found.output.perception_logits}
    if MAPS[attention]:
        assert isinstance(model, ObjectABN)
        assert found.output.attention_logits is not None
        others = other_answers(model, attention, batch, found.h1, found.output.maps, masks.taught, params)
        others = {"attention": found.output.attention_logits} | others
        answers |= {_OTHER + name: logits for name, logits in others.items()}
    maps = named_maps(found, attention)
    if not all(each.isfinite().all() for each in (*answers.values(), *maps.values())):
        raise ValueError(f"the network's logits or maps are not finite: {why_not_finite(model)}")
    values = {letter: each.cpu().numpy() for letter, each in maps.items()}
    if keep is not None:
        keep(batch, np.stack([values[letter] for letter in map_names(attention)], axis=1))
    results = {name: logits.softmax(dim=1).cpu().numpy() for name, logits in answers.items()}
    if (truth := results.get(f"{_OTHER}truth")) is not None:
        truth[~masks.whole()] = np.nan  # a true map only where all frames are annotated
    native = {letter: each[:, 0].cpu().numpy() for letter, each in found.native.items()}
    results |= map_measures(values, native, masks, params.eval, repeated=repeated_maps(found, attention))
    results |= _areas(model, clips, maps, found.classes, batch["row"], dataset, chosen)
    return results | target_measures(masks)


def _areas(
    model: VideoNetwork,
    clips: Tensor,
    maps: dict[str, Tensor],
    classes: Tensor,
    rows: Tensor,
    dataset: ClipDataset,
    chosen: np.ndarray,
) -> dict[str, np.ndarray]:
    """Areas of insertion and deletion of each clip, (B,); NaN of clips whose videos are not chosen."""
    ranking = {letter: each for letter, each in maps.items() if letter != "b"}
    names = [f"{kind}_{letter}" for letter in (*ranking, "random") for kind in ("insertion", "deletion")]
    areas = {name: np.full(len(clips), np.nan) for name in names}
    numbers = rows.cpu().numpy()
    if (at := np.flatnonzero(chosen[numbers])).size:
        here = torch.from_numpy(at).to(clips.device)
        videos = dataset.table["video"].iloc[numbers[at]]
        ranked = {letter: each[here] for letter, each in ranking.items()}
        for name, values in areas_in_space(model, clips[here], ranked, videos, classes[here]).items():
            areas[name][at] = values
    return areas


def _video_results(dataset: ClipDataset, rows: slice, clips: dict[str, np.ndarray]) -> pd.DataFrame:
    """Lines of the videos at `rows` of the data set's table, from the first results of `clips`."""
    num_videos, views = rows.stop - rows.start, dataset.views
    by_video = {
        name: values[: num_videos * views].reshape(num_videos, views, *values.shape[1:])
        for name, values in clips.items()
    }
    labels = dataset.labels[rows]
    probabilities = by_video.pop(_ANSWER).mean(axis=1)  # (videos, L)
    columns: dict[str, Any] = {
        "video": dataset.table["video"].iloc[rows].array,
        "label": dataset.table["label"].iloc[rows].array,
        "predicted": [dataset.class_names[number] for number in probabilities.argmax(axis=1)],
        "top1": top_k(probabilities, labels, 1).astype(int),
        "top5": top_k(probabilities, labels, 5).astype(int),
        "confidence": probabilities.max(axis=1).astype(np.float64),
    }
    for name, values in by_video.items():
        if name.startswith(_OTHER):
            columns[f"top1_{name.removeprefix(_OTHER)}"] = top1_known(values.mean(axis=1), labels)
        elif name.startswith(CURVE):
            columns[name] = list(mean_known(values, axis=1).astype(np.float32))
        else:
            columns[name] = mean_known(values, axis=1)
    return pd.DataFrame(columns)
