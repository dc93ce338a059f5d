"""Comparisons and numbers of rows from what a test writes down: `entropy_o`, `top1_std`, `top1_vs_abn_low` ..."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from objabn.config.file import load_params
from objabn.config.schema import Dataset
from objabn.evaluation.numbers import Number, measure_of
from objabn.report.comparison import Comparison, Masks
from objabn.report.intervals import MEASURES, Difference
from objabn.report.names import REFERENCE, Row

EMBEDDED = load_params(Path(__file__).parents[2] / "params.yaml").datasets["synthetic"]
_VS = "_vs_abn"


def results(videos: Sequence[str], **columns: Sequence) -> pd.DataFrame:
    """Results as `evaluate_run` gives them, a line a video and seed.

    Args:
        columns: of each measure a number, or a curve, for each seed and video, (S, N) or (S, N, K).
    """
    tables = []
    for seed in range(len(next(iter(columns.values())))):
        values = {name: list(np.asarray(of_seeds[seed], float)) for name, of_seeds in columns.items()}
        tables.append(pd.DataFrame({"video": list(videos), "seed": seed, **values}))
    return pd.concat(tables, ignore_index=True)


def numbers_of(written: Mapping[str, float]) -> dict[tuple[str, str], Number]:
    """Numbers by measure and letter; `*_std` is the spread of the number of that name, differences are left out."""
    return {
        measure_of(name): Number(value, written.get(f"{name}_std"))
        for name, value in written.items()
        if not name.endswith("_std") and _VS not in name
    }


def differences_of(row: Row, written: Mapping[str, float]) -> dict[tuple[Row, Row, str], Difference | None]:
    """The differences to abn, as a comparison keeps them; None for what is not written down."""
    found: dict[tuple[Row, Row, str], Difference | None] = {}
    for measure in MEASURES:
        name = f"{measure}{_VS}"
        parts = {end: written.get(f"{name}_{end}") for end in ("low", "high", "p", "smallest")}
        flat = written.get(f"{name}_flat", 0.0)
        found[row, REFERENCE, measure] = Difference(written[name], **parts, flat=flat) if name in written else None
    return found


def made_comparison(
    results: Mapping[Row, Mapping[str, float]],
    *,
    name: str = "made",
    params: Dataset = EMBEDDED,
    published: str | None = None,
    seeds: Sequence[int] = (0,),
    per_video: Mapping[Row, pd.DataFrame] | None = None,
    trainings: Mapping[Row, Mapping[str, Any]] | None = None,
    masks: Masks | None = None,
    videos: pd.DataFrame | None = None,
    recordings: pd.Series | None = None,
    num_videos: int = 100,
) -> Comparison:
    """A comparison of rows of which the numbers are written down; with `per_video` the differences are measured."""
    comparison = Comparison(
        name,
        params.model_copy(update={"published": published}),
        seeds,
        {row: numbers_of(written) for row, written in results.items()},
        per_video or {row: pd.DataFrame({"video": range(num_videos)}) for row in results},
        trainings or {},
        masks or Masks({"frames": 10.0, "iou_truth": 0.8452}, pd.DataFrame(), Path("masks.png")),
        pd.DataFrame() if videos is None else videos,
        recordings,
    )
    if per_video is None:
        for row, written in results.items():
            comparison._differences.update(differences_of(row, written))
    return comparison
