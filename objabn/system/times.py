"""Wall times of the pipeline's stages, for people to read: no stage depends on them, and no output holds one."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from objabn.system.files import write_text

FOLDER = Path(".cache/times")  # git and DVC ignore it; a stage's working directory is the checkout's root


class Time(NamedTuple):
    """When the last run of a stage began, in seconds since 1970, how long it took, and whether it came to its end."""

    name: str
    began: float
    seconds: float
    is_finished: bool

    @property
    def ended(self) -> float:
        return self.began + self.seconds


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Keep the wall time of the block under a name, in the place of the one before, also when the block is left.

    Where it cannot be written it is not kept: work that is done must not fail for that.
    """
    began, clock, is_finished = time.time(), time.monotonic(), False
    try:
        yield
        is_finished = True
    finally:
        kept = Time(name, began, time.monotonic() - clock, is_finished)
        with suppress(OSError):
            write_text(FOLDER / f"{name.replace('/', '-')}.json", json.dumps(kept._asdict()) + "\n")


def read_times() -> dict[str, Time]:
    """Read what is kept, by name; a damaged file does not count."""
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        with suppress(OSError, ValueError, TypeError):
            kept = Time(**json.loads(path.read_bytes()))
            found[kept.name] = kept
    return found
