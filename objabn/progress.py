"""Progress bars: live in a terminal, a line every half a minute in a log; and printing that no name stops."""

import io
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from tqdm import tqdm

_LOG_INTERVAL_SEC = 30.0
Item = TypeVar("Item")


class Awaited(Generic[Item]):
    """The same items; `seconds` is how long whoever takes them has waited for them."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items, self.seconds = items, 0.0

    def __iter__(self) -> Iterator[Item]:
        items = iter(self._items)
        while True:
            began = time.perf_counter()
            item = next(items, self)
            self.seconds += time.perf_counter() - began
            if item is self:
                return
            yield item  # type: ignore[misc]


class _Lines:
    """stderr for a bar in a log: each of its states is a line, so that whatever comes next begins one of its own."""

    def __init__(self, file: Any) -> None:
        self._file, self.encoding = file, getattr(file, "encoding", None)

    def write(self, text: str) -> None:
        if state := text.replace("\x1b[A", "").strip():  # which tqdm writes beside another bar
            self._file.write(f"{state}\n")

    def flush(self) -> None:
        self._file.flush()

    def isatty(self) -> bool:
        return False  # tqdm asks it where a bar is for terminals only


def progress(*args: Any, **kwargs: Any) -> Any:
    """`tqdm.tqdm`, as lines and at long intervals where it writes to a log."""
    if sys.stderr.isatty():
        return tqdm(*args, mininterval=0.1, **kwargs)
    sys.stdout.flush()  # what was printed before comes before the bar
    interval = {"mininterval": _LOG_INTERVAL_SEC, "maxinterval": _LOG_INTERVAL_SEC}
    return tqdm(*args, **interval, file=_Lines(sys.stderr), **kwargs)


def leave_bar() -> None:
    """Begin a new line on a terminal, where another process that was killed may have left its bar."""
    if sys.stderr.isatty():
        print(file=sys.stderr)


def print_any_name() -> None:
    """Print what the terminal cannot show with escapes, as on stderr: no video's name may stop a command."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
