"""A csv with the columns path, label and split, as text editors and spreadsheets write it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from objabn.index.disk import Disk
from objabn.index.faults import SPLIT_NAMES
from objabn.index.listing import Listing, Row, listing_of, read_text, require_directory
from objabn.index.names import clean_label
from objabn.index.table import is_inside

COLUMNS = ("path", "label", "split")
GROUP = "group"  # a column that may be there
_SEPARATORS = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(r"sep=(.)[ \t]*(?:\r\n|\r|\n)", re.IGNORECASE)  # the first line, for spreadsheets
_SPLITS_SHOWN = "train, test, val, validation"


def read_csv(videos: Path, table: Path) -> Listing:
    """The videos of a csv with a header, columns path, label and split, or group too; others are not read.

    Columns stand in any order. Values are separated by commas, semicolons or tabs, as the header shows; capitals in
    the names of columns and splits do not count. `path` is relative to `videos`, flat or nested; `split` is train
    (training), test (testing) or val (valid, validation), which counts as test where no row is test; videos of one
    `group` are cut from one recording, and one without a group is alone. Values lose the blanks around them.

    Raises:
        ValueError: no such directory or file, a column missing, a row of another length or with an empty value, a path
            that leaves `videos`, another split, a video listed twice.
    """
    require_directory(videos)
    text = read_text(table, "a csv")
    header: dict[str, int] | None = None
    names: list[str] = []
    rows: list[Row] = []
    called_val: Counter[str] = Counter()  # names of the split val, as written -> videos
    disk = Disk(videos)
    for where, fields in _records(text, table):
        if not any(map(str.strip, fields)):
            continue
        if header is None:
            header, names = _checked_header(fields, where), [clean_label(each) for each in fields]
            continue
        if len(fields) != len(names):
            raise ValueError(f"{where}: expected {len(names)} values, as in the header, got {len(fields)}")
        path, label, written = _checked_row({name: fields[at] for name, at in header.items()}, where, disk)
        split = SPLIT_NAMES[written.casefold()]
        if split == "val":
            called_val[written] += 1
        rows.append(Row(path, label, split, where, clean_label(fields[header[GROUP]]) if GROUP in header else None))
    if header is None:
        raise ValueError(f"{table}: expected a header with the columns {','.join(COLUMNS)}, got an empty file")
    if not rows:
        raise ValueError(f"{table}: expected at least one listed video, got none")
    notes = []
    if all(row.split != "test" for row in rows):
        rows = [row._replace(split="test") if row.split == "val" else row for row in rows]
        notes = [f"{count} videos of the split {name} count as test" for name, count in called_val.items()]
    others = [name for at, name in enumerate(names) if at not in header.values()]
    if others:
        notes.append(f"columns of {table.name} that are not read: {', '.join(others)}")
    return listing_of(rows, sorted({row.label for row in rows}), [*notes, *disk.notes()])


def _records(text: str, table: Path) -> Iterator[tuple[str, list[str]]]:
    """The records of a csv, each with where it ends (<file>:<line from 1>)."""
    chosen = _SEPARATOR_LINE.match(text)
    body, lines_before = (text[chosen.end() :], 1) if chosen else (text, 0)
    separator = chosen[1] if chosen else _separator(body)
    # strict: a stray quote is an error instead of a field that swallows lines
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True)
    try:
        for fields in reader:
            yield f"{table}:{reader.line_num + lines_before}", fields
    except csv.Error as error:
        raise ValueError(f"{table}:{reader.line_num + lines_before}: expected a csv, got: {error}") from error


def _separator(text: str) -> str:
    """What separates the values: that with which the header has the columns, else a comma."""
    for separator in _SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            header = next((fields for fields in reader if any(map(str.strip, fields))), [])
        except csv.Error:
            continue
        if None not in _places(header):
            return separator
    return _SEPARATORS[0]


def _places(names: list[str], columns: Iterable[str] = COLUMNS) -> list[int | None]:
    """Where each of the columns is: the one of that name, else the one of that name in other letters; None for none."""
    exact = [clean_label(name) for name in names]
    small = [name.casefold() for name in exact]
    places: list[int | None] = []
    for column in columns:
        among = exact if column in exact else small
        places.append(among.index(column) if among.count(column) == 1 else None)
    return places


def _checked_header(names: list[str], where: str) -> dict[str, int]:
    """Each of COLUMNS and where it is, and GROUP if it is there."""
    columns = (*COLUMNS, GROUP)
    found = {column: at for column, at in zip(columns, _places(names, columns), strict=True) if at is not None}
    if not found.keys() >= set(COLUMNS):
        got = ",".join(clean_label(name) for name in names)
        raise ValueError(f"{where}: expected a header with the columns {','.join(COLUMNS)}, got {got}")
    return found


def _checked_row(row: dict[str, str], where: str, disk: Disk) -> tuple[str, str, str]:
    """Path, of the file that is there if there is one, label, and split as written."""
    for name in COLUMNS:
        if not clean_label(row[name]):
            raise ValueError(f"{where}: {name}, expected a value, got none")
    split = clean_label(row["split"])
    if split.casefold() not in SPLIT_NAMES:
        raise ValueError(f"{where}: split, expected {_SPLITS_SHOWN}, got {split!r}")
    listed = row["path"].strip()
    readings = [PurePosixPath(each).as_posix() for each in (listed, row["path"])]
    found = next((each for each in readings if disk.has(each)), None) or disk.find(readings[0])
    path = PurePosixPath(listed.replace("\\", "/")).as_posix() if found is None else found
    if not is_inside(path.replace("\\", "/")) or path == ".":
        raise ValueError(f"{where}: path, expected one relative to the videos and below them, got {listed!r}")
    return path, row["label"].strip(), split
