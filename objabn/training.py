"""Trains one configuration with Adam, one clip a video and epoch."""

import csv
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.optim.lr_scheduler import LambdaLR

from objabn.checkpoints import CURVES, load_run
from objabn.clips import Batch, ClipDataset, clip_tensors, loader, mask_tensors, num_batches
from objabn.losses import LossWeights, total_loss
from objabn.model import ObjectABN
from objabn.params import MAPS, Dataset
from objabn.progress import progress
from objabn.schedules import learning_rate


class TrainingError(ValueError):
    """Training cannot go on; the message says why in one line."""


def build_model(params: Dataset, attention: str, pc: bool, num_classes: int, *, pretrained: bool = True) -> ObjectABN:
    """The network of a configuration; `pretrained` False skips the backbone's weights (they will be loaded anyway)."""
    settings = params.model.model_dump()
    if not pretrained:
        settings["pretrained"] = None
    return ObjectABN(
        attention=attention,
        pc=pc,
        num_classes=num_classes,
        num_frames=params.data.num_frames,
        crop=params.data.crop,
        centroid_std=params.train.centroid_std,
        **settings,
    )


def load_model(directory: Path) -> tuple[ObjectABN, dict[str, Any]]:
    """A finished run's network in evaluation mode, and its run.json."""
    state, run = load_run(directory)
    params = Dataset.model_validate(run["params"])
    model = build_model(params, run["attention"], run["pc"], len(run["class_names"]), pretrained=False)
    model.load_state_dict(state)
    return model.eval(), run


def make_fabric(params: Dataset) -> Fabric:
    """Fabric on one device. Raises: ValueError when the device that `train.accelerator` asks for is not there."""
    if params.train.accelerator == "cuda" and not torch.cuda.is_available():
        raise ValueError("train.accelerator: expected auto or cpu on a machine without a CUDA device, got cuda")
    return Fabric(accelerator=params.train.accelerator, devices=1, precision=params.train.precision)


def _optimiser(model: ObjectABN, params: Dataset) -> torch.optim.Optimizer:
    """Adam on what is not frozen: the backbone, the layers that it does not bring, the class centroids."""
    new = [value for layer in model.new_layers() for value in layer.parameters()]
    apart = {id(value) for value in [*new, model.centroids]}
    backbone = [value for value in model.parameters() if value.requires_grad and id(value) not in apart]
    lr = params.train.lr
    groups: list[dict[str, Any]] = [{"params": backbone}, {"params": new, "lr": params.train.new_layers_lr or lr}]
    if model.centroids is not None:
        groups.append({"params": [model.centroids], "lr": params.train.centroid_lr or lr})
    return torch.optim.Adam(groups, lr=lr)


def _scheduler(optimiser: torch.optim.Optimizer, params: Dataset, steps: int) -> LambdaLR:
    """The learning rates' course over all `steps`; call `step` after each."""
    if params.train.schedule == "constant":
        return LambdaLR(optimiser, lambda done: 1.0)
    return LambdaLR(optimiser, lambda done: learning_rate(min(done + 1, steps), steps, 1.0))


def _stop_if_not_finite(terms: dict[str, float], batch: Batch, dataset: ClipDataset, epoch: int) -> None:
    bad = [name for name, value in terms.items() if not math.isfinite(value)]
    if bad:
        videos = ", ".join(dataset.table["video"][int(row)] for row in batch["row"])
        raise TrainingError(f"{' and '.join(bad)} not finite in epoch {epoch + 1}; videos of the batch: {videos}")


@torch.no_grad()
def validate(model: Any, dataset: ClipDataset, params: Dataset, fabric: Fabric) -> float:
    """Top-1 of the perception branch in percent."""
    model.eval()
    correct = torch.zeros((), device=fabric.device)
    for batch in loader(dataset, params.train.batch_size, workers=params.train.workers):
        batch = fabric.to_device(batch)
        logits = model(clip_tensors(batch, params.data.crop)).perception_logits
        correct += (logits.argmax(dim=1) == batch["label"]).sum()
    return 100 * float(correct) / len(dataset)


def _train_epoch(
    model: Any,
    optimiser: Any,
    scheduler: LambdaLR,
    fabric: Fabric,
    params: Dataset,
    attention: str,
    dataset: ClipDataset,
    seed: int,
    epoch: int,
) -> dict[str, float]:
    """Means over the batches of one epoch: `loss`, its terms, `train_top1` in percent."""
    model.train()
    weights = LossWeights(**params.weights.model_dump())
    size = params.train.batch_size
    sums: Counter[str] = Counter()
    batches = loader(dataset, size, workers=params.train.workers, seed=seed, epoch=epoch, shuffle=True)
    label = f"epoch {epoch + 1}/{params.train.epochs}"
    bar = progress(batches, total=num_batches(dataset, size), desc=label, unit="batch")
    for batch in bar:
        batch = fabric.to_device(batch)
        union = None
        if "o" in MAPS[attention]:
            union = mask_tensors(batch, "masks", model.map_size, params.mask.resize)
        output = model(clip_tensors(batch, params.data.crop))
        total, terms = total_loss(
            output.attention_logits,
            output.perception_logits,
            output.maps,
            output.features,
            batch["label"],
            attention=attention,
            union_masks=union,
            centroids=model.centroids,
            weights=weights,
            pc_norm=params.train.pc_norm,
        )
        optimiser.zero_grad()
        fabric.backward(total)
        hits = (output.perception_logits.argmax(dim=1) == batch["label"]).float().mean()
        named = {"loss": total, **terms, "train_top1": 100 * hits}
        values = dict(zip(named, torch.stack(list(named.values())).tolist(), strict=True))  # waits for the device once
        _stop_if_not_finite(values, batch, dataset, epoch)
        optimiser.step()
        scheduler.step()
        sums.update(values)
        bar.set_postfix(loss=f"{values['loss']:.3f}", refresh=False)
    return {name: value / num_batches(dataset, size) for name, value in sums.items()}


def train(
    params: Dataset, attention: str, pc: bool, seed: int, train_set: ClipDataset, test_set: ClipDataset, run_dir: Path
) -> tuple[ObjectABN, dict[str, Any]]:
    """The trained network and its timing; writes curves.csv (one row an epoch) into `run_dir` as it goes.

    Raises:
        TrainingError: the loss or one of its terms is not finite.
        ValueError: the device is not there, or the pretrained weights do not fit.
    """
    fabric = make_fabric(params)
    fabric.seed_everything(seed, verbose=False)
    network = build_model(params, attention, pc, len(train_set.class_names))
    if params.model.pretrained:
        num_classes = len(train_set.class_names)
        print(
            f"{params.model.pretrained}: all keys fit but the head's projection, drawn anew for {num_classes} classes"
        )
    adam = _optimiser(network, params)
    scheduler = _scheduler(adam, params, params.train.epochs * num_batches(train_set, params.train.batch_size))
    model, optimiser = fabric.setup(network, adam)
    started = time.perf_counter()
    with open(run_dir / CURVES, "w", newline="") as file:
        writer: csv.DictWriter | None = None
        for epoch in range(params.train.epochs):
            means = _train_epoch(model, optimiser, scheduler, fabric, params, attention, train_set, seed, epoch)
            row = {"epoch": epoch + 1, **means, "val_top1": validate(model, test_set, params, fabric)}
            if writer is None:
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            clips = len(train_set) * (epoch + 1) / (time.perf_counter() - started)
            print(
                f"epoch {epoch + 1}/{params.train.epochs}: loss {means['loss']:.3f}, "
                f"val top-1 {row['val_top1']:.1f} %, {clips:.1f} clips/s",
                flush=True,
            )
    return network, {"train_seconds": time.perf_counter() - started, "device": str(fabric.device)}
