"""Say in one line why a process of a training with several processes ended."""

import traceback
from typing import NamedTuple

GOES_ON = "the same command goes on from the last checkpoint"


class Failure(NamedTuple):
    """The reason why a process ended.

    `surely` is False when the process may have ended only because it lost another process.
    """

    error: Exception
    surely: bool


class LossError(ValueError):
    """A process no longer reaches the others; the cause is another process's fault."""


def failure_of(error: BaseException, name: str) -> Failure:
    """Turn the error that a process has met into a failure.

    The error is made anew, since not every error survives a pipe between processes.

    Args:
        name: of the process, for the message.
    """
    import torch  # takes seconds to load; a launcher's variables are read before

    if isinstance(error, OSError):
        whole = error.errno is not None
        return Failure(OSError(error.errno, error.strerror, error.filename) if whole else ValueError(str(error)), True)
    if isinstance(error, ValueError):
        return Failure(ValueError(str(error)), True)
    # Gloo's errors are plain RuntimeErrors that begin with the place in Gloo's code.
    gloo = isinstance(error, RuntimeError) and "/gloo/" in str(error)
    if gloo or isinstance(error, torch.distributed.DistError):
        last = (str(error).strip() or type(error).__name__).splitlines()[-1]
        return Failure(LossError(f"{name} has lost another one ({last}); {GOES_ON}"), False)
    return Failure(RuntimeError(f"{name}:\n{''.join(traceback.format_exception(error))}"), True)
