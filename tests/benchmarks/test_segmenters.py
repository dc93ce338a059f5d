"""The benchmark of all segmenters: its blocks, what a library adds, and two rows of the table."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from benchmarks import checkpoints, segmenters
from objabn.config.segmenters import Segment


@pytest.mark.parametrize("name", [name for name in segmenters.ROWS if name != segmenters.PEER])
def test_every_row_is_a_block_of_params(name: str) -> None:
    block = TypeAdapter(Segment).validate_python(segmenters.block_of(name, Path("weights")))
    assert block.stride == 1


def test_what_a_library_brings() -> None:
    """dvc needs pydantic-settings, and that pydantic; scipy needs numpy, which requirements.txt has."""
    assert {"scipy", "numpy"} <= segmenters.closure("scipy")
    assert segmenters.installed_bytes("scipy") == 0
    assert segmenters.installed_bytes("pytest") > 100_000


def test_the_best_ten() -> None:
    assert checkpoints.best_score(np.linspace(1, 0, 21)) == pytest.approx(0.5)
    assert checkpoints.best_score(np.ones(3)) == checkpoints.FLOOR


def test_two_rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(segmenters, "FEW", {"motion": 4, "figures": 2})
    monkeypatch.setattr(sys, "argv", ["segmenters", "--only", "motion", "figures", "--repeats", "1"])
    segmenters.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("`")[1] for line in lines if line.startswith("| `")] == ["motion", "figures"]
    rows = json.loads(lines[-1])["rows"]
    assert rows["motion"]["flops"] == 0
    assert rows["figures"]["flops"] == pytest.approx(0.67e9, rel=0.1)
    assert rows["figures"]["ms"] > 0
