"""The videos below a directory, one folder a class."""

from __future__ import annotations

import hashlib
from pathlib import Path

from objabn.index.listing import Listing, Row, group_of, outermost, require_directory, table_of
from objabn.index.lists import read_list
from objabn.index.table import SPLITS

NOT_VIDEOS = (".txt", ".csv", ".json", ".md")


def read_folder(
    videos: Path,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    train_list: Path | None = None,
    test_list: Path | None = None,
) -> Listing:
    """The videos below `videos`, one folder a class.

    Hidden files and .txt, .csv, .json, .md are passed over, anything else counts as a video. With one list, every video
    that is not on it goes to the other split; with two, only listed videos count. Without lists, each class gives about
    `test_share` of its videos to test; names like v_X_g01_c02 keep a group (all before _c02) on one side, and a class
    with two groups or more is on both sides. Adding a class, or calling with the same seed again, moves no video.

    Raises:
        ValueError: no directory, nothing found, a share outside 0..1, a malformed list, a video listed twice.
    """
    require_directory(videos)
    if not 0 <= test_share < 1:
        raise ValueError(f"--test-share: expected at least 0 and below 1, got {test_share}")
    found = sorted(path.relative_to(videos).as_posix() for path in _files(videos))
    outside = [path for path in found if "/" not in path]
    found = [path for path in found if "/" in path]
    if not found:
        raise ValueError(
            f"{videos}: no videos found, expected <class>/<video> below it, got {len(outside)} loose files"
        )
    lists = {
        name: [Row(line.path, outermost(line.path), name, line.where) for line in read_list(list_path)]
        for name, list_path in (("train", train_list), ("test", test_list))
        if list_path is not None
    }
    if lists:
        named = {row.path for rows in lists.values() for row in rows}
        unnamed = [path for path in found if path not in named]
        rest = {"train": unnamed, "test": unnamed}
    else:
        test = _drawn(found, test_share, seed)
        rest = {"train": [path for path in found if path not in test], "test": sorted(test)}
    for name in set(SPLITS) - set(lists):
        lists[name] = [Row(path, outermost(path), name, str(videos)) for path in rest[name]]
    table = table_of(row for name in SPLITS for row in lists[name])
    folders = {path.name for path in videos.iterdir() if path.is_dir() and not path.name.startswith(".")}
    left_out = [(path, "", "in no class folder") for path in outside]
    left_out += [(path, outermost(path), "on neither list") for path in sorted(set(found) - set(table["path"]))]
    return Listing(table, sorted(folders | set(table["label"])), left_out=left_out)


def _files(videos: Path) -> list[Path]:
    """All files that may be videos. Links to folders are followed for classes only; a broken link counts (missing)."""
    roots = [path for path in videos.iterdir() if path.is_dir()]
    paths = [path for path in videos.iterdir() if not path.is_dir()]
    paths += [path for root in roots for path in root.rglob("*") if not path.is_dir()]
    hidden = {path for path in paths if any(part.startswith(".") for part in path.relative_to(videos).parts)}
    return [path for path in paths if path not in hidden and path.suffix.lower() not in NOT_VIDEOS]


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
