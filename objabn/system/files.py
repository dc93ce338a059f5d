"""Outputs appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_ASIDE = "-aside"


def is_running(pid: int) -> bool:
    """Whether this host has such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OverflowError:  # no process's number
        return False
    return True


def _partial(path: Path) -> Path:
    """This process's temporary name for `path`. It holds host and process: two writers never share one."""
    return path.with_name(f".{path.name}.partial-{socket.gethostname()}-{os.getpid()}")


def _left_behind(path: Path) -> list[Path]:
    """Temporary files or directories for `path` of processes of this host that are gone."""
    prefix = _partial(path).name.removesuffix(str(os.getpid()))
    beside = [each for each in path.parent.iterdir() if each.name.startswith(prefix)]
    writers = [each.name.removeprefix(prefix).removesuffix(_ASIDE) for each in beside]
    gone = [writer.isdigit() and not is_running(int(writer)) for writer in writers]
    return [each for each, is_gone in zip(beside, gone, strict=True) if is_gone]


@contextmanager
def replace_dir(path: Path) -> Iterator[Path]:
    """An empty directory beside `path` that takes its place when the block ends without an exception.

    What a killed writer left is removed by the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in _left_behind(path):
        shutil.rmtree(stale, ignore_errors=True)
    partial = _partial(path)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        _swap(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def move_dir(source: Path, path: Path) -> None:
    """Put a finished directory in the place of `path`, on the same file system, whatever is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _swap(source, path)


def _swap(partial: Path, path: Path) -> None:
    """Renames `partial` to `path`, whatever is there and whoever else does the same at this moment."""
    aside = partial.with_name(partial.name + _ASIDE)
    while True:
        with suppress(FileNotFoundError):
            os.rename(path, aside)
        try:
            os.rename(partial, path)
        except OSError as error:  # another writer was quicker: its directory goes aside next time round
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)
        if not partial.exists():
            return


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file at, which takes its place when the block ends without an exception.

    What a killed writer left is removed by the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in _left_behind(path):
        stale.unlink(missing_ok=True)
    partial = _partial(path)
    try:
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, after making its directory."""
    with replace_file(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def read_json(path: Path) -> Any:
    """Read a JSON file that a stage wrote. Raises: ValueError when it is not there or damaged."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; get it by `dvc checkout` or `dvc repro`") from None
    except ValueError as error:
        raise ValueError(f"{path}: is damaged; make it again: `dvc repro -f -s STAGE`") from error


def file_digest(path: str | os.PathLike[str]) -> str:
    """blake2b of a file's content, 16 bytes as 32 hex digits; read in pieces, so of any size.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def code_digest(root: Path, paths: Iterable[str]) -> str:
    """Digest files of code, of folders all Python files in them: their names and contents.

    Hidden files and folders do not count, nor does what is no file: an editor left them.

    Args:
        paths: relative to `root`.

    Raises:
        OSError: a file cannot be read.
    """
    places = [root / path for path in paths]
    files = {file for place in places for file in (_modules(place) if place.is_dir() else [place])}
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(files):
        digest.update(f"{file.relative_to(root).as_posix()} {file_digest(file)}\n".encode())
    return digest.hexdigest()


def _modules(folder: Path) -> list[Path]:
    found = [file for file in folder.rglob("*.py") if file.is_file()]
    return [file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
