"""Tell whether the videos are there before they are decoded: an unmounted share costs no hours."""

import os
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import pandas as pd

from objabn.stores.table import check_missing
from objabn.system.checkouts import why_absent

_THREADS = 8  # that look at files, which may lie on a network


def check_folder(videos: Path, key: str) -> None:
    """Check that the videos' directory is there and holds something: the mount point of a share is an empty directory.

    Args:
        key: of the directory in params.yaml.

    Raises:
        ValueError: it is not there, or empty, or cannot be read.
    """
    expected = f"{key}: expected the directory of the videos at {videos}, found"
    try:
        if not videos.is_dir():
            found = "a file" if videos.exists() else "no such directory"
            raise ValueError(f"{expected} {found}{why_absent(videos, key)}")
        with os.scandir(videos) as entries:
            is_empty = next(entries, None) is None
    except PermissionError:  # a directory that may not be listed may still give its files
        return
    except OSError as error:
        raise ValueError(f"{expected} one that cannot be read: {error.strerror or error}") from error
    if is_empty:
        raise ValueError(f"{expected} an empty one; is the share mounted?{why_absent(videos, key)}")


def check_files(index: pd.DataFrame, done: list[dict[str, Any]], videos: Path, key: str, max_failed: float) -> None:
    """Check that enough files of an index are there and may be read, without opening one.

    Args:
        done: rows of the table of videos that need no file any more, with `video`, `status` and `error`.

    Raises:
        ValueError: more than `max_failed` of a split are not.
    """
    known = {row["video"]: (row["status"], row["error"]) for row in done}

    def look(row: tuple[str, str]) -> tuple[str, str]:
        video, path = row
        if video in known:
            return known[video]
        if os.access(videos / path, os.R_OK):
            return "ok", ""
        return "failed", "cannot be read" if (videos / path).exists() else "no such file"

    with ThreadPool(_THREADS) as pool:
        looks = pool.map(look, zip(index["video"], index["path"], strict=True), chunksize=64)
    statuses, errors = zip(*looks, strict=True)
    table = index.assign(status=statuses, error=errors)
    try:
        check_missing(table, max_failed)
    except ValueError as error:
        absent = any(reason == "no such file" for reason in errors)
        raise ValueError(f"{error}{why_absent(videos, key) if absent else ''}") from None
