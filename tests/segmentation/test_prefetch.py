import threading
import time

import pytest

from objabn.segmentation.prefetch import beside


def test_results_come_in_order() -> None:
    assert list(beside(lambda number: number**2, range(20))) == [number**2 for number in range(20)]
    assert list(beside(str, [])) == []


def test_it_runs_ahead_but_no_further_than_asked() -> None:
    done: list[int] = []
    results = beside(lambda number: done.append(number) or number, range(100), ahead=3)
    assert next(results) == 0
    until = time.monotonic() + 10
    while done != [0, 1, 2, 3] and time.monotonic() < until:
        time.sleep(0.001)
    assert done == [0, 1, 2, 3]
    results.close()
    assert done == [0, 1, 2, 3]


def test_it_runs_in_one_thread_that_is_not_the_callers() -> None:
    threads = set(beside(lambda _: threading.get_ident(), range(10)))
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_an_error_comes_where_its_result_would_be() -> None:
    results = beside(lambda number: 6 // number, [1, 2, 0, 3])
    assert [next(results), next(results)] == [6, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_an_error_of_the_items_is_the_callers() -> None:
    def items():
        yield 1
        raise KeyError("no more")

    with pytest.raises(KeyError):
        list(beside(str, items()))
