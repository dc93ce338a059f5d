"""Text lists of videos, one `<class>/<video>` a line, and the official lists of UCF101 made of them."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from objabn.index.listing import read_text
from objabn.index.table import is_inside

_NUMBERED = re.compile(r"(.*\.\w+)\s+(\d+)")  # "Bend/v_Bend_g01_c01.avi 1"


class Line(NamedTuple):
    """A line of a list; `number` is the class's, None where the line has none."""

    where: str
    path: str
    number: int | None


def read_list(path: Path) -> list[Line]:
    """The lines of a list of `<class>/<video>`, with or without the class's number.

    Raises:
        ValueError: it cannot be read, or a line is something else or leaves the videos directory.
    """
    rows = []
    for where, line in numbered_lines(path):
        match = _NUMBERED.fullmatch(line)
        video = PurePosixPath(match[1] if match else line).as_posix()
        if "/" not in video or not is_inside(video):
            raise ValueError(f"{where}: expected <class>/<video>, relative to the videos, got {line!r}")
        rows.append(Line(where, video, int(match[2]) if match else None))
    return rows


def numbered_lines(path: Path) -> list[tuple[str, str]]:
    """The lines of a text file that are not blank, stripped, with where they stand (<file>:<line from 1>)."""
    lines = enumerate(read_text(path).splitlines(), 1)
    return [(f"{path}:{number}", line.strip()) for number, line in lines if line.strip()]
