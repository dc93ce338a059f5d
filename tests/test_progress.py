"""Waiting that is counted, and bars in a log."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from objabn.progress import Awaited, leave_bar, progress

ROOT = Path(__file__).parents[1]


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


def test_in_a_log_a_bar_is_lines(capfd: pytest.CaptureFixture[str]) -> None:
    """So a process that is killed leaves nothing in front of what another one prints."""
    bar = progress(range(2), desc="epoch 1/4", unit="batch")
    items = iter(bar)
    next(items)
    leave_bar()
    err = capfd.readouterr().err
    assert err.startswith("epoch 1/4:   0%|")
    assert err.endswith("batch/s]\n")
    assert err.count("\n") == 1
    assert "\r" not in err
    assert list(progress(range(2), desc="epoch 2/4")) == [0, 1]
    assert [line[:15] for line in capfd.readouterr().err.splitlines()] == ["epoch 2/4:   0%", "epoch 2/4: 100%"]


def test_in_a_log_there_is_no_bar_for_terminals_only(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(progress(range(2), desc="a.mp4", disable=None)) == [0, 1]
    assert capfd.readouterr().err == ""


def test_what_was_printed_before_a_bar_comes_before_it(tmp_path: Path) -> None:
    """In a file for both, where Python keeps stdout back."""
    code = "from objabn.progress import progress; print('before'); list(progress(range(2)))"
    with (tmp_path / "log").open("w") as log:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=log, stderr=log, check=True)
    assert (tmp_path / "log").read_text().startswith("before\n")


def test_on_a_terminal_a_bar_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    leave_bar()
    assert capsys.readouterr().err == "\n"
