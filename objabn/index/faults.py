"""Refuse data sets that are too small or too flat to mean something."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from objabn.index.table import ALL_SPLITS, SPLITS, class_names
from objabn.stores.splits import folds

# What lists and folders call the splits, small letters -> one name for each.
SPLIT_NAMES = {
    "train": "train", "training": "train",
    "test": "test", "testing": "test",
    "val": "val", "valid": "val", "validation": "val",
}  # fmt: skip


def index_faults(index: pd.DataFrame, videos: str | Path | None = None) -> list[str]:
    """Say why an index cannot be trained on and evaluated; a line for each fault, [] for none.

    Args:
        index: columns path, label and split, a row a video that is there.
        videos: directory of the videos, for what to do about it.
    """
    faults = []
    labels = class_names(index)
    nested = [label for label, paths in index["path"].groupby(index["label"]) if _holds_folders(str(label), paths)]
    if len(labels) == 1:
        fault = f"label: expected two classes or more, got one, {labels[0]!r}; "
        if nested:
            meant = PurePosixPath(Path(videos or "").as_posix(), labels[0])
            faults.append(f"{fault}{labels[0]} holds folders of videos: did you mean --videos {meant}?")
        else:
            faults.append(f"{fault}list videos of another class, too")
    elif nested == labels and all(label.lower() in SPLIT_NAMES for label in labels):
        faults.append(
            f"label: expected classes, got {', '.join(labels)}, which are names of splits, and these folders hold "
            "folders of videos; name each video's class and split in a csv (index csv)"
        )
    sizes = index["split"].value_counts()
    if names := folds(index["split"]):
        return faults + _fold_faults(sizes, names)
    for name in SPLITS:
        if name not in sizes:
            there = " and ".join(f"{sizes[other]} {other}" for other in ALL_SPLITS if other in sizes)
            faults.append(f"split: expected {name} videos, got none beside {there} videos; list some as {name}")
    return faults


def _fold_faults(sizes: pd.Series, names: tuple[str, ...]) -> list[str]:
    """Say why folds cannot be trained and tested on, a line for each fault."""
    if len(names) == 1:
        return [f"split: expected two folds or more, got {names[0]} alone; deal the videos again (--folds)"]
    # A video's maps are compared with those of another video of its fold.
    small = [name for name in names if sizes[name] < 2]
    return [f"split: expected two videos or more in each fold, got one in {', '.join(small)}"] if small else []


def _holds_folders(label: str, paths: pd.Series) -> bool:
    """Whether a class is a folder, and all its videos lie in folders below it."""
    return all(path.startswith(f"{label}/") and path.count("/") > 1 for path in paths)
