"""The trained networks of a row, for the stages that measure them."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from objabn.params import Dataset, Params
from stages import Paths

if TYPE_CHECKING:
    from objabn.clips import ClipDataset
    from objabn.model import ObjectABN


def trained_networks(
    arguments: argparse.Namespace, params: Params, dataset: Dataset
) -> Iterator[tuple[int, "ObjectABN", "ClipDataset"]]:
    """Of each seed of the row: the seed, its network and the test split's clips, with ground truth where there is one.

    Args:
        arguments: `dataset` and `row`, of `arguments.parse`.
    """
    from objabn.clips import open_split
    from objabn.training import load_model

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
