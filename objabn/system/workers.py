"""A function over many items in processes of their own: an item that hangs or crashes is lost, and nothing else is.

    with closing(in_processes(decode, paths, workers=2, timeout_sec=600)) as results:
        for path, result in results: ...  # in order; a `Lost` in place of a result

Each worker has a pipe of its own. Pools whose workers share one (concurrent.futures, pebble) break, stall or blame the
wrong item when a worker dies early or while it hands over a result: the others wait for its lock.
"""

import multiprocessing
import multiprocessing.forkserver
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

_START_SEC = 300.0  # until a worker has imported what it needs
_ENDS_SEC = 10.0  # from when its pipe closes until a process is gone
_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


@dataclass(frozen=True)
class Lost:
    """In place of a result; `reason` reads "took longer than 600 seconds", "crashed (SIGSEGV)", "ran out of memory"."""

    reason: str


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    workers: int,
    timeout_sec: float | None,
    preload: Sequence[str] = (),
) -> Generator[tuple[Any, Any], None, None]:
    """Yields (item, function(item) or Lost) in the order of the items; at most 2 * `workers` are taken in advance.

    Close it: the processes end with it, and with this process, however that ends.

    Args:
        function: of a module that can be imported, as are its items and results; one that raises counts as a crash.
        timeout_sec: for an item, from when a worker takes it; None: as long as it takes.
        preload: modules that all workers need, imported once; the first call in a process decides.
    """
    context = multiprocessing.get_context("forkserver")  # fork alone would copy locks that threads hold
    context.set_forkserver_preload(list(preload))
    _start_server()
    crew = [_Worker(context, function, timeout_sec) for _ in range(workers)]
    free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    for worker in crew:
        free.put(worker)

    def run(item: Any) -> Any:
        worker = free.get()
        try:
            result = worker.run(item)
            # By itself no process ends like this: the system may have been short of memory.
            killed = isinstance(result, Lost) and result.reason == "crashed (SIGKILL)"
            return worker.run(item) if killed else result
        finally:
            free.put(worker)

    threads = ThreadPoolExecutor(workers)
    waiting: deque[tuple[Any, Future[Any]]] = deque()
    try:
        for item in items:
            waiting.append((item, threads.submit(run, item)))
            if len(waiting) >= 2 * workers:
                item, future = waiting.popleft()
                yield item, future.result()
        while waiting:
            item, future = waiting.popleft()
            yield item, future.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for worker in crew:
            worker.stop()
        threads.shutdown()


def _start_server() -> None:
    """Start the process that workers are forked from, unless it runs; its numpy multiplies matrices in one thread.

    OpenBLAS's threads do not outlive a fork: on a busy machine a worker that made them anew waited for them for ever.
    """
    own = os.environ.get(_BLAS_THREADS)
    os.environ[_BLAS_THREADS] = "1"
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        if own is None:
            del os.environ[_BLAS_THREADS]
        else:
            os.environ[_BLAS_THREADS] = own


class _Worker:
    """A process that is started when it is needed, and again after it was lost."""

    def __init__(self, context: Any, function: Callable[[Any], Any], timeout_sec: float | None) -> None:
        self._context, self._function, self._timeout_sec = context, function, timeout_sec
        self._process: Any = None
        self._connection: Any = None
        self._stopped = False

    def run(self, item: Any) -> Any:
        """function(item), or Lost. Raises: OSError when the process does not start."""
        for _ in range(2):  # one that ended while it was idle is replaced: no item's fault
            if self._process is None:
                self._start()
            if self._takes(item):
                break
            ended = self._end(_ENDS_SEC)
        else:
            raise OSError(f"a worker process did not start ({ended})")
        try:
            if self._connection.poll(self._timeout_sec):
                return self._connection.recv()
        except (EOFError, OSError):  # the other end of the pipe is gone
            return Lost(f"crashed ({self._end(_ENDS_SEC)})")
        self._end()
        return Lost(f"took longer than {self._timeout_sec:g} seconds")

    def stop(self) -> None:
        """End the process at once, whoever waits for it; it is not started again."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def _start(self) -> None:
        self._connection, other = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(other, self._function), daemon=True)
        process.start()
        self._process = process  # only now: `stop` may come at any time, and kills what has been started
        other.close()
        if self._stopped:
            self._process.kill()

    def _takes(self, item: Any) -> bool:
        """Hands over the item; whether the process says that it begins."""
        try:
            self._connection.send(item)
            return bool(self._connection.poll(_START_SEC) and self._connection.recv())
        except (EOFError, OSError):
            return False

    def _end(self, grace_sec: float = 0) -> str:
        """End the process unless it does so by itself in time; return how it ended: a signal or an exit status."""
        process, self._process = self._process, None
        process.join(grace_sec)
        process.kill()
        process.join()
        self._connection.close()
        code = process.exitcode
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _serve(connection: Connection, function: Callable[[Any], Any]) -> None:
    """What a worker does, until nobody is at the other end of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes: the one that started us decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        connection.send(True)
        try:
            result = function(item)
        except MemoryError:
            result = Lost("ran out of memory")
        connection.send(result)


def _end_with_parent() -> None:
    """A worker that is busy would not notice that the pipe is closed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
