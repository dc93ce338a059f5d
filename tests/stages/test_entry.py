"""How a stage begins and ends."""

import errno
import io
import os
import sys
from pathlib import Path

import pytest
import torch

from objabn.system.times import read_times
from stages.entry import run_stage

FULL = "no space left on the disk"
NO_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1 GiB."


@pytest.fixture(autouse=True)
def _nothing_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_WAIT_POLICY", os.environ.get("OMP_WAIT_POLICY", "PASSIVE"))  # so that it is put back
    monkeypatch.delenv("DVC_STAGE", raising=False)


def failing(error: Exception):
    def stage() -> None:
        raise error

    return stage


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("what is wrong"), "what is wrong"),
        (
            OSError(errno.ENOSPC, "No space left", "a/b"),
            f"{FULL} (writing a/b); make room and run it again",
        ),
        (OSError(errno.EDQUOT, "Quota exceeded"), f"{FULL}; make room and run it again"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a/b"), "[Errno 2] No such file: 'a/b'"),
    ],
)
def test_a_fault_of_the_input_is_one_line(monkeypatch, capsys, error: Exception, line: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stages/segment.py"])
    with pytest.raises(SystemExit) as ended:
        run_stage(failing(error))
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"segment: {line}\n"


@pytest.mark.parametrize(
    ("stage", "key"), [("segment", "segment.batch_size"), ("evaluate", "eval.batch_size"), ("audit", "eval.batch_size")]
)
def test_a_gpu_without_room_is_one_line_with_the_parameter(monkeypatch, capsys, stage: str, key: str) -> None:
    monkeypatch.setattr(sys, "argv", [f"stages/{stage}.py", "own", "--control", "plain"])
    with pytest.raises(SystemExit) as ended:
        run_stage(failing(torch.OutOfMemoryError(NO_MEMORY)))
    assert ended.value.code == 2
    expected = f"datasets.own.{key}: expected a batch that fits on the GPU, got a larger one (CUDA out of memory)"
    assert capsys.readouterr().err == f"{stage}: {expected}\n"


@pytest.mark.parametrize(
    ("stage", "error"), [("segment", RuntimeError("ours")), ("compare", torch.OutOfMemoryError(NO_MEMORY))]
)
def test_a_fault_of_ours_is_a_traceback(monkeypatch, stage: str, error: Exception) -> None:
    monkeypatch.setattr(sys, "argv", [f"stages/{stage}.py", "own"])
    with pytest.raises(type(error)):
        run_stage(failing(error))


def test_no_name_of_a_video_stops_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that knows ASCII only."""
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, encoding="ascii", write_through=True))
    run_stage(lambda: print("  bär/1: truncated: cut or broken"))
    assert terminal.getvalue() == b"  b\\xe4r/1: truncated: cut or broken\n"


def test_a_stage_of_dvcs_keeps_its_time_and_any_other_run_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    run_stage(lambda: None)
    assert read_times() == {}
    monkeypatch.setenv("DVC_STAGE", "decode@own")
    run_stage(lambda: None)
    assert read_times()["decode@own"].is_finished
    with pytest.raises(SystemExit):
        run_stage(failing(ValueError("what is wrong")))
    assert not read_times()["decode@own"].is_finished
