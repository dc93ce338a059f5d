"""The side cache: finished units of expensive work (one file a video), outside DVC's outputs.

DVC deletes a stage's outputs before it runs; a unit here outlives that, a `kill -9` and a change of the data set.
The root is $OBJABN_CACHE, else `.cache/` in the working directory.
"""

import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from objabn.system.files import is_running, write_bytes

_DIGEST_BYTES = 16
_KEY = re.compile(rf"[0-9a-f]{{{2 * _DIGEST_BYTES}}}")
_PARTIAL = re.compile(rf"\.({_KEY.pattern})\.partial-(.+)-(\d+)")  # as `write_bytes` names it: key, host, process
_FORGOTTEN_SEC = 3600.0  # a unit is written in well under a second


def digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def unit_key(**parts: Any) -> str:
    """Hex key of everything that determines a unit's content (JSON-serialisable values)."""
    return digest(json.dumps(parts, sort_keys=True).encode()).hex()


class Entry(NamedTuple):
    """A file of the cache: a unit, or what a killed writer left of one."""

    kind: str
    key: str
    path: Path
    num_bytes: int


class Cache:
    """Byte units under (kind, key). A unit that is damaged on the disk counts as absent."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root if root is not None else Path(os.environ.get("OBJABN_CACHE") or ".cache")

    def path(self, kind: str, key: str) -> Path:
        return self.root / kind / key[:2] / key

    def has(self, kind: str, key: str) -> bool:
        """Tell whether a unit is there, without reading it: whether it is damaged, `load` says."""
        try:
            return self.path(kind, key).stat().st_size >= _DIGEST_BYTES
        except FileNotFoundError:
            return False

    def load(self, kind: str, key: str) -> bytes | None:
        """The unit's bytes; None when it is absent or its digest does not fit. Raises: OSError that names the file."""
        path = self.path(kind, key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            error.filename = error.filename or str(path)
            raise
        payload = content[_DIGEST_BYTES:]
        return payload if content[:_DIGEST_BYTES] == digest(payload) else None

    def store(self, kind: str, key: str, payload: bytes) -> None:
        """Keep a finished unit; atomic, so that a reader sees all of it or nothing."""
        path = self.path(kind, key)
        try:
            write_bytes(path, digest(payload) + payload)
        except OSError as error:
            error.filename = error.filename or str(path)  # a full disk does not say which one it is
            raise

    def units(self) -> Iterator[Entry]:
        """All units. Only files that stand where `path` puts them: the root may hold other things."""
        for kind, path in self._files():
            if _KEY.fullmatch(path.name) and path.parent.name == path.name[:2]:
                yield from _entry(kind, path.name, path)

    def leftovers(self) -> Iterator[Entry]:
        """Temporary files of writers that were killed."""
        for kind, path in self._files():
            name = _PARTIAL.fullmatch(path.name)
            if name and path.parent.name == name[1][:2] and _is_abandoned(path, name[2], int(name[3])):
                yield from _entry(kind, name[1], path)

    def _files(self) -> Iterator[tuple[str, Path]]:
        """Kind and path of each file two folders below the root; links are not followed."""
        for kind in _folders(self.root):
            for folder in _folders(kind):
                with suppress(FileNotFoundError), os.scandir(folder) as files:
                    yield from ((kind.name, Path(file)) for file in files if file.is_file(follow_symlinks=False))


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return sorted(Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _entry(kind: str, key: str, path: Path) -> Iterator[Entry]:
    with suppress(FileNotFoundError):  # somebody else was quicker to remove it
        yield Entry(kind, key, path, path.stat().st_size)


def _is_abandoned(partial: Path, host: str, process: int) -> bool:
    """Whether the writer of a temporary file is gone: here as a process, elsewhere when it is silent for an hour."""
    if host == socket.gethostname():
        return not is_running(process)
    with suppress(FileNotFoundError):
        return time.time() - partial.stat().st_mtime > _FORGOTTEN_SEC
    return False
