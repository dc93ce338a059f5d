"""Summarises a row: its numbers over videos and seeds."""

from pathlib import Path

import pandas as pd

from objabn.evaluation.localisation import THRESHOLDS, best_threshold
from objabn.evaluation.results import CURVE, column_names, read_column


def summarise(results: Path) -> dict[str, float]:
    """A row's numbers, from its file of results alone and a column at a time.

    Means over videos, then over seeds, NaN left out; with several seeds their sample standard deviations as `*_std`.
    top1 and top5 in percent, entropies in bits, everything else in [0, 1]. For each curve, iou_best_x is the mean IoU
    at iou_best_threshold_x, the best threshold over all videos and seeds. A number that does not exist (the entropy
    when all maps are flat) is left out.
    """
    seeds = read_column(results, "seed")
    of_seeds: dict[str, pd.Series] = {}  # numbers of each seed
    thresholds: dict[str, float] = {}
    for name in column_names(results):
        if name in ("video", "label", "predicted", "seed"):
            continue
        values = read_column(results, name)
        if name.startswith(CURVE):
            map_name = name.removeprefix(CURVE)
            best = best_threshold(values)
            name, values = f"iou_best_{map_name}", values[:, best]
            thresholds[name] = float(THRESHOLDS[best])
        scale = 100 if name in ("top1", "top5") else 1
        of_seeds[name] = scale * pd.Series(values, dtype=float).groupby(seeds).mean()
    row, spread = {}, {}
    for name, means in of_seeds.items():
        row[name] = means.mean()
        if name in thresholds:
            row[name.replace("best", "best_threshold")] = thresholds[name]
        if len(means) > 1:
            spread[f"{name}_std"] = means.std(ddof=1)
    return {name: round(float(value), 6) for name, value in (row | spread).items() if pd.notna(value)}
