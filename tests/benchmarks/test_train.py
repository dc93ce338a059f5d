"""The benchmark of training: its three loops run, and its last line is what it is run for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ONCE = ["--batch-size", "2", "--steps", "1", "--repeats", "1"]


@pytest.mark.slow
def test_all_loops_are_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.train", *ONCE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["plain_loop_ratio"] > 0 < report["share_of_ceiling"]
    assert set(report["shares"]) == {"forward", "backward", "optimiser", "data and the rest"}
