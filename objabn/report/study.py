"""What DVC shows of the row under study: a few metrics, and the data of its plots."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from objabn.evaluation.metrics import MAX_BITS
from objabn.evaluation.results import column_names, read_results
from objabn.report.intervals import compared_map

_EDGES = np.linspace(0, MAX_BITS, 34)  # of the histogram, about a tenth of a bit each
_ALWAYS = ("top1", "top5", "entropy_u", "entropy_o", "entropy_b", "entropy_g")
_IF_NOT_0 = ("flat_share_u", "flat_share_o", "flat_share_b", "flat_share_g")


def headline(row: Mapping[str, float]) -> dict[str, float]:
    """The numbers of a row's result that `dvc exp show` has columns for.

    Accuracy; the entropy of each map; a flat share only where there are flat frames; and of the map that a row is
    compared by (`intervals.LETTERS`) where it lies: pointing and iou_truth with ground truth, else iou_fit.
    """
    names = [name for name in _ALWAYS if name in row] + [name for name in _IF_NOT_0 if row.get(name)]
    letter = compared_map(row, "iou_fit")
    where = (f"pointing_{letter}", f"iou_truth_{letter}")
    names += [name for name in where if name in row] or [name for name in (f"iou_fit_{letter}",) if name in row]
    return {name: row[name] for name in names}


def confusion(results: Path) -> pd.DataFrame:
    """Columns actual and predicted, one line a video and seed, of a row's file of results."""
    return read_results(results, ["label", "predicted"]).rename(columns={"label": "actual"})[["actual", "predicted"]]


def entropies(results: Path) -> pd.DataFrame:
    """Histogram over videos and seeds of the entropy of the map that a row is compared by.

    Columns bits, the middle of a bin, and videos, the percentage in it; videos whose maps are all flat are in none.
    """
    column = f"entropy_{compared_map(column_names(results), 'entropy')}"
    values = read_results(results, [column])[column]
    counts, _ = np.histogram(values.dropna().clip(upper=_EDGES[-1]), _EDGES)
    middles = (_EDGES[1:] + _EDGES[:-1]) / 2
    return pd.DataFrame({"bits": middles.round(3), "videos": (100 * counts / len(values)).round(3)})
