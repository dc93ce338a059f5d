"""What the machines of one training tell each other through their store: that they are there, faults, the end.

Each second a machine says that it is there: one that was killed tells nothing, and what waits for its processes may
wait for long.
"""

import threading
import time
from contextlib import suppress
from typing import NamedTuple

from torch.distributed import TCPStore

POLL_SEC = 0.2
CONNECT_SEC = 1800.0  # the first machine may still be at work on something else
GONE_SEC = 8.0  # without a beat
_BEAT_SEC = 1.0
_FAULT, _ALIVE, _ENDED = "objabn/fault", "objabn/alive/", "objabn/ended/"  # keys of the store; two with a node's index
GOES_ON = "the same command goes on from the last checkpoint"


class Failure(NamedTuple):
    """Why a process ended; `surely` is False when it may only have lost another one."""

    error: Exception
    surely: bool


class ElsewhereError(ValueError):
    """Another machine gave up and has told all, or the store is gone: nothing to tell."""


class OtherNodes:
    """The stages of the other machines, as far as the store tells of them."""

    def __init__(self, store: TCPStore, node: int, nodes: int) -> None:
        self._store, self._node, self._nodes = store, node, nodes
        self._missing = list(range(nodes))
        self._beats: dict[int, tuple[bytes, float]] = {}  # of each node the last one, and when it was new to this one
        self.left = threading.Event()

    def meet(self) -> None:
        """Returns when all are there. Raises: ValueError when one does not come, or gave up."""
        if self._node == 0:
            print(f"node 1 of {self._nodes}: waiting for the others", flush=True)
        deadline = time.monotonic() + CONNECT_SEC
        threading.Thread(target=self._beat, daemon=True).start()  # starting processes may take longer than GONE_SEC
        while True:
            if failure := self.fault():
                raise failure.error
            away = [each for each in self._missing if each != self._node]
            if not away:
                return
            which = f"node {', '.join(str(each + 1) for each in away)} of {self._nodes}"
            if time.monotonic() >= deadline:
                raise ValueError(f"train.nodes: {which} did not come within {CONNECT_SEC / 60:g} minutes")
            time.sleep(POLL_SEC)

    def fault(self) -> Failure | None:
        """What another one has told, or that it says nothing any more; by this machine's clock, theirs may differ."""
        try:
            if self._store.check([_FAULT]):
                return Failure(ElsewhereError(f"another node gave up: {self._store.get(_FAULT).decode()}"), True)
            self._missing = [each for each in self._missing if not self._store.check([f"{_ALIVE}{each}"])]
            there = [each for each in range(self._nodes) if each not in {self._node, *self._missing}]
            now = time.monotonic()
            for each, beat in zip(there, self._store.multi_get([f"{_ALIVE}{each}" for each in there]), strict=True):
                last, since = self._beats.get(each, (b"", now))
                if beat != last:
                    self._beats[each] = beat, now
                elif now - since > GONE_SEC and not self._store.check([f"{_ENDED}{each}"]):
                    return Failure(ValueError(_gone(each, self._nodes)), True)
        except RuntimeError:  # unsure: it may have ended well a moment before this one
            return Failure(ElsewhereError(_gone(0, self._nodes)), False)
        return None

    def tell(self, error: BaseException) -> None:
        with suppress(RuntimeError):  # the store is gone
            if not isinstance(error, ElsewhereError):
                self._store.set(_FAULT, (str(error).strip() or type(error).__name__).splitlines()[-1])
            time.sleep(5 * POLL_SEC)  # they read it before it goes with this process

    def ended(self) -> None:
        """Says that this one leaves because all is done."""
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
    """Whether a store is about to go: that of a run that failed or ended, or one that this node has left by a kill."""
    if store.check([_FAULT]) or store.check([f"{_ENDED}{node}"]):
        return True
    begun = store.check([f"{_ALIVE}{each}" for each in range(nodes)])
    if begun:
        store.set(_FAULT, f"node {node + 1} of {nodes} was started again")
    return begun
