"""The column `split` of a table of videos: train, val and test, or the folds of a cross-validation.

With folds (`fold-1`, `fold-2`, ...) a training is one network a fold. The network of a fold is trained on the videos of
the other folds and tested on its own, so that every video is tested once, by a network that has not seen it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a run is explained without it
    import pandas as pd

_FOLD = re.compile(r"fold-([1-9][0-9]*)")


def fold_name(number: int) -> str:
    """Name a fold by its number, from 1."""
    return f"fold-{number}"


def is_fold(split: str) -> bool:
    """Tell whether a value of the column names a fold.

    >>> is_fold("fold-12"), is_fold("fold-0"), is_fold("test")
    (True, False, False)
    """
    return _FOLD.fullmatch(split) is not None


def folds(splits: Iterable[str]) -> tuple[str, ...]:
    """List the folds of a data set, in the order of their numbers.

    A data set that is split into train and test has none.

    >>> folds(["fold-10", "fold-2", "fold-2"]), folds(["train", "test"])
    (('fold-2', 'fold-10'), ())
    """
    return tuple(sorted({split for split in splits if is_fold(split)}, key=_number))


def in_split(splits: pd.Series, split: str, fold: str | None = None) -> pd.Series:
    """Tell which videos belong to a split, bool (V,).

    Args:
        splits: the column, of all videos of the data set.
        split: "train", "val" or "test".
        fold: whose network is meant, where there are folds: "test" is this fold, "train" the others, "val" empty. None
            means all of its networks together: every video is trained on and every video is tested.

    >>> import pandas as pd
    >>> column = pd.Series(["fold-1", "fold-2", "fold-3"])
    >>> in_split(column, "train", "fold-2").tolist(), in_split(column, "test", "fold-2").tolist()
    ([True, False, True], [False, True, False])
    >>> in_split(column, "test").tolist(), in_split(pd.Series(["train", "test"]), "test").tolist()
    ([True, True, True], [False, True])
    """
    if fold is not None:
        return splits == fold if split == "test" else (splits != fold) & (split == "train")
    return (splits == split) | (splits.map(is_fold).astype(bool) & (split != "val"))


def _number(fold: str) -> int:
    match = _FOLD.fullmatch(fold)
    assert match, fold
    return int(match[1])
