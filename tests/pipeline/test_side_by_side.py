"""`objabn repro` and plain `dvc repro`, each from scratch in a clone of its own: the same to the bit (minutes)."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers.clones import edit_params, environment, make_clone, run_dvc
from tests.helpers.pipeline import make_tiny, ran

ROWS = ("abn + PC", "plain")


def make_two_rows(values: dict) -> None:
    make_tiny(values)
    values["table"].update(attention=["abn"], pc=[True], controls=["plain"], seeds=[0, 1])
    values["loss"].update(pc=True)


def side_by_side(clone: Path, cache: Path, code: int = 0) -> tuple[str, str]:
    """Runs `objabn repro` with two workers; what it printed."""
    command = [sys.executable, "-m", "objabn", "repro", "--jobs", "2"]
    done = subprocess.run(command, cwd=clone, env=environment(cache), capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


def outputs(clone: Path) -> dict[str, dict[str, str]]:
    """The digests of what each stage made, by path."""
    lock = yaml.safe_load((clone / "dvc.lock").read_text())
    return {name: {out["path"]: out["md5"] for out in stage["outs"]} for name, stage in lock["stages"].items()}


@pytest.mark.slow
def test_the_bits_are_those_of_plain_dvc(tmp_path: Path) -> None:
    plain = make_clone(tmp_path / "plain" / "objabn", make_two_rows)
    printed = run_dvc(plain, tmp_path / "plain" / "cache", "repro").stdout
    clone, cache = make_clone(tmp_path / "both" / "objabn", make_two_rows), tmp_path / "both" / "cache"
    out, err = side_by_side(clone, cache)
    assert outputs(clone) == outputs(plain)
    assert set(outputs(clone)) == ran(printed)
    lines = out.splitlines()
    assert "4 trainings and 2 evaluations, 2 at a time: --jobs" in lines
    for row in ROWS:
        for seed in (0, 1):
            assert any(line.startswith(f"[{row}, seed {seed}] epoch 2/2: loss ") for line in lines), (row, seed)
    workers = [line for line in lines if line.startswith("[")]
    assert not [line for line in workers if "Running stage" in line or "dvc.lock" in line or "|" in line], workers
    last = out[out.rindex("\n[") :]
    assert ran(last) == {"study", "compare@synthetic"}
    table = lines[next(at for at, line in enumerate(lines) if line.startswith("stage ")) + 1 :]
    times = {line.split()[0]: line.split()[1] for line in table if len(line.split()) > 1}
    assert (times["train"], times["evaluate"], times["compare"], times["all"]) == ("4", "2", "1", "12")
    assert "Traceback" not in err

    out, _ = side_by_side(clone, cache)  # nothing is left to do
    assert ran(out) == set()
    assert "at a time" not in out

    edit_params(clone, lambda values: values["datasets"]["synthetic"]["train"].update(lr=-1.0))
    assert side_by_side(clone, cache, code=2)[1].startswith("params.yaml: datasets.synthetic.train.lr: ")
    edit_params(clone, lambda values: values["datasets"]["synthetic"]["train"].update(lr=1.0e-3))
    edit_params(clone, lambda values: values["datasets"]["synthetic"]["model"].update(pretrained="README.md"))
    _, err = side_by_side(clone, cache, code=255)
    for row in ("train@synthetic-abn-True-0", "train-control@synthetic-plain-1"):
        assert f"{row} failed (exit status 255). Its last lines:\n" in err
