"""Make the run of a cross-validation: a network for each fold, trained on the videos of the other folds.

The run's directory holds a directory a fold, each as a run's own, and curves.csv with the means over the folds. DVC
deletes a stage's outputs before it runs the stage again, so a finished fold is kept in the side cache until the whole
run stands: an interruption costs no finished network.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from objabn.model.run import CURVES
from objabn.system.cache import Cache
from objabn.system.files import write_text
from objabn.system.gpus import leased_gpus
from objabn.system.locks import one_at_a_time
from objabn.training.checkpoint import is_finished
from objabn.training.finished import drop_run
from objabn.training.launcher import Place
from objabn.training.make import Making, make_run


def make_networks(
    folds: Sequence[str],
    making_of: Callable[[str | None], Making],
    directory: Path,
    lock: Path,
    place: Place | None,
) -> None:
    """Make a run: one network, or those of all folds, one after another, and the means of their curves.

    Args:
        folds: their names, which are those of their directories; none for one network.
        making_of: makes what makes the network of a fold, or with None the only one.
        directory: of the whole run.
        lock: the directory to hold while the networks of folds are made.
        place: as for `make_run`.

    Raises:
        ValueError: a training cannot go on; or there are folds, and a launcher has started this process or several
            machines shall train.
    """
    if not folds:
        make_run(making_of(None), place)
        return
    train = making_of(folds[0]).params.train
    if place or train.nodes > 1:
        got = "a launcher" if place else f"train.nodes {train.nodes}"
        raise ValueError(f"folds: expected one machine and no launcher for networks of {len(folds)} folds, got {got}")
    # One lease for all: CUDA sees the GPUs that it saw when it was asked first.
    with one_at_a_time(lock) as waited, leased_gpus(train.devices, train.accelerator):
        if waited and _are_finished(folds, making_of, directory):
            print(f"{directory}: finished by the process that this one waited for")
            return
        _remove_others(folds, directory)
        kept = []
        for fold in folds:
            print(f"{fold}, of {len(folds)} folds", flush=True)
            making = making_of(fold)
            kept.append(making.kept_key(make_run(making, None)))
        write_text(directory / CURVES, mean_curves([directory / fold / CURVES for fold in folds]))
        for key in kept:
            drop_run(Cache(), key)


def _are_finished(folds: Sequence[str], making_of: Callable[[str | None], Making], directory: Path) -> bool:
    """Tell whether the run stands as these trainings make it."""
    makings = [making_of(fold) for fold in folds]
    return (directory / CURVES).is_file() and all(
        is_finished(making.run_dir, making.timing, making.key()) for making in makings
    )


def _remove_others(folds: Sequence[str], directory: Path) -> None:
    """Remove what stands in the run's directory, of other folds or of none, where DVC did not do it."""
    for other in directory.iterdir() if directory.is_dir() else ():
        if other.name not in folds:
            shutil.rmtree(other) if other.is_dir() else other.unlink()


def mean_curves(paths: Sequence[Path]) -> str:
    """Return curves.csv with the means over several files of the same epochs; a value that one lacks is left out."""
    curves = pd.concat([pd.read_csv(path) for path in paths])
    return curves.groupby("epoch").mean().to_csv(lineterminator="\n")
