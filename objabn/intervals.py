"""How far rows differ on the same videos: paired differences with bootstrap intervals.

The test videos are the sample: an interval says how the difference would move with other videos, not with other seeds.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

Row = tuple[str, bool]  # attention, pc
COLUMNS = ("video", "top1", "entropy_u", "entropy_o")  # what `differences` reads of a row's results
REFERENCE: Row = ("abn", False)
RESAMPLES = 9999
LEVEL = 0.95


def paired_difference(values: pd.Series, reference: pd.Series) -> dict[str, float]:
    """Mean of values - reference over the videos that have both, with its 95 % percentile bootstrap interval.

    Args:
        values, reference: float, one value a video, indexed by video; NaN where a video has none.

    Returns:
        `mean`, `low` and `high`; empty when fewer than two videos have both. The resampling is seeded.
    """
    both = (values - reference).dropna().to_numpy(np.float64)
    if len(both) < 2:
        return {}
    interval = bootstrap(
        (both,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=100,  # so many resamples in memory at once
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return {"mean": float(both.mean()), "low": float(interval.low), "high": float(interval.high)}


def differences(per_video: Mapping[Row, pd.DataFrame]) -> dict[Row, dict[str, float]]:
    """Each row's differences to the plain ABN, `REFERENCE`: numbers by name; none when that row is not there.

    `top1_vs_abn` in points, and for a row with maps `entropy_vs_abn` in bits: of M_o where the row has it, else of
    M_u, against M_u of the reference. Each with its interval's ends, `*_low` and `*_high`.

    Args:
        per_video: results as `evaluation.evaluate_run` gives them, of which it takes those of COLUMNS that are there;
            those of several seeds are averaged by video.
    """
    if REFERENCE not in per_video:
        return {row: {} for row in per_video}
    means = {row: table.groupby("video").mean(numeric_only=True) for row, table in per_video.items()}
    reference = means[REFERENCE]
    found: dict[Row, dict[str, float]] = {row: {} for row in per_video}
    for row, table in means.items():
        if row == REFERENCE:
            continue
        pairs = {"top1_vs_abn": (100 * table["top1"], 100 * reference["top1"])}
        shown = [name for name in ("entropy_o", "entropy_u") if name in table]
        if shown and "entropy_u" in reference:
            pairs["entropy_vs_abn"] = (table[shown[0]], reference["entropy_u"])
        for name, (own, other) in pairs.items():
            for part, value in paired_difference(own, other).items():
                found[row][name if part == "mean" else f"{name}_{part}"] = round(value, 6)
    return found
