"""A csv with the columns path, label and split."""

from __future__ import annotations

import csv
import io
from pathlib import Path, PurePosixPath

from objabn.index.listing import Listing, Row, listing_of, read_text, require_directory
from objabn.index.table import SPLITS, is_inside

COLUMNS = ("path", "label", "split")
AS_TEST = ("val", "validation")  # other names of the split test


def read_csv(videos: Path, table: Path) -> Listing:
    """The videos of a csv with a header, columns path, label and split in any order; others are not read.

    `path` is relative to `videos`, flat or nested; `split` is train or test, or val or validation, which count as test.
    Values lose the blanks around them.

    Raises:
        ValueError: no such directory or file, a column missing, a row of another length or with an empty value, a path
            that leaves `videos`, another split, test and val in one file, a video listed twice.
    """
    require_directory(videos)
    # strict: a stray quote is an error instead of a field that swallows lines
    reader = csv.reader(io.StringIO(read_text(table, "a csv"), newline=""), strict=True)
    header: list[str] | None = None
    rows: list[Row] = []
    as_test, first = dict.fromkeys(AS_TEST, 0), dict[str, str]()
    try:
        for fields in reader:
            where, values = f"{table}:{reader.line_num}", [value.strip() for value in fields]
            if not any(values):
                continue
            if header is None:
                header = _checked_header(values, where)
                continue
            if len(values) != len(header):
                raise ValueError(f"{where}: expected {len(header)} values, as in the header, got {len(values)}")
            path, label, split = _checked_row(dict(zip(header, values, strict=True)), where)
            first.setdefault(split, where)
            if split in as_test:
                as_test[split] += 1
            rows.append(Row(path, label, "test" if split in as_test else split, where))
    except csv.Error as error:
        raise ValueError(f"{table}:{reader.line_num}: expected a csv, got: {error}") from error
    if header is None:
        raise ValueError(f"{table}: expected a header with the columns {','.join(COLUMNS)}, got an empty file")
    tests = [name for name in ("test", *AS_TEST) if name in first]
    if len(tests) > 1:
        raise ValueError(
            f"{first[tests[1]]}: split, expected one name of the test videos, got {tests[1]} beside {tests[0]} "
            f"({first[tests[0]]}); leave one of them out"
        )
    if not rows:
        raise ValueError(f"{table}: expected at least one listed video, got none")
    notes = [f"{count} videos of the split {name} count as test" for name, count in as_test.items() if count]
    others = [name for name in header if name not in COLUMNS]
    if others:
        notes.append(f"columns of {table.name} that are not read: {', '.join(others)}")
    return listing_of(rows, sorted({row.label for row in rows}), notes)


def _checked_header(names: list[str], where: str) -> list[str]:
    """The names of the columns."""
    missing = [name for name in COLUMNS if names.count(name) != 1]
    if missing:
        raise ValueError(f"{where}: expected a header with the columns {','.join(COLUMNS)}, got {','.join(names)}")
    return names


def _checked_row(row: dict[str, str], where: str) -> tuple[str, str, str]:
    """Path, label and split of a row."""
    for name in COLUMNS:
        if not row[name]:
            raise ValueError(f"{where}: {name}, expected a value, got none")
    if row["split"] not in (*SPLITS, *AS_TEST):
        raise ValueError(f"{where}: split, expected {', '.join((*SPLITS, *AS_TEST))}, got {row['split']!r}")
    path = PurePosixPath(row["path"]).as_posix()
    if not is_inside(path) or path == ".":
        raise ValueError(f"{where}: path, expected one relative to the videos and below them, got {row['path']!r}")
    return path, row["label"], row["split"]
