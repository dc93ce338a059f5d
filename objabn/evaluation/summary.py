"""The numbers of a row: a tidy table with a line for each seed, map and measure."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from objabn.evaluation.localisation import THRESHOLDS, best_threshold
from objabn.evaluation.results import CURVE, IDS, column_names, measure_of, read_column
from objabn.system.files import write_text

COLUMNS = ["seed", "map", "measure", "value"]
_PERCENT = ("top1", "top5")


class Number(NamedTuple):
    """A measure of a row: its mean over the seeds, and with several seeds their sample standard deviation."""

    mean: float
    std: float | None = None


Numbers = Mapping[tuple[str, str], Number]  # by measure and letter of the map; "" for a measure of no map


def summarise(results: Path) -> pd.DataFrame:
    """Summarise a row's results: means over the videos, NaN left out, of each seed.

    Columns: seed; map, its letter, or "" for a measure of no map; measure; value. top1 and top5 are in percent,
    entropies in bits, everything else in [0, 1]. Of each curve of IoU by threshold there are `iou_best`, at the one
    threshold that is best over all videos and seeds, and `best_threshold`, that one. A number that does not exist (the
    entropy of a seed all of whose maps are flat) has no line.

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
        scale = 100 if measure in _PERCENT else 1
        for seed, mean in (scale * pd.Series(values, dtype=float).groupby(seeds).mean()).items():
            lines.append((seed, letter, measure, round(float(mean), 6)))
            if best is not None:
                lines.append((seed, letter, "best_threshold", float(THRESHOLDS[best])))
    return pd.DataFrame(lines, columns=COLUMNS).dropna().reset_index(drop=True)


def over_seeds(table: pd.DataFrame) -> dict[tuple[str, str], Number]:
    """Take mean and spread over the seeds of a tidy table (`summarise`), in the order of its lines."""
    numbers = {}
    for (measure, letter), group in table.groupby(["measure", "map"], sort=False):
        values = group["value"]
        spread = float(values.std(ddof=1)) if len(values) > 1 else None
        numbers[str(measure), str(letter)] = Number(float(values.mean()), spread)
    return numbers


def write_numbers(path: Path, table: pd.DataFrame) -> None:
    """Write a tidy table as CSV, whole or not at all."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_numbers(path: Path) -> pd.DataFrame:
    """Read what `write_numbers` wrote.

    Raises:
        ValueError: there is no such file, or it has other columns.
    """
    if not path.is_file():
        raise ValueError(f"{path}: expected the row's numbers, got no file; `dvc repro` evaluates the row again")
    table = pd.read_csv(path, dtype={"map": str, "measure": str}, keep_default_na=False)
    if list(table) != COLUMNS:
        raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)}, got {', '.join(map(str, table))}")
    return table
