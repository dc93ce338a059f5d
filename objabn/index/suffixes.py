"""Tell videos, by their suffix, from what lies beside them in a directory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import NamedTuple

from objabn.index.names import printable

VIDEO_SUFFIXES = frozenset((
    ".3g2", ".3gp", ".amv", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".m1v", ".m2t", ".m2ts", ".m2v",
    ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt",
    ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
))  # fmt: skip
# Folders that file systems, network drives and archivers make, small letters; hidden ones need no name here.
_SYSTEM_FOLDERS = frozenset((
    "__macosx", "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "$recycle.bin",
    "system volume information", "lost+found", "found.000",
))  # fmt: skip
_MOST = 4  # suffixes in a line


class Below(NamedTuple):
    """What lies below a directory of class folders; all paths are relative to it, with forward slashes, sorted.

    Attributes:
        videos: files with the suffix of a video. A broken link is one, too.
        folders: names of the class folders.
        others: files with another suffix, or none.
        hidden: hidden files and folders, and those of the system; the folders stand for all below them.
        links: links to folders within a class, which are not followed.
        unreadable: folders that cannot be read.
    """

    videos: list[str]
    folders: list[str]
    others: list[str]
    hidden: list[str]
    links: list[str]
    unreadable: list[str]

    def notes(self) -> list[str]:
        """Say what was passed over, a line for each kind."""
        lines = []
        if self.others:
            told = told_by_suffix(self.others)
            lines.append(f"passed over {len(self.others)} files without the suffix of a video: {told}")
        for paths, what in (
            (self.hidden, "hidden files and folders of the system"),
            (self.links, "links to folders within a class"),
            (self.unreadable, "folders that cannot be read"),
        ):
            if paths:
                lines.append(f"passed over {len(paths)} {what}: {few(paths)}")
        return lines


def is_video(name: str) -> bool:
    """Whether a file's name has the suffix of a video."""
    return PurePath(name).suffix.lower() in VIDEO_SUFFIXES


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden by its name, or one of the system."""
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS


def files_below(root: Path) -> Below:
    """Look through a directory of class folders, which may be links; other links to folders are not followed.

    Raises:
        OSError: `root` cannot be read.
    """
    found = Below([], [], [], [], [], [])
    for entry in os.scandir(root):
        if is_hidden(entry.name):
            found.hidden.append(entry.name)
        elif entry.is_dir():
            found.folders.append(entry.name)
        else:
            (found.videos if is_video(entry.name) else found.others).append(entry.name)
    for name in found.folders:
        top = root / name
        for folder, folders, files in os.walk(top, onerror=lambda error: found.unreadable.append(str(error.filename))):
            inside = PurePath(name, PurePath(folder).relative_to(top)).as_posix()
            found.hidden.extend(f"{inside}/{each}" for each in (*folders, *files) if is_hidden(each))
            found.links.extend(
                f"{inside}/{each}" for each in folders if not is_hidden(each) and os.path.islink(f"{folder}/{each}")
            )
            folders[:] = [each for each in folders if not is_hidden(each)]
            for each in files:
                if not is_hidden(each):
                    (found.videos if is_video(each) else found.others).append(f"{inside}/{each}")
    for paths in found:
        paths.sort()
    return found


def told_by_suffix(names: Iterable[str]) -> str:
    """Count names by suffix, with an example each, the most frequent first.

    >>> told_by_suffix(["a/1.jpg", "a/2.JPG", "b/notes"])
    '2 .jpg (a/1.jpg), 1 without a suffix (b/notes)'
    """
    example: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for name in names:
        suffix = PurePath(name).suffix.lower()
        example.setdefault(suffix, name)
        counts[suffix] += 1
    order = sorted(counts, key=lambda suffix: (-counts[suffix], not suffix, suffix))
    told = [
        f"{counts[suffix]} {printable(suffix) or 'without a suffix'} ({printable(example[suffix])})"
        for suffix in order[:_MOST]
    ]
    rest = sum(counts[suffix] for suffix in order[_MOST:])
    return ", ".join(told) + (f" and {rest} others" if rest else "")


def few(names: list[str], most: int = 3) -> str:
    """Show the first names, and how many more there are."""
    return ", ".join(map(printable, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")
