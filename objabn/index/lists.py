"""Text lists of videos, one `<class>/<video>` a line, and the official lists of UCF101 made of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from objabn.index.disk import Disk
from objabn.index.listing import read_text
from objabn.index.table import is_inside

_NUMBERED = re.compile(r"(.*\.\w+)\s+(\d+)")  # "Bend/v_Bend_g01_c01.avi 1"
_QUOTED = re.compile(r"""(["'])(.+)\1(?:\s+(\d+))?""")
_COMMENTED = re.compile(r"(.*\.\w+['\"]?(?:\s+\d+)?)\s+#.*")


class Line(NamedTuple):
    """A line of a list; `number` is the class's, None where the line has none."""

    where: str
    path: str
    number: int | None


def read_list(path: Path, disk: Disk) -> list[Line]:
    """The lines of a list of `<class>/<video>`, with or without the class's number, quotes or comments (#).

    Where a line can be read in several ways, the one counts whose file is there: names may end in a number, have quotes
    or start with #. Paths are those of the files that are there, else as listed.

    Raises:
        ValueError: it cannot be read, a line is something else or leaves the videos directory, or names two files.
    """
    rows = []
    for where, raw in numbered_lines(path):
        line = raw.strip()
        readings = list(_readings(line)) if raw == line else [(raw, None), *_readings(line)]
        there = [(found, number) for text, number in readings if (found := disk.find(_path(text))) is not None]
        plain = next((number for text, number in readings if number is not None), None)
        if len({found for found, _ in there}) > 1 and there[1][1] is not None:
            names = " and ".join(repr(found) for found, _ in there[:2])
            raise ValueError(
                f"{where}: expected the name of one file, with or without class {plain}, got {names}; rename one"
            )
        if not there and line.startswith("#"):
            continue
        video, number = there[0] if there else (_path(readings[-1][0].replace("\\", "/")), readings[-1][1])
        if "/" not in video or not is_inside(video.replace("\\", "/")):
            raise ValueError(f"{where}: expected <class>/<video>, relative to the videos, got {line!r}")
        rows.append(Line(where, video, number))
    return rows


def _readings(line: str) -> Iterator[tuple[str, int | None]]:
    """The ways to read a line, as path and class's number: to the letter first, what is most likely meant last."""
    yield line, None
    if match := _NUMBERED.fullmatch(line):
        yield match[1], int(match[2])
    if match := _QUOTED.fullmatch(line):
        yield match[2], int(match[3]) if match[3] else None
    if match := _COMMENTED.fullmatch(line):
        yield from _readings(match[1])


def _path(text: str) -> str:
    return PurePosixPath(text).as_posix()


def numbered_lines(path: Path) -> list[tuple[str, str]]:
    r"""The lines of a text file that are not blank, with where they stand (<file>:<line from 1>).

    Lines end with \n, \r\n or \r: other separators of Unicode may be part of a name.
    """
    lines = enumerate(re.split("\r\n|\r|\n", read_text(path)), 1)
    return [(f"{path}:{number}", line) for number, line in lines if line.strip()]
