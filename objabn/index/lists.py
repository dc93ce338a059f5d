"""Text lists of videos, one `<class>/<video>` a line, and the official lists of UCF101 made of them."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from objabn.index.listing import Listing, Row, outermost, read_text, require_directory, table_of
from objabn.index.table import SPLITS, is_inside

_NUMBERED = re.compile(r"(.*\.\w+)\s+(\d+)")  # "Bend/v_Bend_g01_c01.avi 1"


class Line(NamedTuple):
    """A line of a list; `number` is the class's, None where the line has none."""

    where: str
    path: str
    number: int | None


def read_ucf101(videos: Path, splits: Path, split: int = 1) -> Listing:
    """The videos of an official split.

    Args:
        videos: directory of the videos, `<class>/<video>.avi`.
        splits: directory of classInd.txt, trainlist0N.txt and testlist0N.txt.
        split: N.

    Raises:
        ValueError: a directory or list is missing or malformed, a class is not in classInd.txt or has another number
            there, a video is listed twice.
    """
    require_directory(videos)
    classes_path = splits / "classInd.txt"
    numbers: dict[str, int] = {}
    for where, line in _lines(classes_path):
        match = re.fullmatch(r"(\d+)\s+(\S.*)", line)
        if not match or match[2] in numbers:
            raise ValueError(f"{where}: expected '<number> <class>', each class once, got {line!r}")
        numbers[match[2]] = int(match[1])
    rows = []
    for name in SPLITS:
        for where, path, number in read_list(splits / f"{name}list{split:02d}.txt"):
            label = outermost(path)
            if label not in numbers or number not in (None, numbers[label]):
                expected = f"{label} = {numbers[label]}" if label in numbers else f"one of its {len(numbers)} classes"
                got = label if number is None else f"{label} = {number}"
                raise ValueError(f"{where}: expected a class of {classes_path.name}, {expected}, got {got}")
            rows.append(Row(path, label, name, where))
    return Listing(table_of(rows), list(numbers))


def read_list(path: Path) -> list[Line]:
    """The lines of a list of `<class>/<video>`, with or without the class's number.

    Raises:
        ValueError: it cannot be read, or a line is something else or leaves the videos directory.
    """
    rows = []
    for where, line in _lines(path):
        match = _NUMBERED.fullmatch(line)
        video = PurePosixPath(match[1] if match else line).as_posix()
        if "/" not in video or not is_inside(video):
            raise ValueError(f"{where}: expected <class>/<video>, relative to the videos, got {line!r}")
        rows.append(Line(where, video, int(match[2]) if match else None))
    return rows


def _lines(path: Path) -> list[tuple[str, str]]:
    """The lines of a text file that are not blank, stripped, with where they stand (<file>:<line from 1>)."""
    lines = enumerate(read_text(path).splitlines(), 1)
    return [(f"{path}:{number}", line.strip()) for number, line in lines if line.strip()]
