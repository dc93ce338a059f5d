"""Evaluates all seeds of one row: numbers, results of each video, maps of some, and a picture of them.

`python -m stages.evaluate DATASET --attention mask --pc true`, or `--control plain`
"""

import json
from collections.abc import Iterator

from stages.arguments import parse
from stages.paths import Paths, run_stage
from stages.trained import trained_networks


def main() -> None:
    arguments, params, dataset = parse(__doc__, row=True)
    paths = Paths(arguments.dataset)
    row, attention = arguments.row, arguments.attention
    result = paths.result(row)

    import pandas as pd

    from objabn.evaluation.evaluate import MapKeeper, evaluate_run, maps_of_videos, summarise
    from objabn.evaluation.kept_maps import write_maps
    from objabn.evaluation.results import write_results
    from objabn.evaluation.training_notes import training_notes
    from objabn.report.strips import draw_maps
    from objabn.system.files import write_text

    def results_of_seeds() -> Iterator[pd.DataFrame]:
        for seed, model, clips in trained_networks(arguments, params, dataset):
            keeper = MapKeeper(clips, attention) if seed == params.table.seeds[0] else None
            for results in evaluate_run(model, attention, clips, dataset, keep=keeper):
                yield results.assign(seed=seed)
            if keeper is not None:
                write_maps(result.with_suffix(".npz"), keeper.kept())
                draw_maps(maps_of_videos(model, attention, clips, dataset), paths.picture(row))

    write_results(result.with_suffix(".parquet"), results_of_seeds())
    write_text(result, json.dumps(summarise(result.with_suffix(".parquet")), indent=2) + "\n")
    notes = training_notes({seed: paths.run(row, seed) for seed in params.table.seeds})
    write_text(result.with_suffix(".training.json"), json.dumps(notes) + "\n")


if __name__ == "__main__":
    run_stage(main)
