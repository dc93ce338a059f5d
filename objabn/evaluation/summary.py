"""Summarise a row: its numbers from the results of each video."""

from pathlib import Path

import numpy as np
import pandas as pd

from objabn.evaluation.localisation import THRESHOLDS, best_threshold
from objabn.evaluation.metrics import calibration_error, calibration_error_by_chance
from objabn.evaluation.numbers import COLUMNS, measure_of
from objabn.evaluation.results import CURVE, IDS, column_names, read_column

_PERCENT = ("top1", "top5")  # measures that begin with it


def summarise(results: Path) -> pd.DataFrame:
    """Summarise a row's results: means over the videos, NaN left out, of each seed.

    Columns: seed; map, its letter, or "" for a measure of no map; measure; value. top1 (also under other maps) and top5
    are in percent, entropies in bits, everything else in [0, 1]. Of each curve of IoU by threshold there are
    `iou_best`, at the one threshold that is best over all videos and seeds, and `best_threshold`, that one. Of the
    confidence there is besides `ece`, the expected calibration error over the videos, and `ece_by_chance`, that of
    calibrated answers with the same confidences; of the share of annotated frames
    `truth_videos`, how many videos have such frames. A number that does not exist (the entropy of a seed all of whose
    maps are flat) has no line.

    Args:
        results: the row's file, of which one column at a time is read.
    """
    seeds = read_column(results, "seed")
    lines = []
    for name in column_names(results):
        if name in IDS:
            continue
        values, (measure, letter), best = read_column(results, name), measure_of(name), None
        if name.startswith(CURVE):
            best = best_threshold(values)
            measure, letter, values = "iou_best", name.removeprefix(CURVE), values[:, best]
        scale = 100 if measure.startswith(_PERCENT) else 1
        for seed, mean in (scale * pd.Series(values, dtype=float).groupby(seeds).mean()).items():
            lines.append((seed, letter, measure, round(float(mean), 6)))
            if best is not None:
                lines.append((seed, letter, "best_threshold", float(THRESHOLDS[best])))
        lines += _counted(results, name, values, seeds)
    return pd.DataFrame(lines, columns=COLUMNS).dropna().reset_index(drop=True)


def _counted(results: Path, name: str, values: np.ndarray, seeds: np.ndarray) -> list[tuple[int, str, str, float]]:
    """Lines of each seed that are no mean of a column."""
    if name == "confidence":
        lines, correct = [], read_column(results, "top1")
        for seed in np.unique(seeds):
            own = values[seeds == seed]
            lines.append((seed, "", "ece", round(calibration_error(own, correct[seeds == seed]), 6)))
            lines.append((seed, "", "ece_by_chance", round(calibration_error_by_chance(own), 6)))
        return lines
    if name == "truth_share":
        return [(seed, "", "truth_videos", float((values[seeds == seed] > 0).sum())) for seed in np.unique(seeds)]
    return []
