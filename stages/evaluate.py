"""Evaluates all seeds of one row: numbers, results of each video, and a picture of the maps that it has.

`python -m stages.evaluate DATASET --attention mask --pc true`, or `--control plain`
"""

import json
from collections.abc import Iterator
from pathlib import Path

from stages import Paths, run_stage
from stages.arguments import parse


def main() -> None:
    arguments, params, dataset = parse(__doc__, row=True)
    paths = Paths(arguments.dataset)
    row = arguments.row
    truth = Path(dataset.truth) if dataset.truth else None

    import pandas as pd

    from objabn.clips import open_split
    from objabn.evaluation import evaluate_run, maps_of_videos, summarise
    from objabn.files import write_text
    from objabn.pictures import draw_maps
    from objabn.results import write_results
    from objabn.training import load_model
    from objabn.training_notes import training_notes

    def results_of_seeds() -> Iterator[pd.DataFrame]:
        for seed in params.table.seeds:
            model, run = load_model(paths.run(row, seed))
            test_set = open_split(
                "test",
                dataset,
                paths.data("frames"),
                paths.data("masks"),
                seed=seed,
                evaluation=dataset.eval,
                truth=truth,
                class_names=run["class_names"],
            )
            for results in evaluate_run(model, arguments.attention, test_set, dataset):
                yield results.assign(seed=seed)
            if seed == params.table.seeds[0]:
                draw_maps(maps_of_videos(model, arguments.attention, test_set, dataset), paths.picture(row))

    result = paths.result(row)
    write_results(result.with_suffix(".parquet"), results_of_seeds())
    write_text(result, json.dumps(summarise(result.with_suffix(".parquet")), indent=2) + "\n")
    notes = training_notes({seed: paths.run(row, seed) for seed in params.table.seeds})
    write_text(result.with_suffix(".training.json"), json.dumps(notes) + "\n")


if __name__ == "__main__":
    run_stage(main)
