"""Groups of videos that are cut from one recording: one case in the statistics, one side of a split.

`python -m objabn index` writes them to data/video-groups/<data set>.csv, a row a video, columns `video` and `group`.
A data set without that file has the groups that the names of its videos tell.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from objabn.system.files import write_text

FOLDER = Path("data", "video-groups")  # no data set has a hyphen in its name
COLUMNS = ["video", "group"]
_GROUPED = re.compile(r"(.*_g\d+)_c\d+")  # UCF101 counts groups within a class: its folder and name belong to the group
_REMEDY = "run `python -m objabn index` again"


def group_of(path: str) -> str:
    """Return the recording that a clip is cut from where its name tells it, else the video itself.

    >>> group_of("Bend/v_Bend_g01_c02.avi"), group_of("Bend/1.avi")
    ('Bend/v_Bend_g01', 'Bend/1.avi')
    """
    match = _GROUPED.fullmatch(PurePosixPath(path).with_suffix("").as_posix())
    return match[1] if match else path


def write_groups(groups: pd.Series, folder: Path, dataset_name: str, *, are_named: bool = False) -> str:
    """Write the groups of a data set, sorted by video, or remove the file where there is nothing to say.

    Args:
        groups: the group of each video; its index holds their ids.
        folder: that of the groups of all data sets.
        are_named: whether a list names the groups; they are written then even where no group holds two videos.

    Returns:
        What was done, in words; "" for nothing.
    """
    path = _file(folder, dataset_name)
    if not are_named and not groups.duplicated().any():
        if not path.exists():
            return ""
        path.unlink()
        return f"removed {path}: no two videos are of one recording"
    rows = pd.DataFrame({"video": groups.index, "group": groups.to_numpy()}).sort_values("video")
    write_text(path, rows.to_csv(index=False, lineterminator="\n"))
    return f"wrote {path}: which videos are of one recording; commit it with index.csv"


def read_groups(folder: Path, dataset_name: str, videos: pd.DataFrame) -> pd.Series:
    """Return the group of each video, by id: from the data set's file if there is one, else as the names tell.

    Args:
        folder: that of the groups of all data sets; it need not exist.
        videos: columns `video` and `path`.

    Raises:
        ValueError: the file is damaged, or lacks one of the videos.
    """
    path = _file(folder, dataset_name)
    ids = pd.Index(videos["video"], name="video")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except FileNotFoundError:
        return pd.Series(videos["path"].map(group_of).to_numpy(), ids, name="group")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected a csv, got: {error}; {_REMEDY}") from error
    groups = _checked(rows, path)
    lacking = [video for video in ids if video not in groups]
    if lacking:
        raise ValueError(
            f"{path}: expected a row for each of {len(ids)} videos, got none for {len(lacking)}, such as {lacking[0]}; "
            f"{_REMEDY}"
        )
    return pd.Series([groups[video] for video in ids], ids, dtype=object, name="group")


def _file(folder: Path, dataset_name: str) -> Path:
    return folder / f"{dataset_name}.csv"


def _checked(rows: list[list[str]], path: Path) -> dict[str, str]:
    """Return the group of each video of a file."""
    if not rows or rows[0] != COLUMNS:
        got = ",".join(rows[0]) if rows else "an empty file"
        raise ValueError(f"{path}: columns, expected {','.join(COLUMNS)}, got {got}; {_REMEDY}")
    groups: dict[str, str] = {}
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(COLUMNS) or not all(row):
            raise ValueError(f"{path}:{line}: expected a video and its group, got {','.join(row)!r}; {_REMEDY}")
        if row[0] in groups:
            raise ValueError(f"{path}:{line}: video, expected each id once, got {row[0]!r} again; {_REMEDY}")
        groups[row[0]] = row[1]
    return groups
