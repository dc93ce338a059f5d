"""Evaluate all seeds of one row: its numbers, the results of each video, and the maps of some videos.

`python -m stages.evaluate DATASET --attention mask --pc true`, or `--control plain`
"""

import json
from collections.abc import Iterator

from stages.arguments import parse
from stages.entry import run_stage
from stages.paths import Paths
from stages.trained import measured_as, networks, of_each, trained_runs


def main() -> None:
    arguments, params, dataset = parse(__doc__, row=True)
    paths = Paths(arguments.dataset)
    result = paths.result(arguments.row)

    import pandas as pd

    from objabn.evaluation.evaluate import evaluate_run
    from objabn.evaluation.kept_maps import MOST, MapKeeper, together, write_maps
    from objabn.evaluation.numbers import write_numbers
    from objabn.evaluation.results import write_results
    from objabn.evaluation.summary import summarise
    from objabn.evaluation.training_notes import training_notes
    from objabn.system.files import write_text
    from objabn.system.gpus import leased_gpus

    number = len(networks(arguments.dataset))
    measured = of_each(dataset, number)

    def results_of_seeds() -> Iterator[pd.DataFrame]:
        keepers = []
        for seed, run, clips in trained_runs(arguments, params, dataset):
            is_first = seed == params.table.seeds[0]
            ranked = is_first or dataset.eval.ranking_seeds == "all" or dataset.eval.ranking_videos is None
            keeper = MapKeeper(clips, run.attention, max(MOST // number, 1)) if is_first else None
            keepers += [keeper] if keeper else []
            how = measured_as(run, measured)
            for results in evaluate_run(run.model, run.attention, clips, how, rank=ranked, keep=keeper):
                yield results.assign(seed=seed)
        write_maps(result.with_suffix(".npz"), together([keeper.kept() for keeper in keepers]))

    with leased_gpus(1, dataset.train.accelerator):  # nothing asks CUDA before
        write_results(result.with_suffix(".parquet"), results_of_seeds())
    write_numbers(result, summarise(result.with_suffix(".parquet")))
    notes = training_notes({seed: paths.run(arguments.row, seed) for seed in params.table.seeds})
    write_text(result.with_suffix(".training.json"), json.dumps(notes) + "\n")


if __name__ == "__main__":
    run_stage(main)
