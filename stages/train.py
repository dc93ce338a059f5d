"""Trains one configuration, or a control, with one seed.

`python -m stages.train DATASET --attention mask --pc true --seed 0`, or `--control plain --seed 0`
"""

import json
from pathlib import Path

from objabn.params import MAPS
from stages import Paths, row_path, run_stage
from stages.arguments import parse


def main() -> None:
    arguments, _, dataset = parse(__doc__, row=True, seed=True)
    paths = Paths(arguments.dataset)
    row, seed = (arguments.attention, arguments.pc), arguments.seed

    from objabn.checkpoints import run_record, save_run
    from objabn.clips import VALIDATION, open_split
    from objabn.files import replace_dir, write_text
    from objabn.missing import check_missing
    from objabn.stores import read_table
    from objabn.training import train

    frames, masks = paths.data("frames"), paths.data("masks")
    check_missing(read_table(frames), dataset.decode.max_failed)
    train_set = open_split("train", dataset, frames, masks if "o" in MAPS[arguments.attention] else None, seed=seed)
    test_set = open_split("test", dataset, frames, None, seed=seed, evaluation=VALIDATION)
    inputs = [paths.data("index.csv"), frames / "videos.csv", masks / "instances.parquet"]
    inputs += [path for path in [Path(dataset.model.pretrained or "")] if path.is_file()]
    with replace_dir(paths.run(row_path(*row), seed)) as directory:
        model, timing = train(dataset, *row, seed, train_set, test_set, directory)
        save_run(directory, model, run_record(*row, seed, train_set.class_names, dataset, inputs))
    write_text(paths.timing(row_path(*row), seed), json.dumps(timing, indent=2) + "\n")


if __name__ == "__main__":
    run_stage(main)
