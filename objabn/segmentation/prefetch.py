"""Steps of a pipeline side by side, such as reading the next video while the network looks at this one."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def beside(function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int = 2) -> Iterator[Result]:
    """As `map`, in a thread of its own that is up to `ahead` results further than whoever takes them.

    `items` are taken in the caller's thread. An error of `function` is raised where its result would be; what the
    thread still works on then, or when the caller stops early, is waited for and the rest is dropped.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            for item in items:
                pending.append(thread.submit(function, item))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            thread.shutdown(wait=True, cancel_futures=True)
