"""What a reader of lists gives back, and what all readers share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from objabn.index.groups import group_of
from objabn.index.names import clean_label, fault_of_path, printable
from objabn.index.table import LISTED

_UTF16 = "UTF-16; save it as UTF-8"
# What text files are not, by their first bytes: as spreadsheets and editors of Windows save them.
_OTHER_KINDS = (
    (b"\xff\xfe\x00\x00", "UTF-32; save it as UTF-8"),
    (b"\xff\xfe", _UTF16),
    (b"\xfe\xff", _UTF16),
    (b"PK\x03\x04", "a zip file or a workbook; save it as text in UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old workbook; save it as text in UTF-8"),
)


class Row(NamedTuple):
    """One listed video; `where` is the line that names it, for messages.

    `group` is the recording that it is cut from where the list has a column for that: "" for none; None without one.
    """

    path: str
    label: str
    split: str
    where: str
    group: str | None = None


@dataclass(frozen=True)
class Listing:
    """The videos that a data set should have, whether or not their files exist.

    Attributes:
        videos: columns video, path, label, split; at least one row; ids and paths are unique, and an index can hold
            them; labels are as `clean_label` writes them.
        classes: the class list, which may name classes that no listed video has.
        notes: what the reader passed over or took for something else, one line each.
        left_out: files that it found but did not list: (path, label, reason).
        groups: path -> recording, where the list names these; None: the names of the videos tell.
    """

    videos: pd.DataFrame
    classes: list[str]
    notes: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    groups: dict[str, str] | None = None

    def groups_of(self, paths: pd.Series) -> pd.Series:
        """The recording that each listed path is cut from; the path itself for a video that is alone."""
        return paths.map(group_of if self.groups is None else self.groups)


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
    changed: dict[str, str] = {}
    for row in rows:
        label = clean_label(row.label)
        fault = fault_of_path(row.path) or (None if label else "its label is blank")
        if fault is None:
            held.append(row._replace(label=label))
            if label != row.label:
                changed[row.label] = label
        else:
            unheld.append((row.path, row.label, fault))
    if unheld and not held:
        example = f"{printable(unheld[0][0])}: {unheld[0][2]}"
        raise ValueError(f"expected at least one listed video, got none but {example}")
    said = list(notes)
    if changed:
        given, taken = next(iter(changed.items()))
        said.append(
            f"{len(changed)} labels are taken as they read (Unicode NFC, single blanks, nothing invisible): "
            f"{given!a} is {taken!a}"
        )
    return Listing(
        table_of(held),
        list(dict.fromkeys(label for each in classes if (label := clean_label(each)))),
        said,
        [*left_out, *unheld],
        None if held[0].group is None else {row.path: row.group or row.path for row in held},
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
        content = path.read_bytes()
        for start, kind in _OTHER_KINDS:
            if content.startswith(start):
                raise ValueError(f"{path}: expected {what}, got: {kind}")
        if b"\0" in content[:4]:  # no mark, but two bytes a letter
            raise ValueError(f"{path}: expected {what}, got: {_UTF16}")
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ValueError(f"{path}: expected {what}, got: {reason}") from error
