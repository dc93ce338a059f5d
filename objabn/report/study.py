"""What DVC shows of the row under study: a few metrics, and the data of its plots."""

from pathlib import Path

import numpy as np
import pandas as pd

from objabn.evaluation.metrics import MAX_BITS
from objabn.evaluation.numbers import Numbers, column
from objabn.evaluation.results import column_names, read_results
from objabn.report.names import GRAD_CAM, OWN, compared_map

_EDGES = np.linspace(0, MAX_BITS, 34)  # of the histogram, about a tenth of a bit each

_ANSWERS = [(name, "") for name in ("top1", "top5", "top1_even", "ece")]


def headline(numbers: Numbers) -> dict[str, float]:
    """Choose the numbers of a row that `dvc exp show` has columns for, by name as in `entropy_o`.

    Accuracy, also with one even weight in the place of the maps, and calibration; the entropy of each map of the row's
    own, else of Grad-CAM; a flat share only where there are flat frames; and of the map that a row is compared by
    (`names.COMPARED`) its entropy on frames with an object and where it lies: pointing and iou_truth with ground truth,
    else iou_fit. With several seeds the standard deviation of each over the seeds follows, as `entropy_o_std`.
    """
    letters = [letter for letter in OWN if any(letter == of for _, of in numbers)] or [GRAD_CAM]
    entropies, flat = ([(measure, letter) for letter in letters] for measure in ("entropy", "flat_share"))
    keys = [key for key in (*_ANSWERS, *entropies) if key in numbers]
    keys += [key for key in flat if key in numbers and numbers[key].mean]
    letter = compared_map([column(*key) for key in numbers], "iou_fit") or ""
    keys += [key for key in [("entropy_object", letter)] if key in numbers]
    where = [key for key in (("pointing", letter), ("iou_truth", letter)) if key in numbers]
    keys += where or [key for key in [("iou_fit", letter)] if key in numbers]
    spreads = {f"{column(*key)}_std": numbers[key].std for key in keys}
    chosen = {column(*key): round(numbers[key].mean, 6) for key in keys}
    return chosen | {name: round(std, 6) for name, std in spreads.items() if std is not None}


def confusion(results: Path) -> pd.DataFrame:
    """Columns actual and predicted, one line a video and seed, of a row's file of results."""
    return read_results(results, ["label", "predicted"]).rename(columns={"label": "actual"})[["actual", "predicted"]]


def entropies(results: Path) -> pd.DataFrame:
    """Histogram over videos and seeds of the entropy of the map that a row is compared by.

    Columns bits, the middle of a bin, and videos, the percentage in it; videos whose maps are all flat are in none.
    """
    name = column("entropy", compared_map(column_names(results), "entropy") or "")
    values = read_results(results, [name])[name]
    counts, _ = np.histogram(values.dropna().clip(upper=_EDGES[-1]), _EDGES)
    middles = (_EDGES[1:] + _EDGES[:-1]) / 2
    return pd.DataFrame({"bits": middles.round(3), "videos": (100 * counts / len(values)).round(3)})
