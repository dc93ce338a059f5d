"""Audits all seeds of one row: is the map used, does the answer lean on the background. Measures, trains nothing.

`python -m stages.audit DATASET --attention mask --pc false`, or `--control plain`
"""

from functools import reduce

from objabn.config.rows import MAPS
from stages.arguments import parse
from stages.entry import run_stage
from stages.paths import Paths
from stages.trained import trained_runs


def main() -> None:
    arguments, params, dataset = parse(__doc__, row=True)
    attention = arguments.attention

    import pandas as pd

    from objabn.audits.backgrounds import accuracy_on_backgrounds
    from objabn.audits.insertion_deletion import curves_of
    from objabn.audits.summary import summarise_audits
    from objabn.evaluation.map_replacement import accuracy_under
    from objabn.evaluation.numbers import write_numbers
    from objabn.system.files import write_bytes, write_text
    from objabn.system.gpus import leased_gpus

    per_seed, curves = [], []
    with leased_gpus(1, dataset.train.accelerator):  # nothing asks CUDA before
        for seed, run, clips in trained_runs(arguments, params, dataset):
            model = run.model
            cutters = ("masks", "truth") if dataset.truth else ("masks",)
            found = [accuracy_on_backgrounds(model, clips, dataset, key=key) for key in cutters]
            if MAPS[attention]:
                found.append(accuracy_under(model, attention, clips, dataset))
                areas, mean = curves_of(model, attention, clips, dataset)
                found.append(areas)
                curves.append(mean.assign(seed=seed))
            per_seed.append(reduce(pd.merge, found).assign(seed=seed))  # on the columns that they share
    result, per_video = Paths(arguments.dataset).audit(arguments.row), pd.concat(per_seed)
    write_bytes(result.with_suffix(".parquet"), per_video.to_parquet(index=False))
    drawn = pd.concat(curves) if curves else pd.DataFrame(columns=["curve", "share", "probability", "seed"])
    # Also where there is none: DVC wants the file.
    write_text(result.with_suffix(".curves.csv"), drawn.to_csv(index=False, lineterminator="\n"))
    write_numbers(result, summarise_audits(per_video))


if __name__ == "__main__":
    run_stage(main)
