"""Exchange signs of life and faults between the machines of one training.

The machines (nodes) share a store. Through the store a machine tells that it is there, that it has met a fault, or that
it has ended. It tells each second that it is there: a killed machine tells no fault, and the other machines might wait
for the killed machine's processes for long.
"""

import threading
import time
from contextlib import suppress
from typing import NamedTuple

from torch.distributed import TCPStore

POLL_SEC = 0.2
CONNECT_SEC = 1800.0  # the first machine may still be busy with something else
GONE_SEC = 8.0  # without a sign of life a machine counts as gone
_BEAT_SEC = 1.0
_FAULT, _ALIVE, _ENDED = "objabn/fault", "objabn/alive/", "objabn/ended/"  # keys of the store; two with a node's index
GOES_ON = "the same command goes on from the last checkpoint"


class Failure(NamedTuple):
    """The reason why a process ended.

    `surely` is False when the process may have ended only because it lost another process.
    """

    error: Exception
    surely: bool


class ElsewhereError(ValueError):
    """A fault elsewhere, of which this machine has nothing to tell.

    Another machine gave up and has told all machines, or the store is gone.
    """


class OtherNodes:
    """Watch the stages of the other machines, as far as the store tells of them."""

    def __init__(self, store: TCPStore, node: int, nodes: int) -> None:
        self._store, self._node, self._nodes = store, node, nodes
        self._missing = list(range(nodes))
        self._beats: dict[int, tuple[bytes, float]] = {}  # each node's last sign of life, and when it was new here
        self.left = threading.Event()

    def meet(self) -> None:
        """Wait until all machines are there.

        Raises:
            ValueError: a machine does not come, or gave up.
        """
        if self._node == 0:
            print(f"node 1 of {self._nodes}: waiting for the others", flush=True)
        deadline = time.monotonic() + CONNECT_SEC
        threading.Thread(target=self._beat, daemon=True).start()  # starting processes may take longer than GONE_SEC
        while True:
            if failure := self.fault():
                raise failure.error
            away = [node for node in self._missing if node != self._node]
            if not away:
                return
            which = f"node {', '.join(str(node + 1) for node in away)} of {self._nodes}"
            if time.monotonic() >= deadline:
                raise ValueError(f"train.nodes: {which} did not come within {CONNECT_SEC / 60:g} minutes")
            time.sleep(POLL_SEC)

    def fault(self) -> Failure | None:
        """Return a fault of another machine, or None.

        A fault is one that the other machine has told, or that the other machine gives no sign of life any more. The
        time since the last sign is taken by this machine's clock, since clocks may differ.
        """
        try:
            if self._store.check([_FAULT]):
                return Failure(ElsewhereError(f"another node gave up: {self._store.get(_FAULT).decode()}"), True)
            self._missing = [node for node in self._missing if not self._store.check([f"{_ALIVE}{node}"])]
            there = [node for node in range(self._nodes) if node not in {self._node, *self._missing}]
            now = time.monotonic()
            for node, beat in zip(there, self._store.multi_get([f"{_ALIVE}{node}" for node in there]), strict=True):
                last, since = self._beats.get(node, (b"", now))
                if beat != last:
                    self._beats[node] = beat, now
                elif now - since > GONE_SEC and not self._store.check([f"{_ENDED}{node}"]):
                    return Failure(ValueError(_gone(node, self._nodes)), True)
        except RuntimeError:  # not sure: the first machine may have ended well, a moment before this one
            return Failure(ElsewhereError(_gone(0, self._nodes)), False)
        return None

    def tell(self, error: BaseException) -> None:
        """Tell the other machines why this machine gives up."""
        with suppress(RuntimeError):  # the store is gone
            if not isinstance(error, ElsewhereError):
                self._store.set(_FAULT, (str(error).strip() or type(error).__name__).splitlines()[-1])
            time.sleep(5 * POLL_SEC)  # the others read the store before it ends with this process

    def ended(self) -> None:
        """Tell the other machines that this machine leaves because all is done."""
        with suppress(RuntimeError):
            self._store.set(f"{_ENDED}{self._node}", "")

    def _beat(self) -> None:
        with suppress(RuntimeError):
            while True:
                self._store.add(f"{_ALIVE}{self._node}", 1)
                if self.left.wait(_BEAT_SEC):
                    return


def _gone(node: int, nodes: int) -> str:
    return f"node {node + 1} of {nodes} has gone; {GOES_ON}"


def is_of_another_run(store: TCPStore, node: int, nodes: int) -> bool:
    """Tell whether a store is of another run, and so is about to go.

    The other run has failed or ended, or this node was killed in it. In the last case the function tells the other
    nodes that this node was started again.
    """
    if store.check([_FAULT]) or store.check([f"{_ENDED}{node}"]):
        return True
    begun = store.check([f"{_ALIVE}{index}" for index in range(nodes)])
    if begun:
        store.set(_FAULT, f"node {node + 1} of {nodes} was started again")
    return begun
