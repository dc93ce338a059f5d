"""Summarises the audits of a row: its numbers over videos and seeds."""

import pandas as pd


def audit_numbers(per_video: pd.DataFrame) -> dict[str, float]:
    """A run's numbers: means over videos, top-1 in percent, areas in [0, 1]; and drops in points.

    Of figures on other backgrounds: swap_drop = top1 - top1_swapped, and background_gap = top1_pasted - top1_swapped,
    the part of it that is not owed to cutting and pasting; with true masks both end in `_truth`.
    """
    means = per_video.drop(columns=["video", "label"]).mean()
    numbers = {str(name): (100 if str(name).startswith("top1") else 1) * value for name, value in means.items()}
    for end in ("", "_truth"):
        if f"top1_swapped{end}" in numbers:
            swapped = numbers[f"top1_swapped{end}"]
            numbers[f"swap_drop{end}"] = numbers["top1"] - swapped
            numbers[f"background_gap{end}"] = numbers[f"top1_pasted{end}"] - swapped
    return {name: round(float(value), 6) for name, value in numbers.items()}


def summarise_audits(per_video: pd.DataFrame) -> dict[str, float]:
    """A row's numbers: `audit_numbers` of each seed (column `seed`), their mean, and with several their sample standard
    deviations as `*_std`."""
    table = pd.DataFrame([audit_numbers(own.drop(columns="seed")) for _, own in per_video.groupby("seed")])
    spread = table.std(ddof=1).add_suffix("_std").to_dict() if len(table) > 1 else {}
    return {str(name): round(float(value), 6) for name, value in (table.mean().to_dict() | spread).items()}
