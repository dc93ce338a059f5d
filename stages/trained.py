"""The trained runs of a row, for the stages that measure them."""

import argparse
from collections.abc import Iterator
from itertools import product
from math import ceil
from typing import TYPE_CHECKING

from objabn.config.schema import Dataset, Params
from stages.paths import Paths

if TYPE_CHECKING:
    from objabn.clips.dataset import ClipDataset
    from objabn.evaluation.trained import TrainedRun


def trained_runs(
    arguments: argparse.Namespace, params: Params, dataset: Dataset
) -> Iterator[tuple[int, "TrainedRun", "ClipDataset"]]:
    """Yield each seed of the row, its trained run, and the clips of the test split, with ground truth if there is any.

    With folds a seed comes once for each of its networks, with the clips that this network was not trained on.

    Args:
        arguments: `dataset` and `row`, of `arguments.parse`.
    """
    from objabn.clips.dataset import open_split
    from objabn.evaluation.trained import load_trained

    paths = Paths(arguments.dataset)
    for seed, fold in product(params.table.seeds, networks(arguments.dataset)):
        run = load_trained(paths.run(arguments.row, seed, fold))
        clips = open_split(
            "test",
            dataset,
            paths.data("frames"),
            paths.data("masks"),
            seed=seed,
            fold=fold,
            evaluation=dataset.eval,
            truth=dataset.truth,
            class_names=list(run.class_names),
        )
        yield seed, run, clips


def measured_as(run: "TrainedRun", dataset: Dataset) -> Dataset:
    """The parameters with which a run is measured: of a network that was not trained here with its own layer."""
    return dataset.model_copy(update={"gradcam": run.params.gradcam}) if "network" in run.record else dataset


def networks(dataset_name: str) -> tuple[str | None, ...]:
    """The folds whose networks a seed has; (None,) where it has one network alone."""
    from objabn.clips.dataset import fold_names

    return fold_names(Paths(dataset_name).data("frames")) or (None,)


def of_each(dataset: Dataset, number: int) -> Dataset:
    """The parameters with which each of a seed's networks is measured: they share `eval.ranking_videos`."""
    most = dataset.eval.ranking_videos
    shared = {"ranking_videos": None if most is None else ceil(most / number)}
    return dataset.model_copy(update={"eval": dataset.eval.model_copy(update=shared)})
