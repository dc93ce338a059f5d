"""Comparisons and numbers of rows from what a test writes down: `entropy_o`, `top1_std`, `top1_vs_abn_low` ..."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from objabn.config.file import load_params
from objabn.config.schema import Dataset
from objabn.evaluation.numbers import Number, measure_of
from objabn.report.comparison import Comparison, Masks
from objabn.report.intervals import Difference
from objabn.report.names import REFERENCE, Row

EMBEDDED = load_params(Path(__file__).parents[2] / "params.yaml").datasets["synthetic"]
_VS = "_vs_abn"


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
    for measure in ("top1", "entropy", "pointing", "iou_truth"):
        name = f"{measure}{_VS}"
        parts = [written.get(f"{name}{end}", 0.0) for end in ("", "_low", "_high", "_flat")]
        found[row, REFERENCE, measure] = Difference(*parts) if name in written else None
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
    )
    if per_video is None:
        for row, written in results.items():
            comparison._differences.update(differences_of(row, written))
    return comparison


def differences_to_abn(per_video: Mapping[Row, pd.DataFrame]) -> dict[Row, dict[str, float]]:
    """What each row's differences to abn are measured to be, under the names of `made_comparison`."""
    measured = made_comparison({row: {} for row in per_video}, per_video=per_video).differences
    written: dict[Row, dict[str, float]] = {row: {} for row in per_video}
    for row, differences in measured.items():
        for measure, difference in differences.items():
            name = f"{measure}{_VS}"
            written[row] |= {name: difference.mean, f"{name}_low": difference.low, f"{name}_high": difference.high}
            if measure == "entropy":
                written[row][f"{name}_flat"] = difference.flat
    return written
