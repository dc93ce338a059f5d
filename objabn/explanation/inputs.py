"""Find the videos that files, directories and patterns name."""

import glob
import mimetypes
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from objabn.index.names import is_utf8, printable
from objabn.index.suffixes import is_hidden, is_video, told_by_suffix

_TYPES = mimetypes.MimeTypes()  # the standard library's own, not those that a machine knows besides


class Found(NamedTuple):
    """A video, and the directory below --out that its files go to."""

    path: Path
    name: str


def find_videos(arguments: Sequence[str]) -> tuple[list[Found], int]:
    """The videos that files, directories and patterns name, each once; and how many arguments or files cannot be one.

    A directory's are all files below it that have a video's suffix, but hidden ones, and overlays that an earlier call
    has written; a pattern's likewise where its last part is `*` or `**`, else all files that match. What names nothing,
    or a video a second time, is a line on stderr, and so are files that were passed over and may be videos, and those
    whose path is not UTF-8: decord cannot open them.
    """
    found: list[tuple[Path, Path]] = []  # the file, and its path relative to what named it
    seen: set[str] = set()
    missing = 0
    for argument in arguments:
        files, passed_over = _files(argument)
        shown = printable(argument)
        if passed_over:
            told = told_by_suffix([path.as_posix() for path in passed_over])
            what = f"passed over {len(passed_over)} files without the suffix of a video: {told}"
            complain(f"{shown}: {what}; name a file itself to have it explained")
        if not files:
            complain(f"{shown}: expected a video, a directory of videos or a pattern that matches some, found none")
            missing += 1
        for path, relative in files:
            real = os.path.realpath(path)
            if real in seen:
                complain(f"{printable(str(path))}: given twice, explained once")
                continue
            seen.add(real)
            if not is_utf8(os.path.abspath(path)):
                complain(f"{printable(str(path))}: its path is not UTF-8; rename it, or make a link to it elsewhere")
                missing += 1
                continue
            found.append((path, relative))
    names = _names([relative for _, relative in found])
    return [Found(path, name) for (path, _), name in zip(found, names, strict=True)], missing


def _files(argument: str) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Find the files that an argument names, sorted, and those passed over that may be videos, too.

    Beside a file stands its path relative to the directory that the argument names or starts with.
    """
    path = Path(argument)
    if path.is_dir():
        files, others = _by_suffix(_below(path))
        return [(file, file.relative_to(path)) for file in files], others
    if path.exists():
        return [(path, Path(path.name))], []
    if not glob.has_magic(argument):
        return [], []
    parts = path.parts
    root = Path(*parts[: next(at for at, part in enumerate(parts) if glob.has_magic(part))])
    matches = sorted(Path(each) for each in glob.glob(argument, recursive=True))
    if parts[-1] in ("*", "**"):
        matches = [each for each in matches if not _is_hidden_below(root, each)]
    files, others = [each for each in matches if each.is_file() and not _is_ours(each)], []
    if parts[-1] in ("*", "**"):
        files, others = _by_suffix(files)
    for directory in matches if "**" not in parts else []:
        below, beside = _by_suffix(_below(directory) if directory.is_dir() else [])
        files, others = files + below, others + beside
    return [(file, file.relative_to(root)) for file in dict.fromkeys(files)], others


def _below(directory: Path) -> list[Path]:
    """All files below a directory, sorted, without our own, hidden ones and those of the system."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return [path for path in files if not _is_hidden_below(directory, path) and not _is_ours(path)]


def _is_hidden_below(directory: Path, path: Path) -> bool:
    """Whether the path below a directory has a hidden part, or one of the system."""
    return any(is_hidden(part) for part in path.relative_to(directory).parts)


def _by_suffix(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """Part videos from files that may be videos all the same; what is known to be something else is in neither."""
    others = [path for path in files if not is_video(path.name)]
    known = [_TYPES.guess_type(f"x{path.suffix.lower()}")[0] or "video/" for path in others]
    maybe = [path for path, kind in zip(others, known, strict=True) if kind.startswith("video/")]
    return [path for path in files if is_video(path.name)], maybe


def _is_ours(path: Path) -> bool:
    """Whether an earlier call has written it, beside an explanation: an overlay, or maps."""
    return path.name in ("overlay.mp4", "maps.npz") and path.with_name("explanation.json").is_file()


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
