"""How a stage ends."""

import io
import sys

import pytest

from stages.paths import run_stage


def test_no_name_of_a_video_stops_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that knows ASCII only."""
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, encoding="ascii", write_through=True))
    run_stage(lambda: print("  bär/1: truncated: cut or broken"))
    assert terminal.getvalue() == b"  b\\xe4r/1: truncated: cut or broken\n"
