"""Metrics and plots of the configuration under study (`loss` in params.yaml). `python -m stages.study`

A pointer: it reads the results of that row and computes nothing anew.
"""

import json
from pathlib import Path

from objabn.config.file import load_params
from objabn.system.files import write_text
from stages.entry import run_stage
from stages.paths import Paths, row_path


def main() -> None:
    params = load_params()
    result = Paths(params.dataset).result(row_path(params.loss.attention, params.loss.pc))
    per_video = result.with_suffix(".parquet")

    from objabn.evaluation.numbers import over_seeds, read_numbers
    from objabn.report.study import confusion, entropies, headline

    write_text(Path("metrics.json"), json.dumps(headline(over_seeds(read_numbers(result))), indent=2) + "\n")
    for name, table in (("confusion", confusion(per_video)), ("entropy", entropies(per_video))):
        write_text(Path("plots") / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    run_stage(main)
