"""One process at a time makes an output: a second one waits, and then finds the first one's finished units.

`kill -9` of DVC leaves the stage that it started running. Without a lock the next `dvc repro` would catch up with that
one, and both would compute the same videos to the end, each at half speed.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_at_a_time(directory: Path) -> Iterator[bool]:
    """Hold the lock of a directory; gives whether another process had to be waited for. Leaves no file behind.

    The kernel releases the lock of a killed process. Where the file system knows no locks it holds nothing: two writers
    are wasteful there, but do no harm (`files.replace_dir`).
    """
    descriptor, waits = _open(directory), False
    try:
        if not _lock(descriptor, fcntl.LOCK_NB):
            print(f"{directory}: another process is at work here; waiting for it to end", flush=True)
            waits = _lock(descriptor)
        yield waits
    finally:
        os.close(descriptor)


def try_lock(directory: Path) -> int | None:
    """A descriptor that holds the lock of a directory until it is closed; None where another process holds it."""
    descriptor = _open(directory)
    if _lock(descriptor, fcntl.LOCK_NB):
        return descriptor
    os.close(descriptor)
    return None


def _open(directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    return os.open(directory, os.O_RDONLY)


def _lock(descriptor: int, flags: int = 0) -> bool:
    """Whether nobody else holds the lock, which may be because there are none here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
