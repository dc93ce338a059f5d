"""What a clip costs to train and to evaluate in each attention configuration, by a few steps of the stages' functions.

Weights are random and masks are rectangles; frames, crops, losses and the optimiser are the run's. PC costs next to
nothing and is left out.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from objabn.clips.dataset import VALIDATION, ClipDataset, loader
from objabn.config.schema import MAPS, Control, Dataset, Eval, Table
from objabn.decoding.decode import num_cores
from objabn.evaluation.evaluate import evaluate_run
from objabn.model.device import make_fabric
from objabn.plan.clock import Clock, forget_gpu, gpu_bytes, least, quiet
from objabn.plan.costs import ClipRate, Counts, clip_seconds, rows_of
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.frames import Reader
from objabn.stores.masks import GRID, GROUPS
from objabn.training.train import train, validate

ROWS_SEC = 18.0  # aim
FEW_CLIPS = 2  # of a step that takes seconds
MOST_STEPS = 10


def measure_rows(
    params: Dataset,
    table: Table,
    controls: Mapping[str, Control],
    counts: Counts,
    videos: pd.DataFrame,
    reader: Reader,
    place: Path,
) -> tuple[dict[str, ClipRate], str]:
    """Rates by attention and by control's name; what they rest on.

    A control costs what its attention does; the parameters that it changes besides are left out.

    Args:
        videos: table of the videos to measure with, and `reader` of their frames.
        place: directory to write to.

    Raises:
        ValueError: the GPU's memory does not hold a batch.
    """
    (store := place / "rectangles").mkdir()
    masks = _rectangles(videos, store)
    attentions = {name: controls[name].attention if name in controls else name for name in rows_of(table)}
    names, size = list(dict.fromkeys(attentions.values())), params.train.batch_size
    on_gpu = make_fabric(params).device.type == "cuda"
    room = ROWS_SEC / len(names)

    def best(name: str, batch: int, steps: int) -> ClipRate:
        rates: list[ClipRate] = []
        work = partial(_measure, name, params, counts, videos, (reader, masks), batch, steps)
        directory = Path(tempfile.mkdtemp(dir=place))
        least(lambda each: rates.append(work(each)), directory, room=room)
        times = ("train_sec", "eval_sec", "start_sec")
        return replace(rates[0], **{key: min(getattr(rate, key) for rate in rates) for key in times})

    processes = params.train.devices * params.train.nodes
    size //= processes
    few = size if on_gpu else min(FEW_CLIPS, size)
    try:
        first = best(names[0], few, 1)  # also warms up
        clip_sec = first.train_sec + 2 * first.eval_sec  # besides the steps, a batch is validated and one evaluated
        batch = size if size * clip_sec < room else few
        steps = int(np.clip(room / (3 * batch * clip_sec), 1, MOST_STEPS))
        rates = {name: best(name, batch, steps) for name in names}
    except torch.cuda.OutOfMemoryError:
        raise ValueError(
            f"train.batch_size: expected one that fits into the memory of {torch.cuda.get_device_name(0)}, got {size}"
        ) from None
    clips = f"{batch} clips" if batch == size else f"{batch} of a batch's {size} clips"
    basis = f"measured on {steps} step{'' if steps == 1 else 's'} of {clips} a configuration, without pc"
    if processes > 1:
        side = processes if on_gpu else params.train.nodes  # processes on one CPU share its cores
        rates = {name: replace(rate, train_sec=rate.train_sec / side) for name, rate in rates.items()}
        basis += f"; training divided by {side} for {processes} processes, what they tell each other not counted"
    return {name: rates[attention] for name, attention in attentions.items()}, basis


def _measure(
    attention: str,
    params: Dataset,
    counts: Counts,
    videos: pd.DataFrame,
    readers: tuple[Reader, Reader],
    batch: int,
    steps: int,
    place: Path,
) -> ClipRate:
    """Rates of one configuration from `steps` of `batch` clips."""
    short = params.model_copy(
        update={
            "model": params.model.model_copy(update={"pretrained": None}),
            "train": params.train.model_copy(update={"epochs": 1, "batch_size": batch, "workers": 0}),
            "eval": params.eval.model_copy(update={"views": 1, "batch_size": batch}),
        }
    )
    names = sorted(set(videos["label"])) + [f"class {number}" for number in range(counts.classes)]

    def clips(number: int, *, masks: bool, evaluation: Eval | None) -> ClipDataset:
        rows = videos.iloc[np.arange(number) % len(videos)]
        truth = readers[1] if evaluation is short.eval and params.truth else None
        source = readers[1] if masks else None
        return ClipDataset(
            rows, names[: counts.classes], readers[0], source, params.data, params.mask,
            seed=0, evaluation=evaluation, truth=truth,
        )  # fmt: skip

    train_set = clips(batch * steps, masks="o" in MAPS[attention], evaluation=None)
    forget_gpu()
    with quiet():
        with Clock() as whole:
            test_set = clips(batch, masks=False, evaluation=VALIDATION)
            network, timing = train(short, attention, False, 0, train_set, test_set, place)
        with Clock() as validation:
            validate(network, test_set, short, make_fabric(short))
        with Clock() as forward:
            for _ in evaluate_run(network, attention, clips(batch, masks=True, evaluation=short.eval), short):
                pass
        with Clock() as loading:
            loaded = sum(len(each["label"]) for each in loader(train_set, batch, workers=0))
    eval_sec, load_sec = forward.sec / batch, loading.sec / loaded
    train_sec = max(timing["train_seconds"] - validation.sec, 0.0) / (batch * steps)
    hidden = partial(
        clip_seconds,
        workers=params.train.workers,
        cores=num_cores(),
        on_cpu=make_fabric(params).device.type == "cpu",
    )
    if not params.decode.store:  # a clip then costs reading all of its video
        load_sec *= counts.frames / counts.videos / float(videos["frames"].mean())
    weights = sum(value.nbytes for value in network.state_dict().values())
    return ClipRate(
        train_sec=hidden(max(train_sec - loading.sec / loaded, 0.0), load_sec),
        eval_sec=hidden(max(eval_sec - loading.sec / loaded, 0.0), load_sec),
        start_sec=whole.sec - timing["train_seconds"],
        weights_bytes=weights,
        gpu_bytes=gpu_bytes(),
    )


def _rectangles(videos: pd.DataFrame, store: Path) -> StoreReader:
    """A mask store of the videos with a rectangle for each frame's person."""
    writer = StoreWriter(store, (len(GROUPS), GRID, GRID), frames_per_shard=1024)
    for video, frames in zip(videos["video"], videos["frames"], strict=True):
        planes = np.zeros((frames, len(GROUPS), GRID, GRID), np.uint8)
        planes[:, 0, GRID // 4 : -GRID // 4, GRID // 3 : -GRID // 3] = 255
        writer.append(planes, video=video)
    writer.close()
    return StoreReader(store)
