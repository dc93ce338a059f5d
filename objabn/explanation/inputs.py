"""Find the videos that files, directories and patterns name."""

import glob
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv",
    ".ts", ".vob", ".webm", ".wmv",
)  # fmt: skip


class Found(NamedTuple):
    """A video, and the directory below --out that its files go to."""

    path: Path
    name: str


def find_videos(arguments: Sequence[str]) -> tuple[list[Found], int]:
    """The videos that files, directories and patterns name, each once; and how many arguments name none.

    A directory's are all files below it that have a video's suffix, but hidden ones, and overlays that an earlier call
    has written; a pattern's likewise where its last part is `*` or `**`, else all files that match. What names nothing,
    or a video a second time, is a line on stderr.
    """
    found: list[tuple[Path, Path]] = []  # the file, and its path relative to what named it
    seen: set[str] = set()
    missing = 0
    for argument in arguments:
        files = _files(argument)
        if not files:
            complain(f"{argument}: expected a video, a directory of videos or a pattern that matches some, found none")
            missing += 1
        for path, relative in files:
            real = os.path.realpath(path)
            if real in seen:
                complain(f"{path}: given twice, explained once")
                continue
            seen.add(real)
            found.append((path, relative))
    names = _names([relative for _, relative in found])
    return [Found(path, name) for (path, _), name in zip(found, names, strict=True)], missing


def _files(argument: str) -> list[tuple[Path, Path]]:
    """Files that an argument names, sorted, and their paths relative to the directory that it names or starts with."""
    path = Path(argument)
    if path.is_dir():
        return [(file, file.relative_to(path)) for file in _below(path)]
    if path.exists():
        return [(path, Path(path.name))]
    if not glob.has_magic(argument):
        return []
    parts = path.parts
    root = Path(*parts[: next(at for at, part in enumerate(parts) if glob.has_magic(part))])
    matches = sorted(Path(each) for each in glob.glob(argument, recursive=True))
    files = [each for each in matches if each.is_file() and not _is_ours(each)]
    if parts[-1] in ("*", "**"):
        files = [each for each in files if each.suffix.lower() in SUFFIXES]
    for directory in matches if "**" not in parts else []:
        files += _below(directory) if directory.is_dir() else []
    return [(file, file.relative_to(root)) for file in dict.fromkeys(files)]


def _below(directory: Path) -> list[Path]:
    """Video files below a directory, by their suffix, without hidden ones and our own."""
    files = sorted(path for path in directory.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    hidden = [any(part.startswith(".") for part in path.relative_to(directory).parts) for path in files]
    return [path for path, is_hidden in zip(files, hidden, strict=True) if not is_hidden and not _is_ours(path)]


def _is_ours(path: Path) -> bool:
    """Whether it is an overlay that an earlier call has written."""
    return path.name == "overlay.mp4" and path.with_name("explanation.json").is_file()


def _names(paths: Sequence[Path]) -> list[str]:
    """A directory for each video: its path without the suffix; with it where two collide; then with a number."""
    bare = [path.with_suffix("").as_posix() for path in paths]
    common = Counter(name.lower() for name in bare)
    names = [str(path.as_posix()) if common[name.lower()] > 1 else name for path, name in zip(paths, bare, strict=True)]
    taken: set[str] = set()
    for at, name in enumerate(names):
        number = 1
        while names[at].lower() in taken:
            number += 1
            names[at] = f"{name}-{number}"
        taken.add(names[at].lower())
    return names


def complain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
