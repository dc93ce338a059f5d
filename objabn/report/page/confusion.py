"""Results by class: how many videos of a class were taken for which one. L classes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from objabn.report.names import Row


def class_names(tables: Mapping[Row, pd.DataFrame]) -> list[str]:
    """All classes that occur as label or prediction, sorted."""
    return sorted({name for table in tables.values() for column in ("label", "predicted") for name in table[column]})


def confusion(table: pd.DataFrame, names: list[str]) -> np.ndarray:
    """How often a class (first axis) was predicted as another (second), int64 (L, L), over videos and seeds.

    Args:
        table: columns label and predicted.
        names: the classes; each label and prediction is one of them.
    """
    labels, predicted = (pd.Index(names).get_indexer(pd.Index(table[column])) for column in ("label", "predicted"))
    assert min(labels.min(), predicted.min()) >= 0, "a class that is not in names"
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def recalls(counts: np.ndarray) -> np.ndarray:
    """Share of each class's videos that were predicted as it, float64 (L,); NaN for a class without test videos."""
    totals = counts.sum(axis=1)
    return np.where(totals > 0, counts.diagonal() / np.maximum(totals, 1), np.nan)


def sparse(counts: np.ndarray) -> list[int]:
    """The entries above 0, flat: class, predicted, count, class, predicted, count ..."""
    own, other = counts.nonzero()
    return np.stack([own, other, counts[own, other]], axis=1).ravel().tolist()
