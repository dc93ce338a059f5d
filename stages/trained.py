"""The trained networks of a row, for the stages that measure them."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from objabn.config.schema import Dataset, Params
from stages.paths import Paths

if TYPE_CHECKING:
    from objabn.clips.dataset import ClipDataset
    from objabn.model.network import ObjectABN


def trained_networks(
    arguments: argparse.Namespace, params: Params, dataset: Dataset
) -> Iterator[tuple[int, "ObjectABN", "ClipDataset"]]:
    """Of each seed of the row: the seed, its network and the test split's clips, with ground truth where there is one.

    Args:
        arguments: `dataset` and `row`, of `arguments.parse`.
    """
    from objabn.clips.dataset import open_split
    from objabn.training.train import load_model

    paths = Paths(arguments.dataset)
    for seed in params.table.seeds:
        model, run = load_model(paths.run(arguments.row, seed))
        clips = open_split(
            "test",
            dataset,
            paths.data("frames"),
            paths.data("masks"),
            seed=seed,
            evaluation=dataset.eval,
            truth=Path(dataset.truth) if dataset.truth else None,
            class_names=run["class_names"],
        )
        yield seed, model, clips
