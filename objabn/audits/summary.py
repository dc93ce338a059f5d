"""The numbers of an audited row: a tidy table with a line for each seed and measure."""

from collections.abc import Sequence

import pandas as pd

from objabn.evaluation.numbers import COLUMNS, measure_of


def side_by_side(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join the tables of several audits of the same videos, a line a video, of a column that several have the first.

    Each computes the answers of whole clips again, which may differ in a tie.
    """
    joined, *others = tables
    for table in others:
        new = [name for name in table if name not in joined]
        joined = joined.merge(table[["video", *new]], on="video", validate="one_to_one")
    return joined


def audit_numbers(per_video: pd.DataFrame) -> dict[str, float]:
    """Summarise the audit of one run: means over the videos, top-1 in percent, areas in [0, 1], drops in points.

    Of figures on other backgrounds: swap_drop = top1 - top1_swapped, and background_gap = top1_pasted - top1_swapped,
    the part of it that is not owed to cutting and pasting; with true masks both end in `_truth`, and are over
    the videos that could be cut.
    """
    means = per_video.drop(columns=["video", "label"]).mean()
    numbers = {str(name): (100 if str(name).startswith("top1") else 1) * value for name, value in means.items()}
    for end in ("", "_truth"):
        if f"top1_swapped{end}" in numbers:
            swapped = numbers[f"top1_swapped{end}"]
            cut = per_video[f"top1_swapped{end}"].notna()
            numbers[f"swap_drop{end}"] = 100 * per_video["top1"][cut].mean() - swapped
            numbers[f"background_gap{end}"] = numbers[f"top1_pasted{end}"] - swapped
    return {name: round(float(value), 6) for name, value in numbers.items()}


def summarise_audits(per_video: pd.DataFrame) -> pd.DataFrame:
    """Summarise the audits of a row as `evaluation.summary.summarise` does: a line for each seed, map and measure.

    A number that does not exist (of frames without an object where all have one) has no line.

    Args:
        per_video: with a column `seed`.
    """
    lines = [
        (seed, letter, measure, value)
        for seed, run in per_video.groupby("seed")
        for name, value in audit_numbers(run.drop(columns="seed")).items()
        for measure, letter in [measure_of(name)]
    ]
    return pd.DataFrame(lines, columns=COLUMNS).dropna().reset_index(drop=True)


def of_seeds(tables: Sequence[pd.DataFrame], keys: Sequence[str]) -> pd.DataFrame:
    """Join the tables of a row's networks: a line for each of the keys and each seed, means where it has several.

    Args:
        tables: one a network, with `seed`; none where nothing was measured.
        keys: columns that tell the lines of a table apart.
    """
    names = [*keys, "seed"]
    if not tables:
        return pd.DataFrame(columns=names)
    joined = pd.concat(tables)
    if not joined.duplicated(names).any():
        return joined
    return joined.groupby(names, sort=False, dropna=False, as_index=False).mean()
