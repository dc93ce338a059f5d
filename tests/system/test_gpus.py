"""Several stages on one machine share out its GPUs. The GPUs are made up, but for the last test."""

import os
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from objabn.config.file import read_yaml
from objabn.system.gpus import VISIBLE, installed_gpus, leased_gpus, lock_folder, visible_gpus

ROOT = Path(__file__).parents[2]
GPUS = ["GPU-aaaa-1", "GPU-aabb-2", "GPU-cccc-3"]
HOLD = """
import os
import sys
from pathlib import Path
from objabn.system.gpus import leased_gpus
folder, count, *gpus = sys.argv[1:]
with leased_gpus(int(count), "auto", gpus=gpus, folder=Path(folder)):
    print("holds", os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)


def start(folder: Path, count: int, gpus: list[str], visible: str | None = None) -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    variables = {**os.environ, **({} if visible is None else {VISIBLE: visible})}
    return subprocess.Popen([sys.executable, "-c", HOLD, folder, str(count), *gpus], cwd=ROOT, env=variables, **pipes)


def line(process: subprocess.Popen) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ends(process: subprocess.Popen) -> bool:
    process.communicate()
    return process.returncode == 0


def test_each_process_has_its_own_and_the_third_gets_that_of_a_killed_one(tmp_path: Path) -> None:
    with start(tmp_path, 1, GPUS[:2]) as first, start(tmp_path, 1, GPUS[:2]) as second:
        held = {process: line(process) for process in (first, second)}
        assert sorted(held.values()) == ["holds 0", "holds 1"]
        with start(tmp_path, 1, GPUS[:2]) as third:
            assert line(third) == "GPUs 0,1: 0 free, 1 needed; waiting for other stages"
            second.kill()
            assert line(third) == held[second]
            assert ends(third)
        assert ends(first)


def test_who_needs_two_waits_for_two_and_holds_none_meanwhile(tmp_path: Path) -> None:
    with start(tmp_path, 1, GPUS[:2]) as first:
        assert line(first) == "holds 0"
        with start(tmp_path, 2, GPUS[:2]) as both:
            assert line(both) == "GPUs 0,1: 1 free, 2 needed; waiting for other stages"
            with start(tmp_path, 1, GPUS[:2]) as other:
                assert line(other) == "holds 1"
                assert ends(other)
            assert ends(first)
            assert line(both) == "holds 0,1"
            assert ends(both)


def test_number_and_uuid_are_one_gpu_and_equal_numbers_may_be_two(tmp_path: Path) -> None:
    with start(tmp_path, 1, GPUS, "2") as first:
        assert line(first) == "holds 2"
        with start(tmp_path, 1, GPUS, "GPU-c") as waiting:
            assert line(waiting) == "GPUs GPU-c: 0 free, 1 needed; waiting for other stages"
            with start(tmp_path, 1, ["GPU-of-another-job"], "0") as elsewhere:
                assert line(elsewhere) == "holds 0"
                assert ends(elsewhere)
            assert ends(first)
            assert line(waiting) == "holds GPU-c"
            assert ends(waiting)


@pytest.mark.parametrize(
    ("given", "entries"),
    [
        (None, {"0": 0, "1": 1, "2": 2}),
        ("2,0", {"2": 2, "0": 0}),
        (" 1 , 2", {"1": 1, "2": 2}),
        ("GPU-cccc-3", {"GPU-cccc-3": 2}),
        ("GPU-c,GPU-aabb", {"GPU-c": 2, "GPU-aabb": 1}),
        ("MIG-77/1/0", {"MIG-77/1/0": None}),
        ("", {}),
        ("-1", {}),
        ("NoDevFiles", {}),
        ("0,x,1", {"0": 0}),
        ("1,3,0", {"1": 1}),
        ("0,,1", {"0": 0}),
        ("GPU-aa", {}),  # of two
        ("GPU-d", {}),
        ("0,0", {}),
        ("0,1,GPU-aaaa", {}),
        ("²", {}),
    ],
)
def test_the_variable_is_read_as_cuda_does(given: str | None, entries: dict[str, int | None]) -> None:
    found = visible_gpus(given, GPUS)
    assert found == {entry: entry if number is None else GPUS[number] for entry, number in entries.items()}
    assert list(found) == list(entries)


@pytest.mark.parametrize(
    ("given", "accelerator", "gpus"),
    [(None, "cpu", GPUS), (None, "auto", []), ("", "auto", GPUS), ("-1", "cuda", GPUS), ("x", "auto", GPUS)],
)
def test_without_a_gpu_nothing_is_held_or_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, accelerator: str, gpus: list[str]
) -> None:
    if given is not None:
        monkeypatch.setenv(VISIBLE, given)
    with leased_gpus(2, accelerator, gpus=gpus, folder=tmp_path / "locks") as held:
        assert (held, os.environ.get(VISIBLE)) == ([], given)
    assert not (tmp_path / "locks").exists()


@pytest.mark.parametrize("given", [None, "2,1"])
def test_the_variable_is_as_before_after_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    if given is not None:
        monkeypatch.setenv(VISIBLE, given)
    first = "0" if given is None else "2"
    for _ in range(2):  # the second time it would wait for ever if the first had kept the lock
        with suppress(OSError), leased_gpus(1, "cuda", gpus=GPUS, folder=tmp_path) as held:
            assert (held, os.environ[VISIBLE]) == ([first], first)
            raise OSError("inside")
        assert os.environ.get(VISIBLE) == given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "train.devices: expected at most 3, as many as are here, got 4"),
        ("0,1", "train.devices: expected at most 2, as many as are here (CUDA_VISIBLE_DEVICES=0,1), got 4"),
    ],
)
def test_more_than_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, message: str) -> None:
    if given is not None:
        monkeypatch.setenv(VISIBLE, given)
    with pytest.raises(ValueError) as error, leased_gpus(4, "auto", gpus=GPUS, folder=tmp_path):  # noqa: PT011
        pass
    assert str(error.value) == message


def nvidia_smi(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{content}\n")
    (folder / "nvidia-smi").chmod(stat.S_IRWXU)


@pytest.mark.parametrize(
    ("content", "cuda", "found"),
    [
        ("printf 'GPU-aaaa-1\nGPU-aabb-2\n'", True, GPUS[:2]),
        ("printf 'GPU-aaaa-1\nGPU-aabb-2\n'", False, []),
        ("echo 'No devices were found'; exit 6", True, []),
        ("echo 'No devices were found'", True, []),
        (None, True, []),
    ],
)
def test_what_nvidia_smi_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, cuda: bool, found: list[str]
) -> None:
    monkeypatch.setattr("torch.backends.cuda.is_built", lambda: cuda)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if content is not None:
        nvidia_smi(tmp_path / "bin", content)
    assert installed_gpus() == found


ASKED = """
import sys
from importlib import import_module
import torch
def asked(*_):
    raise AssertionError("CUDA was asked")
for name in ("_cuda_getDeviceCount", "_cuda_init"):
    if hasattr(torch._C, name):
        setattr(torch._C, name, asked)
torch.cuda.is_available = torch.cuda.device_count = asked  # a torch without CUDA would not get as far as those
from objabn.system import gpus
def leased(*asks):
    print(*asks)
    raise SystemExit
gpus.leased_gpus = leased
row = ["--attention", "mask", "--pc", "true"]
for stage, arguments in [
    ("train", ["synthetic", *row, "--seed", "0"]), ("evaluate", ["synthetic", *row]), ("audit", ["synthetic", *row]),
    ("segment", ["synthetic"]), ("segment", ["moving"]), ("segment", ["ray"]),
]:
    sys.argv = [f"stages/{stage}.py", *arguments]
    try:
        import_module(f"stages.{stage}").main()
    except SystemExit:
        continue
    raise AssertionError(f"{stage} leases nothing")
"""


def test_stages_ask_cuda_nothing_before_their_leases(tmp_path: Path) -> None:
    """Else CUDA_VISIBLE_DEVICES comes too late. Masks that need no GPU, and Ray, which shares GPUs out, lease none."""
    from tests.helpers.checkout import Checkout, counted
    from tests.helpers.clones import edit_params

    checkout = Checkout(tmp_path / "checkout").frames(range(8))
    counted(checkout.start())
    data = checkout.folder / "data"
    (data / "synthetic/index.csv").write_text("made by the test\n")
    for name in ("moving", "ray"):
        (data / name).symlink_to(data / "synthetic")
    network = read_yaml((ROOT / "params.yaml").read_text())["datasets"]["synthetic"]["segment"]

    def use_network(values: dict) -> None:
        moving = values["datasets"]["synthetic"]
        block = {**moving, "segment": network, "train": {**moving["train"], "accelerator": "cuda"}}
        own = {"synthetic": block, "moving": moving}
        own["ray"] = {**block, "machine": {**moving["machine"], "segment_engine": "ray"}}
        values["datasets"] = own

    edit_params(checkout.folder, use_network)
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ASKED]
    done = subprocess.run(command, cwd=checkout.folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["1 cuda", "1 cuda", "1 cuda", "1 auto", "1 cpu", "1 cpu"]


REAL = """
import sys
from pathlib import Path
from objabn.system.gpus import leased_gpus
with leased_gpus(1, "cuda", folder=Path(sys.argv[1])) as held:
    import torch
    print(*held, torch.cuda.device_count(), torch.cuda.get_device_properties(0).uuid, flush=True)
    sys.stdin.readline()
"""


INSTALLED = installed_gpus()  # asked before other tests start CUDA in this process


@pytest.mark.gpu
def test_real_gpus(tmp_path: Path) -> None:
    """Each process sees the one that it holds."""
    gpus = INSTALLED
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", REAL, tmp_path]
    processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in gpus]
    seen = [line(process).split() for process in processes]
    assert all(ends(process) for process in processes)
    assert sorted(int(entry) for entry, _, _ in seen) == list(range(len(gpus)))
    assert {count for _, count, _ in seen} == {"1"}
    assert {f"GPU-{uuid.removeprefix('GPU-')}" for _, _, uuid in seen} == set(gpus)


def test_the_locks_are_where_all_jobs_of_a_machine_see_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = lock_folder()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert lock_folder() == before
    assert str(os.getuid()) in before.name
