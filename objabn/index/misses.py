"""Say where videos may be that are listed and not there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from objabn.index.disk import NamedAlike
from objabn.index.names import printable
from objabn.index.suffixes import few, is_hidden, is_video

_UP = 3  # levels above the directory of the videos to look at
_SAMPLE = 1000  # listed videos to look for in another directory
_MOST_FILES = 500_000  # to look at: the directory may be the wrong one, such as a whole disk


def why_none_is_there(listed: list[str], videos: Path) -> str | None:
    """Say why not one of the listed paths is there: one of them, a file that is there, and where to look.

    Returns:
        None when one is there; nothing is looked through then.
    """
    if any(os.path.lexists(videos / path) for path in listed):
        return None
    expected = f"{videos}: expected the {len(listed)} listed videos below it, got none"
    there = NamedAlike(_videos(videos))
    for path in listed:
        if (found := there(path)) is not None:
            hint = _hint(path, found, videos, [each for each in listed[:_SAMPLE] if there(each) is not None])
            return f"{expected}: {printable(path)} is not there, but {printable(found)} is: {hint}"
    path, any_other = listed[0], there.example
    example = f"; one of {there.count} videos that are: {printable(any_other)}" if any_other else ", and no videos are"
    up = _up(path, videos)
    return f"{expected}: {printable(path)} is not there{example}" + (f": did you mean --videos {up}?" if up else "")


def similar_note(missing: Iterable[str], videos: Path, listed: Iterable[str] = ()) -> list[str]:
    """Say for which missing paths an unlisted file of that name is there; a line, or none."""
    names, known = list(missing), frozenset(listed)
    there = NamedAlike(path for path in (_videos(videos) if names else ()) if path not in known)
    pairs = [f"{path}: {found}" for path in names if (found := there(path)) is not None]
    if not pairs:
        return []
    return [f"{len(pairs)} listed videos are not there, but files of that name are: {few(pairs)}"]


def beside_or_below(directory: Path, names: Iterable[str]) -> Path | None:
    """Find the directory that holds a file of one of these names: one level below, or that of the file itself."""
    wanted = tuple(names)
    below = sorted(path for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else [directory.parent]
    return next((folder for folder in below if any((folder / name).is_file() for name in wanted)), None)


def _hint(path: str, found: str, videos: Path, alike: list[str]) -> str:
    """What to do about a listed path and the file that is there instead; `alike`: listed paths with such a file."""
    if found.endswith(f"/{path}"):
        meant = videos / found.removesuffix(f"/{path}")
        if 2 * sum(os.path.lexists(meant / each) for each in alike) >= len(alike):
            return f"did you mean --videos {meant}?"
        return "they lie in several folders; put links to them into one, or name their paths in a csv (index csv)"
    up = _up(path, videos)
    if up is not None:
        return f"did you mean --videos {up}?"
    own, other = PurePosixPath(path), PurePosixPath(found)
    if own.with_suffix("") == other.with_suffix("") and own.suffix != other.suffix:
        return f"the list has another suffix, {own.suffix or 'none'} instead of {other.suffix}"
    return "expected the same path"


def _up(path: str, videos: Path) -> Path | None:
    """The directory above the videos below which there is a listed path."""
    above = Path(os.path.abspath(videos)).parents[:_UP]
    return next((folder for folder in above if os.path.lexists(folder / path)), None)


def _videos(root: Path) -> Iterator[str]:
    """Paths of videos, relative to `root`; hidden ones are passed over."""
    seen = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(each for each in folders if not is_hidden(each))
        inside = Path(folder).relative_to(root).as_posix()
        for name in sorted(files):
            seen += 1
            if is_video(name) and not is_hidden(name):
                yield name if inside == "." else f"{inside}/{name}"
        if seen > _MOST_FILES:
            return
