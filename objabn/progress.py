"""Progress bars: live in a terminal, a line every half a minute in a log."""

import sys
from typing import Any

from tqdm import tqdm

_LOG_INTERVAL_SEC = 30.0


def progress(*args: Any, **kwargs: Any) -> Any:
    """`tqdm.tqdm` with an interval that suits where it writes to."""
    return tqdm(*args, mininterval=0.1 if sys.stderr.isatty() else _LOG_INTERVAL_SEC, **kwargs)
