"""index.csv: which videos a data set has, their labels and splits. `python -m objabn index` writes it.

One row a video, every value text: `video` (unique id: the path without its suffix), `path` (relative to the videos
directory, with forward slashes), `label` (the class name), `split` (train, val or test, or in all rows a fold: fold-1,
fold-2, ...), `bytes`, `digest` (of the content).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from objabn.stores.splits import folds, is_fold
from objabn.system.files import file_digest, write_text

LISTED = ["video", "path", "label", "split"]
SPLITS = ("train", "test")  # every data set has both, or folds
ALL_SPLITS = ("train", "val", "test")  # val: trainings are watched on it, nothing is trained or tested on it
COLUMNS = [*LISTED, "bytes", "digest"]
NUM_THREADS = 8


def build(
    listed: pd.DataFrame,
    videos: Path,
    *,
    seconds_of: Callable[[Path], float | None] | None = None,
    num_threads: int = NUM_THREADS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The index, `listed` plus bytes and digest; and the videos left out, LISTED plus `reason`. Reads every file.

    Args:
        listed: columns LISTED.
        videos: directory of the videos.
        seconds_of: duration of a video's file; with it the index gets a column `seconds`, float, NaN for None. It is
            for looking at: `write_index` leaves it out.
        num_threads: files read at a time.

    Raises:
        ValueError: not one of the listed files can be read.
    """

    def look(row: dict[Hashable, Any]) -> dict[Hashable, Any]:
        path = videos / row["path"]
        try:
            if path.is_dir():
                raise IsADirectoryError(0, "is a directory")
            found = {**row, "bytes": str(path.stat().st_size), "digest": file_digest(path)}
        except OSError as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
            return {**row, "reason": reason}
        return found if seconds_of is None else {**found, "seconds": seconds_of(path)}

    rows = listed[LISTED].to_dict("records")
    with ThreadPool(num_threads) as pool:
        # disable=None: no bar where stderr is not a terminal
        looks = pool.imap(look, rows, chunksize=16)
        looked = list(tqdm(looks, total=len(rows), desc="index", unit="video", disable=None, leave=False))
    kept = [row for row in looked if "reason" not in row]
    missing = [row for row in looked if "reason" in row]
    if not kept:
        example = f", e.g. {missing[0]['path']}: {missing[0]['reason']}" if missing else ""
        raise ValueError(f"{videos}: expected the {len(missing)} listed videos below it, got none{example}")
    index = pd.DataFrame(kept, columns=COLUMNS, dtype=str)
    if seconds_of is not None:
        index["seconds"] = pd.Series([row["seconds"] for row in kept], dtype=float)
    return index, pd.DataFrame(missing, columns=[*LISTED, "reason"], dtype=str)


def class_names(index: pd.DataFrame) -> list[str]:
    """The labels, sorted, each once; a class's number is its position here."""
    return sorted(set(index["label"]))


def read_index(path: str | os.PathLike[str]) -> pd.DataFrame:
    """An index as `write_index` wrote it, columns COLUMNS, all text.

    Raises:
        ValueError: no such file, not a csv, other columns, no rows, an empty value, an id twice, a split other than
            train, val and test, or folds beside these, a path that leaves the videos directory, bytes that are not a
            number.
    """
    try:
        # keep_default_na=False: "NA" and "null" may be names of classes
        index = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file, expected an index; `python -m objabn index` writes it") from error
    except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a csv, got: {str(error).strip().splitlines()[0]}") from error
    if list(index.columns) != COLUMNS:
        raise ValueError(f"{path}: columns, expected {','.join(COLUMNS)}, got {','.join(map(str, index.columns))}")
    if index.empty:
        raise ValueError(f"{path}: expected at least one video, got none")
    for column in COLUMNS:
        _refuse(path, index, index[column].fillna("") == "", f"{column}, expected a value")
    _refuse(path, index, index["video"].duplicated(), "video, expected each id once")
    is_of_fold = index["split"].map(is_fold).astype(bool)
    expected = "split, expected train, val or test, or fold-1, fold-2 and so on"
    _refuse(path, index, ~is_of_fold & ~index["split"].isin(ALL_SPLITS), expected, "split")
    if is_of_fold.any():
        expected = f"split, expected a fold as in other rows, such as {folds(index['split'])[0]}"
        _refuse(path, index, ~is_of_fold, expected, "split")
    _refuse(path, index, ~index["bytes"].str.fullmatch("[0-9]+"), "bytes, expected a number", "bytes")
    _refuse(path, index, ~index["path"].map(is_inside), "path, expected one below the videos directory", "path")
    return index


def write_index(index: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write an index sorted by video id, whole or not at all; equal indices give equal bytes. Makes the directory."""
    rows = index[COLUMNS].sort_values("video")
    write_text(Path(path), rows.to_csv(index=False, lineterminator="\n"))


def is_inside(path: str) -> bool:
    """Whether a relative path stays below the directory that it starts from."""
    return not path.startswith("/") and ".." not in path.split("/") and "\\" not in path


def _refuse(path: object, index: pd.DataFrame, bad: pd.Series, expected: str, shown: str = "video") -> None:
    """Raise ValueError naming the first bad row (line 1 is the header)."""
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise ValueError(f"{path}:{row + 2}: {expected}, got {index[shown].iloc[row]!r}")
