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
def one_at_a_time(directory: Path) -> Iterator[None]:
    """Holds the lock of a directory; the kernel releases that of a killed process. Leaves no file behind.

    Where the file system knows no locks it holds nothing: two writers are wasteful there, but do no harm
    (`files.replace_dir`).
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{directory}: another process is at work here; waiting for it to end", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)
