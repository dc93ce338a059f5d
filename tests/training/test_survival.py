"""Training survives: kills at any moment, two processes, edits in between, a full disk. The real stage as a process."""

import errno
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.checkout import runs, wait_for
from tests.helpers.clones import edit_params
from tests.helpers.survival import ROW, RUN, Training, new_checkout, printed

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[2]
TIMING = "runs/synthetic/timing/mha-pc-true-seed-3.json"
BATCHES = 24  # four epochs of six
WAITS = "runs/synthetic/locks/mha-pc-true-seed-3: another process is at work here; waiting for it to end"
FOUND = f"{RUN}: finished by the process that this one waited for"


@pytest.fixture
def checkout(tmp_path: Path, made: Path) -> Training:
    return new_checkout(tmp_path / "checkout", made)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, made: Path) -> tuple[dict[str, bytes], float]:
    """What a run gives that nobody disturbs, and how long it took."""
    checkout = new_checkout(tmp_path_factory.mktemp("undisturbed"), made)
    began = time.monotonic()
    assert "goes on" not in checkout.run()
    assert not checkout.units()
    assert not checkout.strays()
    return checkout.content(), time.monotonic() - began


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_kills_at_random_moments(checkout: Training, undisturbed: tuple[dict[str, bytes], float], rounds: int) -> None:
    """Three kills a round, each round from an empty cache to the end."""
    expected, seconds = undisturbed
    rng = random.Random(rounds)
    moments = []
    for _ in range(rounds):
        checkout.forget()
        for _ in range(3):
            if rng.random() < 0.7:  # in the training: most of a real run is that
                code = checkout.kill_after(rng.randint(1, BATCHES // 2), rng.uniform(0, 0.2))
            else:
                code = checkout.kill_after(0, rng.uniform(0, 1.2 * seconds))
            moments.append((code, len(checkout.units())))
        unfinished = bool(checkout.units())
        assert ("goes on after" in checkout.run()) == unfinished
        assert checkout.content() == expected
        assert not checkout.units()
        assert not checkout.strays()
    print(f"killed at (exit status, checkpoints): {moments}")
    assert sum(code == -signal.SIGKILL for code, _ in moments) > len(moments) / 2
    assert any(units for _, units in moments)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks processes up in /proc")
@pytest.mark.parametrize("first_ends", [True, False])
def test_a_second_process_waits_and_trains_what_is_left(
    checkout: Training, undisturbed: tuple[dict[str, bytes], float], first_ends: bool
) -> None:
    """Nothing where the first one finished, else from its last checkpoint."""
    first = checkout.start()
    wait_for(lambda: checkout.units() or first.poll() is not None)
    first.send_signal(signal.SIGSTOP)  # held until the second one waits, however slow the machine
    assert runs(first.pid)
    second = checkout.start()
    assert second.stdout is not None
    assert second.stdout.readline().strip() == WAITS
    first.send_signal(signal.SIGCONT) if first_ends else first.kill()
    first.communicate()
    assert first.returncode == (0 if first_ends else -signal.SIGKILL)
    out = printed(second)
    assert (FOUND in out, "goes on after" in out) == (first_ends, not first_ends)
    assert checkout.content() == undisturbed[0]
    assert not checkout.units()
    left = {path.name for path in checkout.strays()}
    # The kernel frees a lock before the killed process is gone; what that one left then goes with the next run.
    assert left <= (set() if first_ends else {f".seed-3.partial-{os.uname().nodename}-{first.pid}"})
    if first_ends:  # asked for again, it is made again
        assert "epoch 4/4" in checkout.run()


def test_an_edit_of_parameters_or_code_starts_anew(
    checkout: Training, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    """And undone, the training goes on."""
    for name in ("objabn", "stages"):
        shutil.copytree(ROOT / name, checkout.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "dvc.yaml", checkout.folder)
    checkout.kill_after(2)
    (unit,) = checkout.units()
    edit_params(checkout.folder, lambda values: values["datasets"]["synthetic"]["train"].update(lr=1e-5))
    assert "goes on" not in checkout.run()
    assert checkout.content() != undisturbed[0]
    edit_params(checkout.folder, lambda values: values["datasets"]["synthetic"]["train"].update(lr=3e-3))
    losses = checkout.folder / "objabn/training/losses.py"
    code = losses.read_text()
    losses.write_text(code + "\n")
    assert "goes on" not in checkout.run()
    assert checkout.units() == [unit]
    losses.write_text(code)
    assert "goes on after" in checkout.run()
    assert checkout.content() == undisturbed[0]
    assert not checkout.units()


def test_a_full_disk_is_one_line_and_the_previous_run_stays(
    checkout: Training, undisturbed: tuple[dict[str, bytes], float], monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    from stages import train
    from stages.entry import run_stage

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    checkout.run()
    timing = (checkout.folder / TIMING).read_bytes()
    monkeypatch.chdir(checkout.folder)
    monkeypatch.setenv("OBJABN_CACHE", str(checkout.cache.root))
    monkeypatch.setattr(sys, "argv", ["stages/train.py", *ROW])
    with monkeypatch.context() as patched:
        patched.setattr("objabn.system.files.os.fsync", full)
        with pytest.raises(SystemExit) as error:
            run_stage(train.main)
    assert error.value.code == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith(f"train: no space left on the disk (writing {checkout.cache.root}{os.sep}training{os.sep}")
    assert said.endswith("; make room and run it again")
    assert checkout.content() == undisturbed[0]
    assert (checkout.folder / TIMING).read_bytes() == timing
    assert not checkout.strays()
