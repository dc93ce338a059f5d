"""Trains one loss configuration, or a control, with one seed; goes on where a process stopped that was killed.

`python -m stages.train DATASET --attention mask --pc true --seed 0`, or `--control plain --seed 0`. On several machines
torchrun or srun starts this command (docs/scaling.md).
"""

from argparse import Namespace
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from objabn.config.control_masks import TrueMasks
from objabn.config.rows import MAPS
from objabn.config.schema import Dataset
from objabn.training.launcher import Place, beside_others, find_place
from stages.arguments import parse
from stages.code import code_of
from stages.entry import run_stage
from stages.paths import Paths


def main() -> None:
    arguments, _, dataset = parse(__doc__, row=True, seed=True)
    place = find_place(dataset.train.devices, dataset.train.nodes)
    with beside_others(place, "train") if place else nullcontext():
        make(arguments, dataset, place)


def make(arguments: Namespace, dataset: Dataset, place: Place | None) -> None:
    """Make the run, as one of several processes where a launcher has started them."""
    from objabn.clips.dataset import VALIDATION, open_split, validation_split
    from objabn.model.run import Run, run_record
    from objabn.stores.table import check_missing, read_table
    from objabn.training.checkpoint import run_key
    from objabn.training.make import Making, make_run
    from objabn.training.train import train_and_save
    from objabn.training.wrong_labels import shuffled_labels
    from objabn.training.wrong_masks import wrong_masks

    paths, seed = Paths(arguments.dataset), arguments.seed
    wrong = {"masks": arguments.masks, "labels": arguments.labels}
    run = Run(dataset, arguments.attention, arguments.pc, seed, arguments.control, **wrong)
    frames, masks = paths.data("frames"), paths.data("masks")
    check_missing(read_table(frames), dataset.machine.max_failed)
    own_masks = masks if "o" in MAPS[arguments.attention] else None
    wrong_ones = partial(wrong_masks, arguments.masks, seed, params=dataset, frames=frames)
    replace = wrong_ones if arguments.masks != "own" else None
    train_set = open_split("train", dataset, frames, own_masks, seed=seed, replace_masks=replace)
    if arguments.labels == "shuffled":
        train_set.labels = shuffled_labels(train_set.labels, seed)
    watched_on = validation_split(frames)
    validation_set = open_split(watched_on, dataset, frames, None, seed=seed, evaluation=VALIDATION)
    inputs = [paths.data("index.csv"), frames / "videos.csv", masks / "instances.parquet"]
    inputs += [path for path in [Path(dataset.model.pretrained or "")] if path.is_file()]
    truth = [Path(dataset.truth.store)] if dataset.truth and isinstance(arguments.masks, TrueMasks) else []
    inputs += [store / "videos.csv" for store in truth]
    record = {**run_record(run, train_set.class_names, inputs), "validated_on": watched_on}
    making = Making(
        params=dataset,
        key=partial(run_key, record, [frames, masks, *truth], code_of("train")),
        train=partial(train_and_save, run, train_set, validation_set, record=record),
        run_dir=paths.run(arguments.row, seed),
        timing=paths.timing(arguments.row, seed),
        lock=paths.lock(arguments.row, seed),
    )
    make_run(making, place)


if __name__ == "__main__":
    run_stage(main)
