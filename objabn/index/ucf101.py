"""Read the official lists of UCF101."""

from __future__ import annotations

import re
from pathlib import Path

from objabn.index.disk import Disk
from objabn.index.listing import Listing, Row, listing_of, outermost, require_directory
from objabn.index.lists import numbered_lines, read_list
from objabn.index.misses import beside_or_below
from objabn.index.names import clean_label
from objabn.index.table import SPLITS


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
    if not classes_path.exists() and (meant := beside_or_below(splits, [classes_path.name])) is not None:
        raise ValueError(f"{splits}: expected {classes_path.name}, got none; did you mean --splits {meant}?")
    numbers: dict[str, int] = {}
    for where, line in numbered_lines(classes_path):
        match = re.fullmatch(r"(\d+)\s+(\S.*)", line.strip())
        label = clean_label(match[2]) if match else ""
        if not match or label in numbers:
            raise ValueError(f"{where}: expected '<number> <class>', each class once, got {line.strip()!r}")
        numbers[label] = int(match[1])
    rows, disk = [], Disk(videos)
    for name in SPLITS:
        for where, path, number in read_list(splits / f"{name}list{split:02d}.txt", disk):
            label = clean_label(outermost(path))
            if label not in numbers or number not in (None, numbers[label]):
                expected = f"{label} = {numbers[label]}" if label in numbers else f"one of its {len(numbers)} classes"
                got = label if number is None else f"{label} = {number}"
                raise ValueError(f"{where}: expected a class of {classes_path.name}, {expected}, got {got}")
            rows.append(Row(path, label, name, where))
    return listing_of(rows, numbers, disk.notes())
