"""One process at a time makes an output."""

import subprocess
import sys
from pathlib import Path

import pytest

from objabn.system.locks import one_at_a_time

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from objabn.system.locks import one_at_a_time
with one_at_a_time(Path(sys.argv[1])) as waited:
    print("holds", waited, flush=True)
    sys.stdin.readline()
"""


def start(directory: Path) -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", HOLD, str(directory)], cwd=ROOT, **pipes)


def line(process: subprocess.Popen) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("end", ["kill", "communicate"])
def test_the_second_waits_for_the_end_of_the_first(tmp_path: Path, end: str) -> None:
    with start(tmp_path / "new") as first:
        assert line(first) == "holds False"
        with start(tmp_path / "new") as second:
            assert line(second) == f"{tmp_path / 'new'}: another process is at work here; waiting for it to end"
            getattr(first, end)()
            assert line(second) == "holds True"
            second.communicate()
    assert list((tmp_path / "new").iterdir()) == []


def test_other_directories_do_not_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with start(tmp_path / "one") as other:
        assert line(other) == "holds False"
        with one_at_a_time(tmp_path / "another"):
            pass
        other.communicate()
    assert capsys.readouterr().out == ""


def test_without_locks_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("objabn.system.locks.fcntl.flock", unsupported)
    with one_at_a_time(tmp_path) as waited:
        assert not waited


def test_a_fault_inside_comes_out_and_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="inside"), one_at_a_time(tmp_path):
        raise OSError("inside")
    with start(tmp_path) as other:
        assert line(other) == "holds False"
        other.communicate()
