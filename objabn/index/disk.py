"""Ask the directory of the videos which files are there, where a list can be read in more than one way."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from objabn.index.names import clean_label


def name_keys(path: str) -> tuple[str, str]:
    """Return what slips leave as it is: a file's name without folders, without and with suffix, in small letters.

    A name that is listed without its suffix may end in what looks like one.

    >>> name_keys("UCF-101/Bend/v_Bend_g01_c01.AVI")
    ('v_bend_g01_c01', 'v_bend_g01_c01.avi')
    """
    name = PurePosixPath(path.replace("\\", "/"))
    return clean_label(name.stem).casefold(), clean_label(name.name).casefold()


class NamedAlike:
    """Files by `name_keys`, the first of each; `count` of them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths: dict[str, str] = {}
        self.count = 0
        for path in paths:
            self.count += 1
            for key in name_keys(path):
                self._paths.setdefault(key, path)

    def __call__(self, path: str) -> str | None:
        """Find a file of the same name as `path`; None where there is none."""
        return next((self._paths[key] for key in reversed(name_keys(path)) if key in self._paths), None)

    @property
    def example(self) -> str | None:
        """Any of the files; None when there are none."""
        return next(iter(self._paths.values()), None)


class Disk:
    """The directory of the videos, and under how many other names listed files were found there.

    Attributes:
        respelled: listed paths -> the paths of the files that read the same.
    """

    def __init__(self, videos: Path) -> None:
        self.videos = videos
        self.respelled: dict[str, str] = {}
        self._entries: dict[str, dict[str, bool]] = {}  # of a folder: name -> whether it is a folder
        self._alike: dict[str, dict[str, list[str]]] = {}  # of a folder: name as it reads -> names

    def has(self, path: str) -> bool:
        """Whether there is a file, or a link, with this path to the letter, relative to the videos."""
        folder, _, name = path.rpartition("/")
        return self._in(folder).get(name) is False

    def find(self, path: str) -> str | None:
        """Return the path of the one file that a listed path names; None where there is none, or more than one.

        It may be spelled differently: as another form of Unicode, with other blanks, with backslashes for slashes.
        """
        if self.has(path):
            return path
        folder = ""
        for part in path.replace("\\", "/").split("/"):
            alike = [part] if part in self._in(folder) else self._reading_as(part, folder)
            if len(alike) != 1:
                return None
            folder = f"{folder}/{alike[0]}" if folder else alike[0]
        if not self.has(folder):
            return None
        self.respelled[path] = folder
        return folder

    def notes(self) -> list[str]:
        """Say which files were found under another spelling, in a line."""
        if not self.respelled:
            return []
        listed, there = next(iter(self.respelled.items()))
        return [f"{len(self.respelled)} listed paths are spelled differently on the disk: {listed!a} is {there!a}"]

    def _in(self, folder: str) -> dict[str, bool]:
        """The names in a folder, and which of them are folders."""
        if folder not in self._entries:
            try:
                self._entries[folder] = {entry.name: entry.is_dir() for entry in os.scandir(self.videos / folder)}
            except (OSError, ValueError):  # no such folder, or no name of one
                self._entries[folder] = {}
        return self._entries[folder]

    def _reading_as(self, name: str, folder: str) -> list[str]:
        """The names in a folder that read the same as `name`."""
        if folder not in self._alike:
            alike = self._alike[folder] = {}
            for each in self._in(folder):
                alike.setdefault(clean_label(each), []).append(each)
        return self._alike[folder].get(clean_label(name), [])
