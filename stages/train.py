"""Trains a loss configuration, or a control, with one seed; goes on where a process stopped that was killed.

`python -m stages.train DATASET --attention mask --pc true --seed 0`, `--control NAME`; many machines: docs/scaling.md
"""

from argparse import Namespace
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from objabn.config.schema import Dataset
from objabn.training.launcher import beside_others, find_place
from stages.arguments import parse
from stages.code import code_of
from stages.entry import run_stage
from stages.paths import Paths

if TYPE_CHECKING:
    from objabn.training.make import Making


def main() -> None:
    arguments, _, dataset = parse(__doc__, row=True, seed=True)
    place = find_place(dataset.train.devices, dataset.train.nodes)
    with beside_others(place, "train") if place else nullcontext():
        from objabn.clips.dataset import fold_names
        from objabn.model.adopted import adopt
        from objabn.stores.table import check_missing, read_table
        from objabn.training.folds import make_networks

        paths = Paths(arguments.dataset)
        frames, run = paths.data("frames"), (arguments.row, arguments.seed)
        if arguments.network:
            adopt(arguments.network, dataset, frames, paths.run(*run), name=arguments.control, seed=run[1])
            return
        check_missing(read_table(frames), dataset.machine.max_failed)
        make_networks(fold_names(frames), partial(making, arguments, dataset), paths.run(*run), paths.lock(*run), place)


def making(arguments: Namespace, dataset: Dataset, fold: str | None) -> "Making":
    """What makes the run, or its network of a fold, as one of several processes where a launcher has started them."""
    from objabn.index.groups import FOLDER, read_groups
    from objabn.model.run import Run, run_record
    from objabn.stores.table import TABLE
    from objabn.stores.truth import ANNOTATED
    from objabn.training.checkpoint import run_key
    from objabn.training.make import Making
    from objabn.training.run_clips import stores_of, training_clips, watched_clips
    from objabn.training.train import train_and_save

    paths, seed = Paths(arguments.dataset), arguments.seed
    how, own = (arguments.control, arguments.masks, arguments.labels, fold), (arguments.row, seed, fold)
    run = Run(dataset, arguments.attention, arguments.pc, seed, *how)
    frames, masks = paths.data("frames"), paths.data("masks")
    groups = partial(read_groups, FOLDER, arguments.dataset)
    stores, train_set = stores_of(run, frames, masks), training_clips(run, frames, masks, groups)
    watched_set, watched_on = watched_clips(run, frames)
    of_truth = [store / name for store in stores[2:] for name in (TABLE, ANNOTATED)]
    of_share = [FOLDER / f"{arguments.dataset}.csv"] if dataset.train.share < 1 else []
    inputs = paths.trained_on(Path(dataset.model.pretrained or ""), *of_truth, *of_share)
    record = {**run_record(run, train_set.class_names, inputs), "validated_on": watched_on}
    return Making(
        params=dataset,
        key=partial(run_key, record, stores, code_of("train")),
        train=partial(train_and_save, run, train_set, watched_set, record=record, log=paths.run(*own, "trackers")),
        run_dir=paths.run(*own),
        timing=paths.timing(*own),
        lock=paths.lock(*own),
        is_part=fold is not None,
    )


if __name__ == "__main__":
    run_stage(main)
