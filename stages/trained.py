"""The trained runs of a row, for the stages that measure them."""

import argparse
from collections.abc import Iterator
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

    Args:
        arguments: `dataset` and `row`, of `arguments.parse`.
    """
    from objabn.clips.dataset import open_split
    from objabn.evaluation.trained import load_trained

    paths = Paths(arguments.dataset)
    for seed in params.table.seeds:
        run = load_trained(paths.run(arguments.row, seed))
        clips = open_split(
            "test",
            dataset,
            paths.data("frames"),
            paths.data("masks"),
            seed=seed,
            evaluation=dataset.eval,
            truth=dataset.truth,
            class_names=list(run.class_names),
        )
        yield seed, run, clips
