"""The videos of a data set as official lists or its folders name them: id, path, label and split. Reads no video."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath

import pandas as pd

LISTED = ["video", "path", "label", "split"]
SPLITS = ("train", "test")
NOT_VIDEOS = (".txt", ".csv", ".json", ".md")
_NUMBERED = re.compile(r"(.*\.\w+)\s+(\d+)")  # "Bend/v_Bend_g01_c01.avi 1"
_GROUPED = re.compile(r"(.*_g\d+)_c\d+")  # clips of one group are cut from one recording


def read_ucf101(videos: Path, splits: Path, split: int = 1) -> pd.DataFrame:
    """The videos of an official split, columns video, path, label, split, whether or not their files exist.

    Args:
        videos: directory of the videos, `<class>/<video>.avi`.
        splits: directory of classInd.txt, trainlist0N.txt and testlist0N.txt.
        split: N.

    Raises:
        ValueError: a directory or list is missing or malformed, a class is not in classInd.txt or has another number
            there, a video is listed twice.
    """
    _require_directory(videos)
    classes_path = splits / "classInd.txt"
    numbers: dict[str, int] = {}
    for position, line in _lines(classes_path):
        match = re.fullmatch(r"(\d+)\s+(\S.*)", line)
        if not match or match[2] in numbers:
            raise ValueError(f"{classes_path}:{position}: expected '<number> <class>', each class once, got {line!r}")
        numbers[match[2]] = int(match[1])
    paths: dict[str, list[str]] = {}
    for name in SPLITS:
        list_path = splits / f"{name}list{split:02d}.txt"
        paths[name] = []
        for position, path, number in _read_list(list_path):
            label = _label(path)
            if label not in numbers or number not in (None, numbers[label]):
                expected = f"{label} = {numbers[label]}" if label in numbers else f"one of its {len(numbers)} classes"
                got = label if number is None else f"{label} = {number}"
                raise ValueError(
                    f"{list_path}:{position}: expected a class of {classes_path.name}, {expected}, got {got}"
                )
            paths[name].append(path)
    listed = _listed(paths)
    unused = sorted(set(numbers) - set(listed["label"]))
    listed.attrs["notes"] = [f"{len(unused)} classes without a listed video: {few(unused)}"] if unused else []
    return listed


def read_folder(
    videos: Path,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    train_list: Path | None = None,
    test_list: Path | None = None,
) -> pd.DataFrame:
    """The videos below `videos`, one folder a class, columns video, path, label, split.

    Hidden files and .txt, .csv, .json, .md are passed over, anything else counts as a video. With one list, every video
    that is not on it goes to the other split; with two, only listed videos count. Without lists, each class gives about
    `test_share` of its videos to test; names like v_X_g01_c02 keep a group (all before _c02) on one side, and a class
    with two groups or more is on both sides. Adding a class, or calling with the same seed again, moves no video.

    Raises:
        ValueError: no directory, nothing found, a share outside 0..1, a malformed list, a video listed twice.
    """
    _require_directory(videos)
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
        name: [path for _, path, _ in _read_list(list_path)]
        for name, list_path in (("train", train_list), ("test", test_list))
        if list_path is not None
    }
    if lists:
        named = {path for paths in lists.values() for path in paths}
        paths = {name: lists.get(name, [path for path in found if path not in named]) for name in SPLITS}
    else:
        test = _drawn(found, test_share, seed)
        paths = {"train": [path for path in found if path not in test], "test": sorted(test)}
    listed = _listed(paths)
    folders = {path.name for path in videos.iterdir() if path.is_dir() and not path.name.startswith(".")}
    empty = sorted(folders - {_label(path) for path in found})
    unlisted = sorted(set(found) - set(listed["path"]))
    listed.attrs["notes"] = [
        f"{len(names)} {what}: {few(names)}"
        for names, what in (
            (outside, "files left out, they are in no class folder"),
            (empty, "class folders without a video"),
            (unlisted, "videos left out, they are on neither list"),
        )
        if names
    ]
    return listed


def _require_directory(path: Path) -> None:
    if not path.is_dir():
        raise ValueError(
            f"{path}: expected the directory of the videos, got {'a file' if path.exists() else 'nothing'}"
        )


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, stripped, with their numbers from 1."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ValueError(f"{path}: expected a text file, got: {reason}") from error
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _read_list(path: Path) -> list[tuple[int, str, int | None]]:
    """Line number, video path and class number (None where the line has none) of each line of a list."""
    rows = []
    for position, line in _lines(path):
        match = _NUMBERED.fullmatch(line)
        video = PurePosixPath(match[1] if match else line).as_posix()
        if "/" not in video or not is_inside(video):
            raise ValueError(f"{path}:{position}: expected <class>/<video>, relative to the videos, got {line!r}")
        rows.append((position, video, int(match[2]) if match else None))
    return rows


def _files(videos: Path) -> list[Path]:
    """All files that may be videos. Links to folders are followed for classes only; a broken link counts (missing)."""
    roots = [path for path in videos.iterdir() if path.is_dir()]
    paths = [path for path in videos.iterdir() if not path.is_dir()]
    paths += [path for root in roots for path in root.rglob("*") if not path.is_dir()]
    hidden = {path for path in paths if any(part.startswith(".") for part in path.relative_to(videos).parts)}
    return [path for path in paths if path not in hidden and path.suffix.lower() not in NOT_VIDEOS]


def _listed(paths: dict[str, list[str]]) -> pd.DataFrame:
    """Paths by split as rows of LISTED, in the given order.

    Raises:
        ValueError: no path at all, or one twice.
    """
    rows = [(path, split) for split, names in paths.items() for path in names]
    if not rows:
        raise ValueError("expected at least one listed video, got none")
    seen: dict[str, str] = {}
    for path, split in rows:
        if path in seen:
            raise ValueError(f"{path}: expected once in the lists, got {seen[path]} and {split}")
        seen[path] = split
    stems = pd.Series([PurePosixPath(path).with_suffix("").as_posix() for path, _ in rows], dtype=str)
    listed = pd.DataFrame(rows, columns=["path", "split"], dtype=str)
    listed["video"] = stems.where(~stems.duplicated(keep=False), listed["path"])  # a.mp4 and a.avi keep their suffixes
    listed["label"] = listed["path"].map(_label)
    twice = listed["video"][listed["video"].duplicated()].tolist()
    if twice:
        raise ValueError(f"{twice[0]}: expected an id for one video, got two videos with it; rename one")
    return listed[LISTED]


def _drawn(paths: list[str], share: float, seed: int) -> set[str]:
    """The paths that go to test: of each class, whole groups in a hashed order until about share of its videos."""
    classes: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        classes.setdefault(_label(path), {}).setdefault(group_of(path), []).append(path)
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


def _label(path: str) -> str:
    """The class of a video: its outermost folder."""
    return path.split("/", 1)[0]


def group_of(path: str) -> str:
    """What must not be split: the recording that a clip is cut from where the name tells it, else the video itself."""
    match = _GROUPED.fullmatch(PurePosixPath(path).with_suffix("").as_posix())
    return match[1] if match else path


def is_inside(path: str) -> bool:
    """Whether a relative path stays below the directory that it starts from."""
    return not path.startswith("/") and ".." not in path.split("/") and "\\" not in path


def few(names: list[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
