"""Read J-HMDB as it is published: clips in class folders, a list for each class and split (so is HMDB51)."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from objabn.index.disk import Disk
from objabn.index.listing import Listing, Row, listing_of, outermost, require_directory
from objabn.index.lists import numbered_lines
from objabn.index.misses import beside_or_below
from objabn.index.names import fault_of_path
from objabn.index.suffixes import few, files_below
from objabn.index.table import is_inside

_PART = re.compile(r"(_part)?_\d{1,2}$", re.IGNORECASE)
_LIST = re.compile(r"(.+)_test_split(\d+)\.txt")  # "brush_hair_test_split1.txt" holds the train videos, too
_LINE = re.compile(r"(\S.*?)\s+(\d+)")  # "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1"
_SPLIT_OF = {"1": "train", "2": "test", "0": None}  # 0: in neither


class _Entry(NamedTuple):
    """A line of a list; `split` is None for a video that the list leaves out."""

    path: str
    label: str
    split: str | None
    where: str


def read_jhmdb(videos: Path, splits: Path | None = None, split: int = 1, *, every: bool = False) -> Listing:
    """The videos of an official split, each with the film that it is cut from as its group.

    A clip is named `<film>_<class>_<what else>`; clips of one film are one group, in several classes, too. The classes
    are those that have a list.

    Args:
        videos: directory of the videos, `<class>/<name>.avi`.
        splits: directory of the lists, `<class>_test_split<N>.txt`, lines `<name>.avi 1` (train), 2 (test) or 0
            (neither); None, only with `every`: the class folders tell.
        split: N.
        every: whether all listed videos count, whatever their number; those in neither split are `train` then.

    Raises:
        ValueError: a directory or list is missing or malformed, a video is listed twice, none is listed.
    """
    require_directory(videos)
    below = files_below(videos)
    disk = Disk(videos)
    left_out = [(path, "", "in no class folder") for path in below.videos if "/" not in path]
    inside = [path for path in below.videos if "/" in path]
    if splits is None:
        if not every:
            expected = f"expected the directory of <class>_test_split{split}.txt"
            raise ValueError(f"index jhmdb: --splits, {expected}, got nothing")
        found = [_Entry(path, outermost(path), "train", str(videos)) for path in inside]
        classes = sorted(below.folders)
    else:
        lists = _lists(splits, split, below.folders)
        found = [entry for label, path in lists.items() for entry in _read(path, label, disk)]
        classes = list(lists)
        named = {entry.path for entry in found}
        for path in inside:
            if path not in named:
                label = outermost(path)
                left_out.append((path, label, "not in its class's list" if label in lists else "its class has no list"))
    _refuse_twice(found)
    if every:
        found = [entry._replace(split=entry.split or "train") for entry in found]
    left_out += [
        (entry.path, entry.label, f"in neither part of split {split}")
        for entry in found
        if entry.split is None and disk.has(entry.path)
    ]
    rows = [
        Row(entry.path, entry.label, entry.split, entry.where, film_of(entry.path, entry.label))
        for entry in found
        if entry.split is not None
    ]
    notes = [*below.notes(), *disk.notes()]
    alone = [row.path for row in rows if not row.group and not fault_of_path(row.path)]
    if alone:
        notes.append(f"{len(alone)} names do not tell a film (<film>_<class>_...), each is a group: {few(alone)}")
    return listing_of(rows, classes, notes, left_out)


def film_of(path: str, label: str) -> str:
    """Return the film that a clip's name tells, what stands before the last `_<class>_`; "" where it tells none.

    A number of one or two digits at its end is that of a part, which may show the same scene as the part before it.

    >>> film_of("sit/Crash_sit_f_cm_np1_ba_med_9.avi", "sit"), film_of("sit/own.avi", "sit")
    ('Crash', '')
    >>> film_of("run/Hitch_Part_2_run_f_cm_np1_ba_med_0.avi", "run"), film_of("sit/Up_12_sit_u_nm_np1.avi", "sit")
    ('Hitch', 'Up')
    """
    return _PART.sub("", PurePosixPath(path).name.rpartition(f"_{label}_")[0])


def _lists(splits: Path, split: int, folders: list[str]) -> dict[str, Path]:
    """The list of each class, sorted; `folders` are those of the videos.

    Raises:
        ValueError: no such directory, no list of this split, or a class that has lists of other splits only.
    """
    pattern = f"<class>_test_split{split}.txt"
    found: dict[int, dict[str, Path]] = {}
    if splits.is_dir():
        for path in sorted(splits.iterdir()):
            match = _LIST.fullmatch(path.name)
            if match and not path.name.startswith("."):
                found.setdefault(int(match[2]), {})[match[1]] = path
    if split not in found:
        if found:
            got = f"those of split {' and '.join(map(str, sorted(found)))}"
        else:
            got = "none" if splits.is_dir() else "a file" if splits.exists() else "no such directory"
        meant = None if found else beside_or_below(splits, [f"{each}_test_split{split}.txt" for each in folders])
        hint = f"; did you mean --splits {meant}?" if meant is not None else ""
        raise ValueError(f"{splits}: expected the lists {pattern}, got {got}{hint}")
    others = {label: path for lists in found.values() for label, path in lists.items() if label not in found[split]}
    for label, path in others.items():
        raise ValueError(f"{splits / pattern.replace('<class>', label)}: expected a list beside {path.name}, got none")
    return found[split]


def _read(path: Path, label: str, disk: Disk) -> list[_Entry]:
    """The lines of a list. Raises: ValueError for one that is something else."""
    entries = []
    for where, line in numbered_lines(path):
        match = _LINE.fullmatch(line.strip())
        if not match or match[2] not in _SPLIT_OF:
            raise ValueError(f"{where}: expected '<name>.avi' and 1 (train), 2 (test) or 0, got {line.strip()!r}")
        listed = f"{label}/{match[1]}"
        if "/" in match[1] or not is_inside(listed):
            raise ValueError(f"{where}: expected the name of a file in {label}/, got {match[1]!r}")
        entries.append(_Entry(disk.find(listed) or listed, label, _SPLIT_OF[match[2]], where))
    return entries


def _refuse_twice(entries: list[_Entry]) -> None:
    """Raise ValueError for a video that is listed twice, in whatever part."""
    seen: dict[str, str] = {}
    for entry in entries:
        if entry.path in seen:
            raise ValueError(
                f"{entry.where}: expected each video once, got {entry.path} again; first at {seen[entry.path]}"
            )
        seen[entry.path] = entry.where
