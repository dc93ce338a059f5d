"""Trains one configuration, or a control, with one seed; goes on where a process stopped that was killed.

`python -m stages.train DATASET --attention mask --pc true --seed 0`, or `--control plain --seed 0`
"""

import json
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from objabn.config.rows import MAPS
from stages.arguments import parse
from stages.code import code_of
from stages.paths import Paths, run_stage


def main() -> None:
    arguments, _, dataset = parse(__doc__, row=True, seed=True)
    paths = Paths(arguments.dataset)
    seed = arguments.seed

    from objabn.clips.dataset import VALIDATION, open_split, validation_split
    from objabn.model.run import Run, run_record
    from objabn.stores.table import check_missing, read_table
    from objabn.system.cache import Cache
    from objabn.system.files import replace_dir, write_text
    from objabn.system.locks import one_at_a_time
    from objabn.training.checkpoint import Checkpoint, is_finished, run_key
    from objabn.training.gpus import leased_gpus
    from objabn.training.train import train_and_save
    from objabn.training.wrong_masks import wrong_masks

    run = Run(dataset, arguments.attention, arguments.pc, seed, arguments.control, arguments.masks)
    processes = None
    if dataset.train.devices * dataset.train.nodes > 1:
        from objabn.training.processes import Processes

        processes = Processes(dataset.train.devices, dataset.train.nodes)

    frames, masks = paths.data("frames"), paths.data("masks")
    check_missing(read_table(frames), dataset.machine.max_failed)
    own_masks = masks if "o" in MAPS[arguments.attention] else None
    replace = partial(wrong_masks, arguments.masks, seed) if arguments.masks != "own" else None
    train_set = open_split("train", dataset, frames, own_masks, seed=seed, replace_masks=replace)
    watched_on = validation_split(frames)
    validation_set = open_split(watched_on, dataset, frames, None, seed=seed, evaluation=VALIDATION)
    inputs = [paths.data("index.csv"), frames / "videos.csv", masks / "instances.parquet"]
    inputs += [path for path in [Path(dataset.model.pretrained or "")] if path.is_file()]
    record = {**run_record(run, train_set.class_names, inputs), "validated_on": watched_on}
    run_dir, times = paths.run(arguments.row, seed), paths.timing(arguments.row, seed)
    elsewhere = processes is not None and processes.node > 0  # the first machine's stage holds the lock and writes
    lock = nullcontext(False) if elsewhere else one_at_a_time(paths.lock(arguments.row, seed))
    with lock as waited, leased_gpus(dataset.train.devices, dataset.train.accelerator):  # nothing asks CUDA before
        key = run_key(record, [frames, masks], code_of("train"))
        checkpoint = Checkpoint(Cache(), key, dataset.machine.checkpoint_minutes)
        make = partial(train_and_save, run, train_set, validation_set, checkpoint=checkpoint, record=record)
        if processes:
            make = partial(processes.run, make)
        if elsewhere:
            make(run_dir)
            return
        if waited and is_finished(run_dir, times, key):
            print(f"{run_dir}: finished by the process that this one waited for")
            return
        with replace_dir(run_dir) as directory:
            timing = make(directory)
        write_text(times, json.dumps({**timing, "key": key}, indent=2) + "\n")
        checkpoint.remove()


if __name__ == "__main__":
    run_stage(main)
