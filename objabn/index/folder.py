"""The videos below a directory, one folder a class."""

from __future__ import annotations

import hashlib
from pathlib import Path

from objabn.index.disk import Disk, NamedAlike
from objabn.index.groups import group_of
from objabn.index.listing import Listing, Row, listing_of, outermost, require_directory
from objabn.index.lists import read_list
from objabn.index.names import fault_of_path
from objabn.index.suffixes import files_below
from objabn.index.table import SPLITS


def read_folder(
    videos: Path,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    train_list: Path | None = None,
    test_list: Path | None = None,
) -> Listing:
    """The videos below `videos`, one folder a class.

    Files without the suffix of a video, hidden ones and folders of the system are passed over, which the notes say; a
    listed file counts whatever its suffix. With one list, every video that is not on it goes to the other split; with
    two, only listed videos count. Without lists, each class gives about
    `test_share` of its videos to test; names like v_X_g01_c02 keep a group (all before _c02) on one side, and a class
    with two groups or more is on both sides. Adding a class, or calling with the same seed again, moves no video.

    Raises:
        ValueError: no directory, nothing found, a share outside 0..1, a malformed list, a video listed twice, a video
            that would go to the other split because the one list has its name wrong.
    """
    require_directory(videos)
    if not 0 <= test_share < 1:
        raise ValueError(f"--test-share: expected at least 0 and below 1, got {test_share}")
    below = files_below(videos)
    outside = [path for path in below.videos if "/" not in path]
    found = [path for path in below.videos if "/" in path]
    if not found and train_list is None and test_list is None:
        got = "; ".join([f"{len(outside)} loose files", *below.notes()])
        hint = f"; did you mean --videos {videos.parent}?" if outside and videos.name not in ("", "..") else ""
        raise ValueError(f"{videos}: no videos found, expected <class>/<video> below it, got {got}{hint}")
    disk = Disk(videos)
    lists = {
        name: [Row(line.path, outermost(line.path), name, line.where) for line in read_list(list_path, disk)]
        for name, list_path in (("train", train_list), ("test", test_list))
        if list_path is not None
    }
    named = {row.path for rows in lists.values() for row in rows}
    below = below._replace(others=[path for path in below.others if path not in named])
    if lists:
        unnamed = [path for path in found if path not in named]
        rest = {"train": unnamed, "test": unnamed}
        for other in [name for name in SPLITS if name not in lists]:
            _check_slips(lists, unnamed, other, disk)
    else:
        test = _drawn([path for path in found if not fault_of_path(path)], test_share, seed)
        rest = {"train": [path for path in found if path not in test], "test": sorted(test)}
    for name in set(SPLITS) - set(lists):
        lists[name] = [Row(path, outermost(path), name, str(videos)) for path in rest[name]]
    rows = [row for name in SPLITS for row in lists[name]]
    notes = [*below.notes(), *disk.notes()]
    if all(path.count("/") > 1 for path in found):
        notes += [f"all videos lie in folders within the class folders: {path}" for path in found[:1]]
    listed = {row.path for row in rows}
    left_out = [(path, "", "in no class folder") for path in outside]
    left_out += [(path, outermost(path), "on neither list") for path in found if path not in listed]
    return listing_of(rows, sorted({*below.folders, *(row.label for row in rows)}), notes, left_out)


def _check_slips(lists: dict[str, list[Row]], unnamed: list[str], other: str, disk: Disk) -> None:
    """Raise ValueError where a listed file is not there, but an unlisted one of that name, which `other` would get."""
    missing = [row for rows in lists.values() for row in rows if not disk.has(row.path)]
    alike = NamedAlike(unnamed if missing else [])
    for row in missing:
        if (there := alike(row.path)) is not None:
            raise ValueError(
                f"{row.where}: expected a file below {disk.videos}, got {row.path!r}, which is not there, while "
                f"{there!r}, which is, would go to {other}; correct the list"
            )


def _drawn(paths: list[str], share: float, seed: int) -> set[str]:
    """The paths that go to test: of each class, whole groups in a hashed order until about share of its videos."""
    classes: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        classes.setdefault(outermost(path), {}).setdefault(group_of(path), []).append(path)
    test: set[str] = set()
    for groups in classes.values():
        order = sorted(groups, key=lambda group: hashlib.blake2b(f"{seed}/{group}".encode()).digest())
        target = share * sum(map(len, groups.values()))
        taken = [0]  # videos in the first 0, 1, ... groups; the last group always trains
        for group in order[:-1]:
            taken.append(taken[-1] + len(groups[group]))
        first = 1 if share > 0 and len(order) > 1 else 0
        best = min(range(first, len(taken)), key=lambda count: abs(taken[count] - target))
        test.update(path for group in order[:best] for path in groups[group])
    return test
