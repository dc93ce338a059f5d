"""Why a process of several has ended, in one line."""

import pytest
from torch.distributed import DistNetworkError

from objabn.training.failures import GOES_ON, failure_of


@pytest.mark.parametrize(
    ("error", "kind", "message", "surely"),
    [
        (
            RuntimeError("[/x/gloo/gloo/tcp/pair.cc:1] Read error"),
            ValueError,
            f"process 1 of 2 has lost another one ([/x/gloo/gloo/tcp/pair.cc:1] Read error); {GOES_ON}",
            False,
        ),
        (DistNetworkError("a\nlast"), ValueError, f"process 1 of 2 has lost another one (last); {GOES_ON}", False),
        (RuntimeError("shape"), RuntimeError, "process 1 of 2:\nRuntimeError: shape\n", True),
        (OSError("no number"), ValueError, "no number", True),
    ],
)
def test_only_a_lost_connection_is_unsure(error: Exception, kind: type, message: str, surely: bool) -> None:
    failure = failure_of(error, "process 1 of 2")
    assert isinstance(failure.error, kind)
    assert (str(failure.error), failure.surely) == (message, surely)
