"""Rows in parallel, as docs/experiments.md and docs/scaling.md say, each from scratch.

DVC's queue with two workers, and jobs in one checkout: the results are the same, to the bit.
"""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import psutil
import pytest
import zc.lockfile

from objabn.system.gpus import leased_gpus, lock_folder
from objabn.system.locks import one_at_a_time
from tests.helpers.clones import environment, make_clone, run_dvc
from tests.helpers.pipeline import make_tiny, ran, wide_table

GPU = "GPU-made-up"
WAITS_FOR_GPU = "GPUs 0: 0 free, 1 needed; waiting for other stages"
WAIT_SEC = 300.0
CUDA_BUILT = "import sys, torch; sys.exit(not torch.backends.cuda.is_built() or torch.cuda.is_available())"


def make_two_rows(values: dict) -> None:
    make_tiny(values)
    values["table"].update(attention=["abn", "mask"], pc=[True], controls=[])
    values["loss"].update(pc=True)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SEC
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.2)


def processes(folder: Path) -> list[psutil.Process]:
    """Those that work in a checkout or below it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


@pytest.fixture(scope="module")
def one_gpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A machine on which nvidia-smi finds one GPU; where the locks are. Training is on the CPU all the same."""
    visible = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    if subprocess.run([sys.executable, "-c", CUDA_BUILT], env=visible).returncode:
        pytest.skip("needs a torch that knows CUDA, on a machine without a GPU: bits are those of a CPU")
    folder = tmp_path_factory.mktemp("machine")
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\necho {GPU}\n")
    script.chmod(stat.S_IRWXU)
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        patched.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
        yield lock_folder()


@dataclass
class Checkout:
    """A clone from scratch with an empty side cache, and what the `dvc repro` printed that ended its work."""

    clone: Path
    cache: Path
    printed: str = ""

    def dvc(self, *arguments: str) -> str:
        return run_dvc(self.clone, self.cache, *arguments).stdout


def from_scratch(folder: Path) -> Checkout:
    """Up to the masks."""
    checkout = Checkout(make_clone(folder / "objabn", make_two_rows), folder / "cache")
    checkout.dvc("repro", "segment@synthetic", "networks@synthetic")
    return checkout


@contextmanager
def two_workers(checkout: Checkout) -> Iterator[None]:
    """DVC's queue at work; nothing of it is left behind, whatever happens."""
    command = [sys.executable, "-m", "dvc", "queue", "start", "-j", "2"]
    try:  # without pipes: the workers, which go on, would keep them open
        subprocess.run(
            command, cwd=checkout.clone, env=environment(checkout.cache), stdout=DEVNULL, stderr=DEVNULL, check=True
        )
        yield
    finally:
        checkout.dvc("queue", "stop", "--kill")
        _, alive = psutil.wait_procs(processes(checkout.clone), timeout=60)
        for process in alive:
            process.kill()
    assert not alive


@pytest.fixture(scope="module")
def queued(one_gpu: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Two workers of DVC's queue train a row each."""
    checkout = from_scratch(tmp_path_factory.mktemp("queued"))
    checkout.dvc("exp", "run", "--queue", "study", "-S", "loss.attention=abn,mask", "-S", "loss.pc=true")

    def outputs() -> list[str]:
        return [path.read_text() for path in (checkout.clone / ".dvc/tmp/exps/run").glob("*/*.out")]

    def states() -> list[str]:
        return [line.split()[-1] for line in checkout.dvc("queue", "status").splitlines()[1:3]]

    with two_workers(checkout):
        with leased_gpus(1, "auto", gpus=[GPU], folder=one_gpu):  # they can only wait for it, both at the same time
            wait_for(lambda: sum(WAITS_FOR_GPU in printed for printed in outputs()) == 2)
            assert states() == ["Running", "Running"]
        wait_for(lambda: "Running" not in states())
        assert states() == ["Success", "Success"], "\n".join(outputs())
    checkout.printed = checkout.dvc("repro")
    return checkout


@pytest.fixture(scope="module")
def jobs(one_gpu: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A job a row in one checkout; the second one comes and goes while the first one trains."""
    checkout = from_scratch(tmp_path_factory.mktemp("jobs"))
    command = [sys.executable, "-m", "dvc", *job("abn")]
    lock = zc.lockfile.LockFile(str(checkout.clone / ".dvc/tmp/lock"))
    with one_at_a_time(checkout.clone / "runs/synthetic/locks/abn-pc-true-seed-0"):
        first = Popen(command, cwd=checkout.clone, env=environment(checkout.cache), stdout=PIPE, stderr=PIPE, text=True)
        assert first.stdout is not None
        time.sleep(6)  # longer than DVC waits for its lock of the checkout when it is not told to
        lock.close()
        assert any("waiting for it to end" in line for line in first.stdout)
        checkout.dvc(*job("mask"))
        assert first.poll() is None
    _, error = first.communicate()
    assert first.returncode == 0, error
    checkout.printed = checkout.dvc("repro")
    return checkout


def job(attention: str) -> list[str]:
    return ["--wait-for-lock", "repro", "-s", f"train@synthetic-{attention}-True-0"]


def test_after_the_queue_repro_only_makes_the_table(queued: Checkout) -> None:
    assert ran(queued.printed) == {"compare@synthetic"}
    for row in ("abn", "mask"):
        for stage in (f"train@synthetic-{row}-True-0", f"evaluate@synthetic-{row}-True"):
            assert f"Stage '{stage}' is cached - skipping run" in queued.printed


def test_after_the_jobs_repro_trains_nothing(jobs: Checkout) -> None:
    evaluated = {f"evaluate@synthetic-{row}-True" for row in ("abn", "mask")}
    assert ran(jobs.printed) == evaluated | {"study", "compare@synthetic"}
    for row in ("abn", "mask"):
        assert f"Stage 'train@synthetic-{row}-True-0' didn't change, skipping" in jobs.printed


@pytest.mark.parametrize("way", ["queued", "jobs"])
def test_the_table_has_all_rows(way: str, request: pytest.FixtureRequest) -> None:
    checkout = request.getfixturevalue(way)
    table = wide_table(checkout.clone / "tables/synthetic.csv")
    assert list(zip(table["attention"], table["pc"], strict=True)) == [("abn", True), ("mask", True)]
    assert table[["top1", "top5"]].notna().all(axis=None)
    assert json.loads((checkout.clone / "metrics.json").read_text())["top1"] == pytest.approx(table["top1"][0])
    assert not list(checkout.cache.rglob("training/*/*"))  # no checkpoint is left


def test_two_runs_from_scratch_are_the_same_to_the_bit(queued: Checkout, jobs: Checkout) -> None:
    def content(checkout: Checkout, name: str) -> bytes:
        return (checkout.clone / name).read_bytes()

    names = ["metrics.json", "tables/synthetic.csv", "tables/synthetic.md", "results/synthetic/segment.json"]
    for row in ("abn", "mask"):
        names += [f"runs/synthetic/{row}/pc-true/seed-0/{file}" for file in ("model.safetensors", "curves.csv")]
        names += [f"results/synthetic/{row}/pc-true.csv"]
    assert [name for name in names if content(queued, name) != content(jobs, name)] == []
    weights = "runs/synthetic/{}/pc-true/seed-0/model.safetensors"
    assert content(queued, weights.format("abn")) != content(queued, weights.format("mask"))
