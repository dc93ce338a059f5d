"""Audits all seeds of one row: is the map used, do maps explain, does the answer lean on the background.

Measures, trains nothing.

`python -m stages.audit DATASET --attention mask --pc false`, or `--control plain`
"""

from objabn.config.rows import MAPS
from stages.arguments import parse
from stages.entry import run_stage
from stages.paths import Paths
from stages.trained import measured_as, networks, of_each, trained_runs


def main() -> None:
    arguments, params, dataset = parse(__doc__, row=True, audit=True)
    attention = arguments.attention

    import pandas as pd

    from objabn.audits.backgrounds import accuracy_on_backgrounds
    from objabn.audits.methods import CURVE_KEYS, measure_methods
    from objabn.audits.sanity import STEP_KEYS, cascading_randomisation
    from objabn.audits.summary import of_seeds, side_by_side, summarise_audits
    from objabn.evaluation.map_replacement import accuracy_under
    from objabn.evaluation.numbers import write_numbers
    from objabn.model.network import ObjectABN
    from objabn.system.files import write_bytes, write_text
    from objabn.system.gpus import leased_gpus

    every = arguments.only == "rows"
    measured = of_each(dataset, len(networks(arguments.dataset)))
    per_seed, curves, sanity = [], [], []
    with leased_gpus(1, dataset.train.accelerator):  # nothing asks CUDA before
        for seed, run, clips in trained_runs(arguments, params, dataset):
            model = run.model
            cutters = ("masks", "truth") if dataset.truth else ("masks",)
            found = [accuracy_on_backgrounds(model, clips, dataset, key=key) for key in cutters]
            if every and MAPS[attention]:
                assert isinstance(model, ObjectABN)
                found.append(accuracy_under(model, attention, clips, dataset))
            if every:
                how = measured_as(run, measured)
                results, mean = measure_methods(model, attention, clips, how)
                found.append(results)
                curves.append(mean.assign(seed=seed))
                sanity.append(cascading_randomisation(model, attention, clips, how).assign(seed=seed))
            per_seed.append(side_by_side(found).assign(seed=seed))
    result, per_video = Paths(arguments.dataset).audit(arguments.row), pd.concat(per_seed)
    write_bytes(result.with_suffix(".parquet"), per_video.to_parquet(index=False))
    for end, tables, keys in ((".curves.csv", curves, CURVE_KEYS), (".sanity.csv", sanity, STEP_KEYS)):
        write_text(result.with_suffix(end), of_seeds(tables, keys).to_csv(index=False, lineterminator="\n"))
    write_numbers(result, summarise_audits(per_video))


if __name__ == "__main__":
    run_stage(main)
