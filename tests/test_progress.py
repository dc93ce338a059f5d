import time

import pytest

from objabn.progress import Awaited


def test_waiting_for_items_is_counted_and_nothing_else() -> None:
    def items():
        for number in range(3):
            time.sleep(0.05)
            yield number

    awaited = Awaited(items())
    taken, began = [], time.perf_counter()
    for item in awaited:
        time.sleep(0.2)
        taken.append(item)
    assert taken == [0, 1, 2]
    assert 0.15 <= awaited.seconds <= time.perf_counter() - began - 0.6


def test_no_items() -> None:
    assert list(Awaited([])) == []


def test_an_error_of_the_items_is_the_callers() -> None:
    def items():
        yield 1
        raise KeyError("lost")

    with pytest.raises(KeyError):
        list(Awaited(items()))
