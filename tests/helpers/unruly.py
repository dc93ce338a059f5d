"""A function for worker processes that sleeps, raises or dies when told to."""

import os
import signal
import time
from pathlib import Path

import numpy as np


def behave(item: tuple[str, object]) -> object:
    """What the item says."""
    what, value = item
    if what == "sleep":
        time.sleep(value)
    elif what == "exit":
        os._exit(value)
    elif what == "signal":
        os.kill(os.getpid(), value)
    elif what == "killed once":
        if not Path(value).exists():
            Path(value).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    elif what == "raise":
        raise OSError(value)
    elif what == "array":
        return np.full(value, 7, np.uint8)
    elif what == "die while handing over":
        return np.zeros(value, np.uint8), EndsSoon()
    elif what == "threads with a product":
        square = np.ones((value, value), np.float32)
        assert (square @ square).max() == value
        names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
        return len([name for name in names if not name.startswith("jemalloc")])  # pyarrow's
    elif what == "pid":
        return os.getpid()
    return value


class EndsSoon:
    """Kills the process 10 ms after it was pickled."""

    def __reduce__(self) -> tuple:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        return EndsSoon, ()
