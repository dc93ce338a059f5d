"""How a stage begins and ends."""

import errno
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from objabn.progress import print_any_name
from objabn.system.times import timed
from objabn.system.waiting import wait_passively

# What a stage computes at a time on a GPU. Training names its own (objabn/training).
_BATCH_SIZES = {"evaluate": "eval.batch_size", "audit": "eval.batch_size", "segment": "segment.batch_size"}


def run_stage(main: Callable[[], None]) -> None:
    """Runs a stage and, where DVC started it, keeps its wall time for `objabn times`.

    A fault of the input is its message on stderr and exit status 2, not a traceback.
    """
    wait_passively()  # no stage has imported torch by now
    print_any_name()
    name = os.environ.get("DVC_STAGE")
    try:
        with timed(name) if name else nullcontext():
            main()
    except (ValueError, OSError) as error:
        message = str(error)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f" (writing {error.filename})" if error.filename else ""
            message = f"no space left on the disk{where}; make room and run it again"
        _stop(message)
    except RuntimeError as error:
        if (batch_size := _BATCH_SIZES.get(_stage())) is None or not _is_out_of_memory(error):
            raise
        first = str(error).partition(". ")[0]  # torch goes on with its allocator's settings
        _stop(f"datasets.{sys.argv[1]}.{batch_size}: expected a batch that fits on the GPU, got a larger one ({first})")


def _stage() -> str:
    return Path(sys.argv[0]).stem


def _stop(message: str) -> None:
    print(f"{_stage()}: {message}", file=sys.stderr)
    sys.exit(2)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether a GPU had too little memory; a stage that has not imported torch has no such error."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)
