"""Notes about the trainings of a row for the report: their curves and the versions of the libraries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from objabn.config.rows import NETWORK
from objabn.stores.splits import folds
from objabn.system.files import file_digest, read_json

CURVES = ("epoch", "loss", "train_top1", "val_top1")
# Each loss term's share of the gradient on the attention branch; curves of old runs lack them.
GRADIENTS = tuple(f"gradient_{term}" for term in ("perception", "attention", "mask", "mha", "pc"))


def training_notes(runs: Mapping[int, Path]) -> dict[str, Any]:
    """Collect versions and curves of the trainings of a row, ready for JSON.

    `versions` by library, as the first run has them; `curves` of each seed, lists of CURVES and, where they are known,
    of GRADIENTS; `epochs` whose weights each seed has, and the split that they were `validated_on`. Of a seed with a
    network a fold (`networks` of them) the curves are the means over the folds, the rest is the first fold's. Where a
    share of the recordings was trained on, `inputs` are the files that the trainings read, with their digests.

    A network that was not trained here has no curves and no epochs; `network` is what its run says of it.

    Args:
        runs: each seed's run directory.
    """
    curves = {}
    records = {str(seed): read_json(network_dirs(directory)[0] / "run.json") for seed, directory in runs.items()}
    first = next(iter(records.values()))
    networks = max(len(network_dirs(directory)) for directory in runs.values())
    if NETWORK in first:
        own = {NETWORK: first[NETWORK], "versions": first["versions"]}
        return {**own, "curves": {}, "epochs": {}, "networks": networks}
    for seed, directory in runs.items():
        path = directory / "curves.csv"
        there = [name for name in GRADIENTS if name in pd.read_csv(path, nrows=0)]
        table = pd.read_csv(path, usecols=[*CURVES, *there]).round(6)
        known = table.astype(object).where(table.notna(), None)
        names = [*CURVES, *(name for name in there if table[name].notna().any())]
        curves[str(seed)] = {name: known[name].to_list() for name in names}
    chosen = first.get("params", {}).get("train", {}).get("share", 1.0) < 1
    return {
        **({"inputs": first["inputs"]} if chosen else {}),
        "versions": first["versions"],
        "curves": curves,
        "epochs": {seed: record.get("epoch") or curves[seed]["epoch"][-1] for seed, record in records.items()},
        "validated_on": first.get("validated_on", "test"),
        "networks": networks,
    }


def check_recordings(trainings: Mapping[str, Mapping[str, Any]], groups: Path) -> None:
    """Check that a share of the recordings is one of the present recordings.

    Args:
        trainings: notes of each row, by its name.
        groups: the file of the recordings, which DVC watches for no training.

    Raises:
        ValueError: a row's share is one of other recordings.
    """
    now = file_digest(groups) if groups.is_file() else None
    for name, notes in trainings.items():
        if "inputs" in notes and notes["inputs"].get(groups.as_posix()) != now:
            expected = f"{groups}: expected the recordings of which {name} was trained on a share, got others"
            raise ValueError(f"{expected}; train it again: `dvc repro -f -s` with its trainings, then `dvc repro`")


def network_dirs(run: Path) -> list[Path]:
    """List the directories of a run's networks: those of its folds, or its own."""
    return [run / fold for fold in folds(path.name for path in run.iterdir())] or [run]
