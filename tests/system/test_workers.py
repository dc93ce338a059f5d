"""Worker processes: what hangs or crashes costs its item, in order, and nothing stays behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from objabn.system.workers import Lost, in_processes
from tests.helpers.clones import hear_ctrl_c
from tests.helpers.unruly import behave

ROOT = Path(__file__).parents[2]


def run(items: list, workers: int = 2, timeout_sec: float = 60.0) -> list:
    with closing(in_processes(behave, items, workers=workers, timeout_sec=timeout_sec)) as results:
        found = list(results)
    assert [item for item, _ in found] == items
    return [result for _, result in found]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order(workers: int) -> None:
    items = [("sleep", 0.05 * (n % 3)) for n in range(7)] + [("value", n) for n in range(5)]
    assert run(items, workers) == [value for _, value in items]


def test_no_items() -> None:
    assert run([]) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_costs_its_item(workers: int) -> None:
    items = [("value", 0), ("signal", signal.SIGSEGV), ("exit", 3), ("value", 1), ("signal", signal.SIGKILL)]
    assert run([*items, ("value", 2)], workers) == [
        0, Lost("crashed (SIGSEGV)"), Lost("crashed (exit status 3)"), 1, Lost("crashed (SIGKILL)"), 2,
    ]  # fmt: skip


def test_an_item_whose_process_was_killed_gets_another_try(tmp_path: Path) -> None:
    item = ("killed once", str(tmp_path / "killed"))
    assert run([("value", 0), item, ("value", 1)]) == [0, item[1], 1]


def test_a_function_that_raises_counts_as_a_crash() -> None:
    assert run([("raise", "no such luck"), ("value", 1)]) == [Lost("crashed (exit status 1)"), 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_takes_too_long_costs_its_item(workers: int) -> None:
    began = time.monotonic()
    items = [("value", 0), ("sleep", 600), ("value", 1), ("value", 2)]
    assert run(items, workers, 1.5) == [0, Lost("took longer than 1.5 seconds"), 1, 2]
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("workers", [1, 2])
def test_many_crashes_among_large_results_blame_the_right_ones(workers: int) -> None:
    """What pools with one pipe for all workers get wrong: workers that die at once, or while they hand over."""
    kinds = [("array", 3_000_000), ("signal", signal.SIGSEGV), ("die while handing over", 400_000_000)]
    results = run([*kinds * 5, ("value", 9)], workers)
    for at, result in enumerate(results[:-1]):
        if at % 3 == 0:
            assert (len(result), result.min(), result.max()) == (3_000_000, 7, 7)
        else:
            assert result == Lost(f"crashed ({('SIGSEGV', 'SIGALRM')[at % 3 - 1]})")
    assert results[-1] == 9


def test_numpy_multiplies_in_the_worker_s_own_thread() -> None:
    """OpenBLAS's threads of a forked process may wait for each other for ever."""
    assert run([("threads with a product", 1500)]) == [2]  # its own, and the one that watches for the parent's end


def test_one_that_dies_while_idle_costs_nothing() -> None:
    with closing(in_processes(behave, [("pid", None)] * 4, workers=1, timeout_sec=60)) as results:
        _, first = next(results)
        time.sleep(0.5)  # until the second is done, which is taken in advance
        os.kill(first, signal.SIGKILL)
        pids = [pid for _, pid in results]
    assert pids[0] == first
    assert len(set(pids)) == 2
    assert all(isinstance(pid, int) for pid in pids)


def test_few_items_are_taken_in_advance() -> None:
    taken = []

    def items():
        for n in range(100):
            taken.append(n)
            yield ("value", n)

    with closing(in_processes(behave, items(), workers=2, timeout_sec=60)) as results:
        for _, n in results:
            assert len(taken) <= n + 4
    assert len(taken) == 100


def test_closed_early_it_ends_what_runs() -> None:
    began = time.monotonic()
    with closing(in_processes(behave, [("pid", None), *[("sleep", 600)] * 9], workers=2, timeout_sec=600)) as results:
        _, pid = next(results)
        threads = threading.active_count()
        assert threads > 1
    assert time.monotonic() - began < 60
    wait_until_gone([pid])
    assert threading.active_count() < threads


def wait_until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + 30
    while any(runs(process) for process in processes):
        assert time.monotonic() < deadline, "they stay behind"
        time.sleep(0.02)


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_worker_that_cannot_start_is_not_the_items_fault() -> None:
    code = (
        "import types, sys; from objabn.system.workers import in_processes\n"
        "gone = types.ModuleType('gone'); sys.modules['gone'] = gone\n"
        "exec('def function(item): return item', gone.__dict__)\n"
        "print(list(in_processes(gone.function, [1, 2], workers=1, timeout_sec=9)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 1
    assert "OSError: a worker process did not start (exit status 1)" in done.stderr


def test_an_interruption_while_the_workers_start_ends_them_at_once() -> None:
    code = (
        "from contextlib import closing; from objabn.system.workers import in_processes\n"
        "from tests.helpers.unruly import behave\n"
        "with closing(in_processes(behave, [('sleep', 600)] * 4, workers=2, timeout_sec=600)) as results:\n"
        "    print('ready', flush=True)\n"
        "    for _, result in results: print(result, flush=True)"
    )
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    for after_sec in (0.0, 0.1, 0.3):
        process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, preexec_fn=hear_ctrl_c)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(after_sec)
        os.kill(process.pid, signal.SIGINT)
        _, printed = process.communicate(timeout=60)
        assert printed.strip().splitlines()[-1] == "KeyboardInterrupt"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_busy_workers_end_with_the_process_that_started_them(how: signal.Signals, tmp_path: Path) -> None:
    """They sleep for ten minutes, one of them idle."""
    code = (
        "from contextlib import closing; from objabn.system.workers import in_processes\n"
        "from tests.helpers.unruly import behave\n"
        "items = [('pid', 0), ('pid', 0), ('pid', 0), *[('sleep', 600)] * 4]\n"
        "with closing(in_processes(behave, items, workers=2, timeout_sec=600)) as results:\n"
        "    for _, result in results: print(result, flush=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    assert process.stdout
    pids = [int(process.stdout.readline()) for _ in range(3)]
    time.sleep(0.5)
    os.kill(process.pid, how)
    assert process.wait(timeout=60) != 0
    wait_until_gone(pids)
