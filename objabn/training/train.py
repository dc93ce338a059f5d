"""Train one configuration with Adam, on one clip a video and epoch."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from objabn.clips.batches import Loader, clip_tensors, mask_tensors, num_batches
from objabn.clips.dataset import ClipDataset
from objabn.config.rows import MAPS
from objabn.config.schema import X3D, Dataset
from objabn.model.backbone import check_gradients
from objabn.model.device import compiled, computed_on, describe, make_fabric
from objabn.model.interface import step_masks
from objabn.model.network import ObjectABN
from objabn.model.run import CURVES, Run, build_model, cpu_state, save_run, seal_run, write_rows
from objabn.progress import Awaited, progress
from objabn.training import collectives
from objabn.training.checkpoint import Checkpoint, Parts, Position
from objabn.training.gpu_memory import out_of_memory_in_one_line
from objabn.training.gradient_shares import gradient_shares, probed_batches
from objabn.training.losses import scales, settings, total_loss
from objabn.training.optimiser import epoch_rates, make_optimiser, make_scheduler
from objabn.training.parallel import join_processes, synchronise
from objabn.training.tally import Tally, reads_every
from objabn.training.trackers import Trackers, log_directory


@torch.no_grad()
def validate(model: Any, batches: Loader, params: Dataset, fabric: Fabric) -> float:
    """Return the top-1 of the perception branch in percent.

    Args:
        model: the network itself, not wrapped in DDP: DDP's `forward` would wait for processes without a clip.
        batches: this process's share of the clips.
    """
    model.eval()
    collectives.share_statistics(model)
    correct = torch.zeros((), device=fabric.device)
    for batch in batches.epoch():
        with fabric.autocast():
            logits = model(clip_tensors(batch, params.data.crop)).perception_logits
        correct += (logits.argmax(dim=1) == batch["label"]).sum()
    return 100 * float(collectives.total(correct)) / len(batches.dataset)


def train_epoch(
    model: Any,
    parts: Parts,
    fabric: Fabric,
    run: Run,
    batches: Loader,
    position: Position,
    checkpoint: Checkpoint | None,
    *,
    probe: bool = True,
) -> dict[str, float]:
    """Train from `position` to the end of the epoch, and return the epoch's means.

    The means over all batches of the epoch are `loss`, the terms of the loss, and `train_top1` in percent; over a few
    batches `gradient_*`, the terms' shares of the gradient on the attention branch (`gradient_shares`). Each step
    follows the mean gradient of `train.accumulate` batches; the last step of the epoch takes the batches that are left.
    A GPU is waited for every `reads_every` steps only: then the terms are read, and a checkpoint may be kept. Adds to
    `position.waited`. Without `probe` no shares are measured.

    Raises:
        TrainingError: the loss or one of its terms is not finite.
    """
    model.train()
    network, optimiser, scheduler, _ = parts
    params, dataset, epoch = run.params, batches.dataset, position.epoch
    accumulate, every = params.train.accumulate, reads_every(fabric.device)
    total_batches, waited = num_batches(dataset, params.train.batch_size), position.waited
    probed = probed_batches(total_batches) if probe else set()
    tally = Tally(position.sums, dataset.table["video"].tolist(), epoch)
    loaded = Awaited(batches.epoch(epoch, position.batch))
    bar = progress(
        loaded,
        total=total_batches,
        initial=position.batch,
        desc=f"epoch {epoch + 1}/{params.train.epochs}",
        unit="batch",
        disable=not fabric.is_global_zero,
    )
    optimiser.zero_grad()
    began = position.elapsed()
    for number, batch in enumerate(bar, position.batch + 1):
        union = None
        if "o" in MAPS[run.attention]:
            union = mask_tensors(batch, "masks", network.map_size, params.mask.resize)
            union = step_masks(union, network.map_frames, params.mask.time)
        is_last = number == total_batches
        steps = number % accumulate == 0 or is_last
        clips = clip_tensors(batch, params.data.crop)
        if network.with_even:  # its penalty reads BatchNorm's statistics, which are each process's own
            collectives.share_statistics(network)
        terms_of = partial(
            total_loss,
            labels=batch["label"],
            attention=run.attention,
            union_masks=union,
            centroids=network.class_centroids,
            **settings(params),
        )
        shares = {}
        if number in probed:
            shares = gradient_shares(network, clips, terms_of, scales(params.loss_weights), fabric)
        with fabric.no_backward_sync(model, enabled=not steps):
            output = model(clips)
            total, terms = terms_of(output)
            first_of_step = (number - 1) // accumulate * accumulate
            fabric.backward(total / min(accumulate, total_batches - first_of_step))
        hits = (output.perception_logits.argmax(dim=1) == batch["label"]).float().mean()
        of_probes = {name: share * (total_batches / len(probed)) for name, share in shares.items()}  # their mean
        tally.add({"loss": total, **terms, "train_top1": 100 * hits, **of_probes}, batch["row"])
        position.waited = waited + loaded.seconds
        reads = steps and (is_last or number // accumulate % every == 0)
        if reads:
            values = tally.read()
            wait = loaded.seconds / (position.elapsed() - began)
            bar.set_postfix(loss=f"{values['loss']:.3f}", wait=f"{wait:.0%}", refresh=False)
        if not steps:
            continue
        optimiser.step()
        scheduler.step()
        optimiser.zero_grad()
        if reads and checkpoint and collectives.agreed(checkpoint.due(), fabric.device):
            checkpoint.keep(parts, replace(position, batch=number, sums=dict(tally.sums), seconds=position.elapsed()))
    return collectives.means({name: value / total_batches for name, value in tally.sums.items()})


def train(
    run: Run,
    train_set: ClipDataset,
    validation_set: ClipDataset,
    run_dir: Path,
    checkpoint: Checkpoint | None = None,
    *,
    parallel: bool = False,
    probe: bool = True,
    log: Path | None = None,
) -> tuple[ObjectABN, dict[str, Any]]:
    """Train a network, and return it with the timing.

    Writes curves.csv (one row an epoch) into `run_dir` during the training. The network has the weights of the epoch
    that `train.report` names, which stands as `epoch` beside the times: the last, or the one of the highest top-1 on
    `validation_set`, of several the first.

    Args:
        run_dir: read in the first process only.
        checkpoint: keeps the state of the training, and restores the state after an interruption; None keeps nothing.
        parallel: True in a process that `processes` started. Each process takes its slice of every batch, and all
            processes follow the mean gradient. False trains in this process alone, whatever `train.devices` says.
        probe: False leaves the gradient's shares out, for those who measure time.
        log: directory of what `machine.trackers` write; None: they write nothing.

    Raises:
        TrainingError: the loss or one of its terms is not finite, or the GPU's memory does not hold a batch.
        ValueError: the device or a tracker's package is not there, the pretrained weights or the checkpoint do not fit,
            or several processes have less than a batch.
    """
    params = run.params
    fabric = join_processes(params) if parallel else make_fabric(params)
    fabric.seed_everything(run.seed, verbose=False)
    if fabric.world_size > 1 and len(train_set) < params.train.batch_size:
        raise ValueError(
            f"train.batch_size: expected at most {len(train_set)}, the training videos, with {fabric.world_size} "
            f"processes, got {params.train.batch_size}"
        )
    network = build_model(run, len(train_set.class_names))
    if fabric.world_size > 1 and params.model.backbone != X3D:
        clip = (1, 3, params.data.num_frames, params.data.crop, params.data.crop)
        check_gradients(network.stages, clip, params.model.backbone, fabric.world_size)
    if params.train.sync_batchnorm and fabric.world_size > 1:
        synchronise(network)
    if params.model.pretrained:
        classes = f"{len(train_set.class_names)} classes"
        print(f"{params.model.pretrained}: all keys fit but {network.drawn}, drawn anew for {classes}")
    adam = make_optimiser(network, params)
    batches = num_batches(train_set, params.train.batch_size)
    steps = math.ceil(batches / params.train.accumulate)  # of an epoch
    scheduler = make_scheduler(adam, params, params.train.epochs * steps)
    model, optimiser = fabric.setup(compiled(network, params.train, fabric.device), adam)
    parts = Parts(network, optimiser, scheduler, {})
    if fabric.global_rank:  # each process draws its own dropout
        torch.manual_seed(int(np.random.SeedSequence([run.seed, fabric.global_rank]).generate_state(1)[0]))
    print(describe(params.train, fabric.device))
    position = checkpoint.restore(parts) if checkpoint else Position()
    if position.epoch or position.batch:
        print(f"goes on after {position.epoch * batches + position.batch} of {params.train.epochs * batches} batches")
    settings: dict[str, Any] = {"workers": params.machine.loader_workers, "device": fabric.device}
    settings["share"] = (fabric.global_rank, fabric.world_size)
    settings["processes"] = params.train.devices if parallel else 1
    size, begun = params.train.batch_size, len(position.rows)
    with (
        out_of_memory_in_one_line(params.train, fabric.strategy.precision.precision),
        Loader(train_set, size, seed=run.seed, shuffle=True, **settings) as train_batches,
        Loader(validation_set, size, **settings) as validation_batches,
        Trackers(
            run, validation_set, fabric, log, begun, lambda each: epoch_rates(scheduler, each * steps)
        ) as trackers,
        open(run_dir / CURVES if fabric.is_global_zero else os.devnull, "w", newline="") as file,
    ):
        write_rows(file, position.rows, header=True)
        while position.epoch < params.train.epochs:
            means = train_epoch(model, parts, fabric, run, train_batches, position, checkpoint, probe=probe)
            top1 = validate(network, validation_batches, params, fabric)
            row = {"epoch": position.epoch + 1, **means, "val_top1": top1}
            write_rows(file, [row], header=not position.rows)
            rows, seconds = [*position.rows, row], position.elapsed()
            position = Position(position.epoch + 1, rows=rows, seconds=seconds, waited=position.waited)
            if params.train.report == "best" and reported_epoch("best", rows) == position.epoch:
                parts.best.update({name: value.clone() for name, value in cpu_state(network).items()})
            if checkpoint:
                checkpoint.keep(parts, position)
            print(
                f"epoch {position.epoch}/{params.train.epochs}: loss {means['loss']:.3f}, "
                f"val top-1 {row['val_top1']:.1f} %, {len(train_set) * position.epoch / seconds:.1f} clips/s, "
                f"{position.waited / seconds:.1%} waiting for data",
                flush=True,
            )
            trackers.log(position.rows, network)
        trackers.log(position.rows, network)  # of a training that was interrupted at its end
    if parts.best:
        network.load_state_dict(parts.best)
    times = {"train_seconds": position.elapsed(), "data_wait_seconds": position.waited}
    epoch = reported_epoch(params.train.report, position.rows)
    return network, {"epoch": epoch, **times, **computed_on(params.train, fabric.device)}


def reported_epoch(report: str, rows: Sequence[Mapping[str, float]]) -> int:
    """Return the epoch, from 1, whose weights a run keeps.

    Of several that are best it is the first.

    Args:
        report: `train.report`.
        rows: of curves.csv.

    >>> [reported_epoch(report, [{"val_top1": top1} for top1 in (50.0, 75.0, 75.0)]) for report in ("last", "best")]
    [3, 2]
    """
    top1 = [row["val_top1"] for row in rows]
    return len(top1) if report == "last" else 1 + top1.index(max(top1))


def train_and_save(
    run: Run,
    train_set: ClipDataset,
    validation_set: ClipDataset,
    run_dir: Path,
    checkpoint: Checkpoint | None,
    record: dict[str, Any],
    log: Path | None = None,
) -> dict[str, Any]:
    """Train in this process, save the run, and return the timing.

    This process is one of as many as the parameters say. Only the first process saves the run.

    Args:
        record: the content of run.json (`run_record`).
        log: directory of the trackers' logs of the run's trainings, each of which has one of its own in it.
    """
    parallel = run.params.train.devices * run.params.train.nodes > 1
    of_this = log_directory(log, checkpoint.key) if log and checkpoint else None
    model, timing = train(run, train_set, validation_set, run_dir, checkpoint, parallel=parallel, log=of_this)
    if collectives.rank() == 0:
        threads = record["threads"] if timing["device"] == "cpu" else None  # on a GPU they determine nothing
        measured = {name: timing[name] for name in ("epoch", "device", "precision")}
        save_run(run_dir, model, {**record, "threads": threads, **measured})
        seal_run(run_dir)
    return timing
