"""What a reader of lists gives back, and what all readers share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from objabn.index.names import clean_label, fault_of_path, printable
from objabn.index.table import LISTED

_GROUPED = re.compile(r"(.*_g\d+)_c\d+")  # clips of one group are cut from one recording


class Row(NamedTuple):
    """One listed video; `where` is the line that names it, for messages."""

    path: str
    label: str
    split: str
    where: str


@dataclass(frozen=True)
class Listing:
    """The videos that a data set should have, whether or not their files exist.

    Attributes:
        videos: columns video, path, label, split; at least one row; ids and paths are unique, and an index can hold
            them; labels are as `clean_label` writes them.
        classes: the class list, which may name classes that no listed video has.
        notes: what the reader passed over or took for something else, one line each.
        left_out: files that it found but did not list: (path, label, reason).
    """

    videos: pd.DataFrame
    classes: list[str]
    notes: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)


def listing_of(
    rows: Iterable[Row],
    classes: Iterable[str],
    notes: Iterable[str] = (),
    left_out: Iterable[tuple[str, str, str]] = (),
) -> Listing:
    """Make a listing of rows in their order; what an index cannot hold is left out, and labels are made to agree.

    Args:
        rows: one a video, labels as they stand in the lists.
        classes: the class list, likewise; labels of rows need not be in it.

    Raises:
        ValueError: no row that can be held, a path twice, or two files with one id.
    """
    held, unheld = [], []
    for row in rows:
        fault = fault_of_path(row.path) or (None if clean_label(row.label) else "its label is blank")
        if fault is None:
            held.append(row._replace(label=clean_label(row.label)))
        else:
            unheld.append((row.path, row.label, fault))
    if unheld and not held:
        example = f"{printable(unheld[0][0])}: {unheld[0][2]}"
        raise ValueError(f"expected at least one listed video, got none but {example}")
    return Listing(
        table_of(held),
        list(dict.fromkeys(label for each in classes if (label := clean_label(each)))),
        list(notes),
        [*left_out, *unheld],
    )


def table_of(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a table of columns LISTED, in the given order; a video's id is its path without suffix.

    Raises:
        ValueError: no row, a path twice, or two files with one id.
    """
    seen: dict[str, Row] = {}
    for row in rows:
        if row.path in seen:
            first = seen[row.path]
            raise ValueError(
                f"{row.where}: expected each video once, got {row.path} again, in {row.split}; "
                f"first at {first.where}, in {first.split}"
            )
        seen[row.path] = row
    if not seen:
        raise ValueError("expected at least one listed video, got none")
    table = pd.DataFrame([row[:3] for row in seen.values()], columns=LISTED[1:], dtype=str)
    stems = pd.Series([_stem(path) for path in seen], dtype=str)
    table["video"] = stems.where(~stems.duplicated(keep=False), table["path"])  # a.mp4 and a.avi keep their suffixes
    twice = table["video"][table["video"].duplicated()].tolist()
    if twice:
        raise ValueError(f"{twice[0]}: expected an id for one video, got two videos with it; rename one")
    return table[LISTED]


def _stem(path: str) -> str:
    """A path without its suffix, unless what is left of the name would be a directory: "...mp4"."""
    stem = PurePosixPath(path).with_suffix("").as_posix()
    return path if stem.split("/")[-1] in (".", "..") else stem


def group_of(path: str) -> str:
    """What must not be split: the recording that a clip is cut from where the name tells it, else the video itself."""
    match = _GROUPED.fullmatch(PurePosixPath(path).with_suffix("").as_posix())
    return match[1] if match else path


def outermost(path: str) -> str:
    """The class of a video in <class>/<video>: its outermost folder."""
    return path.split("/", 1)[0]


def require_directory(path: Path, what: str = "the directory of the videos") -> None:
    """Raise ValueError unless `path` is a directory."""
    if not path.is_dir():
        raise ValueError(f"{path}: expected {what}, got {'a file' if path.exists() else 'nothing'}")


def read_text(path: Path, what: str = "a text file") -> str:
    """A UTF-8 file without its byte order mark, line ends as they are.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ValueError(f"{path}: expected {what}, got: {reason}") from error
