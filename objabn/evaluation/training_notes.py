"""Notes about the trainings of a row for the report: their curves and the versions of the libraries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from objabn.stores.splits import folds
from objabn.system.files import read_json

CURVES = ("epoch", "loss", "train_top1", "val_top1")
# Each loss term's share of the gradient on the attention branch; curves of old runs lack them.
GRADIENTS = tuple(f"gradient_{term}" for term in ("perception", "attention", "mask", "mha", "pc"))


def training_notes(runs: Mapping[int, Path]) -> dict[str, Any]:
    """Collect versions and curves of the trainings of a row, ready for JSON.

    `versions` by library, as the first run has them; `curves` of each seed, lists of CURVES and, where they are known,
    of GRADIENTS; `epochs` whose weights each seed has, and the split that they were `validated_on`. Of a seed with a
    network a fold (`networks` of them) the curves are the means over the folds, the rest is the first fold's.

    Args:
        runs: each seed's run directory.
    """
    curves = {}
    for seed, directory in runs.items():
        path = directory / "curves.csv"
        there = [name for name in GRADIENTS if name in pd.read_csv(path, nrows=0)]
        table = pd.read_csv(path, usecols=[*CURVES, *there]).round(6)
        known = table.astype(object).where(table.notna(), None)
        names = [*CURVES, *(name for name in there if table[name].notna().any())]
        curves[str(seed)] = {name: known[name].to_list() for name in names}
    records = {str(seed): read_json(network_dirs(directory)[0] / "run.json") for seed, directory in runs.items()}
    first = next(iter(records.values()))
    return {
        "versions": first["versions"],
        "curves": curves,
        "epochs": {seed: record.get("epoch") or curves[seed]["epoch"][-1] for seed, record in records.items()},
        "validated_on": first.get("validated_on", "test"),
        "networks": max(len(network_dirs(directory)) for directory in runs.values()),
    }


def network_dirs(run: Path) -> list[Path]:
    """List the directories of a run's networks: those of its folds, or its own."""
    return [run / fold for fold in folds(path.name for path in run.iterdir())] or [run]
