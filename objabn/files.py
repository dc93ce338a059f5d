"""Outputs appear whole or not at all: written under a temporary name, then renamed."""

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ASIDE = "-aside"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def replace_dir(path: Path) -> Iterator[Path]:
    """An empty directory beside `path` that takes its place when the block ends without an exception.

    Its name holds host and process: two writers never share one, and what a killed writer left is removed by the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.partial-{socket.gethostname()}-"
    for stale in path.parent.iterdir():
        writer = stale.name.removeprefix(prefix).removesuffix(_ASIDE)
        if stale.name.startswith(prefix) and writer.isdigit() and not _is_running(int(writer)):
            shutil.rmtree(stale, ignore_errors=True)
    partial = path.with_name(f"{prefix}{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        _swap(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


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


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all; creates its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial-{socket.gethostname()}-{os.getpid()}")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())
