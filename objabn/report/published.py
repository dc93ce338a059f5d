"""The paper's own results (Tables 1 and 2), for the columns beside ours."""

import math
from typing import NamedTuple

import pandas as pd

from objabn.evaluation.numbers import Numbers
from objabn.report.intervals import trainings_of
from objabn.report.names import Row
from objabn.statistics.contrast import mean_error

# Measures and letters of maps, in the order of the numbers below.
NUMBERS = (("top1", ""), ("top5", ""), ("entropy", "u"), ("entropy", "o"), ("entropy", "b"))

# Data set -> row -> values of NUMBERS; accuracies in per cent, None where the row has no such map.
PUBLISHED: dict[str, dict[Row, tuple[float | None, ...]]] = {
    "ucf101": {
        Row("abn", False): (93.96, 99.15, 3.064, None, None),
        Row("abn", True): (94.68, 99.47, 3.041, None, None),
        Row("mask", False): (93.62, 99.26, None, 2.026, None),
        Row("mask", True): (93.80, 98.97, None, 1.469, None),
        Row("mha", False): (88.93, 98.04, 2.850, 1.360, 1.356),
        Row("mha", True): (87.76, 97.27, 2.815, 1.388, 1.414),
    },
    # The ticks of Table 2's third and fourth row contradict the text; taken as mask + PC and mha + PC.
    "ssv2": {
        Row("abn", False): (54.63, 83.23, 2.887, None, None),
        Row("mask", False): (54.83, 82.73, None, 2.331, None),
        Row("mask", True): (54.97, 83.15, None, 2.427, None),
        Row("mha", True): (55.05, 83.60, 2.921, 2.236, 2.237),
    },
}

# What a reader has to know of a table.
REMARKS = {
    "ssv2": "Rows 3 and 4 of Table 2 carry ticks that contradict the paper's text; they are read as mask + PC and "
    "mha + PC."
}
TABLES = {"ucf101": "Table 1, UCF101 split 1", "ssv2": "Table 2, Something-Something v2"}
# What the paper quotes of other methods: top-1 in per cent.
OTHERS = {
    "ucf101": {
        "interpretable attention": 87.11,
        "STA-TSN (RGB)": 83.4,
        "STA-TSN (RGB and flow)": 92.8,
        "ST-SAWVLAD": 94.8,
    }
}


class Published(NamedTuple):
    """The paper's value of a number, ours minus theirs, and for accuracies the standard error of the difference."""

    value: float
    difference: float
    error: float | None


def difference_error(theirs: float, table: pd.DataFrame, name: str, recordings: pd.Series | None) -> float:
    """Return the standard error of our accuracy minus theirs, in points.

    Of theirs no more than the accuracy is known. It is taken as if it came from one training that varies as ours do,
    and from videos that cluster in recordings as ours do. With one seed of ours no training counts.

    Args:
        theirs: their accuracy in percent.
        table: our results of each video and seed.
        name: top1 or top5.
    """
    row = trainings_of(table, name, recordings, scale=100)
    num_videos, seeds = table["video"].nunique(), len(row.values)
    ours = row.values * (100 - row.values) / num_videos  # of each training, were all videos independent
    clustering = float((row.parts**2).sum() / ours.sum()) if ours.sum() > 0 else 1.0
    trainings = float(row.values.var(ddof=1)) if seeds > 1 else 0.0
    return math.sqrt(mean_error(row) ** 2 + clustering * theirs * (100 - theirs) / num_videos + trainings)


def beside_published(
    dataset_name: str | None,
    row: Row,
    numbers: Numbers,
    table: pd.DataFrame,
    recordings: pd.Series | None = None,
) -> dict[tuple[str, str], Published]:
    """Compare a row with what the paper reports of it, by measure and letter; empty when it does not report the row.

    Args:
        dataset_name: a key of PUBLISHED, or None.
        numbers: of the row.
        table: our results of each video and seed, with top1 and top5.
        recordings: of each video (index) the recording that it is cut from; None: each is its own.
    """
    published = PUBLISHED[dataset_name].get(row, ()) if dataset_name else ()
    compared = {}
    for key, value in zip(NUMBERS, published, strict=False):
        if value is not None and key in numbers:
            error = difference_error(value, table, key[0], recordings) if key[0] in table else None
            compared[key] = Published(value, numbers[key].mean - value, error)
    return compared


def published_difference(dataset_name: str | None, row: Row, reference: Row, measure: str) -> float | None:
    """The paper's row - reference, in points of top-1 or bits of entropy; None where it does not report both.

    The entropy is that of M_o where a row has it, else of M_u, as in `intervals.row_difference`; the paper's is of all
    frames.

    Args:
        dataset_name: a key of PUBLISHED, or None.
        measure: of `intervals.MEASURES`.
    """
    rows = PUBLISHED[dataset_name] if dataset_name else {}
    if row not in rows or reference not in rows or measure not in ("top1", "entropy_object"):
        return None
    values = []
    for each in (row, reference):
        numbers = dict(zip(NUMBERS, rows[each], strict=True))
        keys = [("top1", "")] if measure == "top1" else [("entropy", "o"), ("entropy", "u")]
        values.append(next(number for key in keys if (number := numbers[key]) is not None))
    return values[0] - values[1]
