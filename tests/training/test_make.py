"""The stage of a training in two processes: started by the stage, by torchrun or as srun does; killed; found by DVC."""

import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from objabn.system.files import is_running
from objabn.training.checkpoint import KIND as CHECKPOINT
from objabn.training.failures import GOES_ON
from objabn.training.finished import KIND as FINISHED
from tests.helpers.checkout import Process, wait_for
from tests.helpers.clones import edit_params, make_clone, run_dvc
from tests.helpers.survival import ROW, RUN, Training, new_checkout, printed, use_tiny

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes by /proc"),
]

FOUND = f"{RUN}: trained before, under a launcher; found in the side cache"
ON_ITS_OWN = ["--standalone", "--nproc-per-node", "2"]


def use_devices(values: dict) -> None:
    """On top of what `new_checkout` sets."""
    values["datasets"]["synthetic"]["train"].update(devices=2)


def use_nodes(values: dict) -> None:
    values["datasets"]["synthetic"]["train"].update(nodes=2)


@pytest.fixture
def new(tmp_path: Path, made: Path) -> Callable[..., Training]:
    def make(name: str, change: Callable[[dict], None] = use_devices) -> Training:
        checkout = new_checkout(tmp_path / name, made)
        edit_params(checkout.folder, change)
        return checkout

    return make


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, made: Path) -> dict[str, bytes]:
    """What two processes give that the stage has started and nobody disturbs."""
    checkout = new_checkout(tmp_path_factory.mktemp("undisturbed"), made)
    edit_params(checkout.folder, use_devices)
    out, err = checkout.start().communicate(timeout=300)
    assert "epoch 4/4" in out, err
    assert "goes on" not in out
    assert "Warning" not in err
    assert not checkout.units()
    assert not checkout.strays()
    return checkout.content()


def by_torchrun(checkout: Training, *arguments: str) -> Process:
    return checkout.start("torch.distributed.run", *(arguments or ON_ITS_OWN), "-m", "stages.train", *ROW)


def children(process: Process, what: str) -> list[int]:
    """Ids of the processes that another one has started, by rank."""
    pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return sorted(pid for pid in map(int, pids) if what in Path(f"/proc/{pid}/cmdline").read_text())


def begun(checkout: Training, process: Process, what: str) -> list[int]:
    """Waits until another checkpoint is kept; the processes that train."""
    before = {(unit, unit.stat().st_mtime_ns) for unit in checkout.units()}

    def kept() -> bool:
        now = {(unit, unit.stat().st_mtime_ns) for unit in checkout.units()}
        return bool(now - before) or process.poll() is not None

    wait_for(kept)
    return children(process, what)


def kinds(checkout: Training) -> list[str]:
    return [entry.kind for entry in checkout.cache.units()]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("killed", [[1], [0, "stage"]], ids=["1", "0, stage"])
def test_whatever_is_killed_the_next_one_goes_on(new, undisturbed: dict[str, bytes], killed: list) -> None:
    """A process, or the stage that watches them; at the end the bits of a run that nobody disturbed."""
    checkout = new("disturbed")
    for rank in killed:
        stage = checkout.start()
        pids = begun(checkout, stage, "spawn_main")
        if rank == "stage":
            stage.kill()
            stage.communicate()
            wait_for(lambda pids=pids: not any(is_running(pid) for pid in pids))
            continue
        os.kill(pids[rank], signal.SIGKILL)
        _, err = stage.communicate(timeout=60)
        assert stage.returncode == 2
        assert err.splitlines()[-1] == f"train: process {rank + 1} of 2 was killed by SIGKILL; {GOES_ON}"
        assert "Traceback" not in err
        assert not any(is_running(pid) for pid in pids)
        assert checkout.units()
    assert "goes on after" in printed(checkout.start())
    assert checkout.content() == undisturbed
    assert not checkout.units()
    assert not checkout.strays()


def test_torchrun_gives_the_same_bits_and_the_stage_finds_them(
    new, undisturbed: dict[str, bytes], monkeypatch, capsys
) -> None:
    """After DVC has deleted the output, as it does before it runs a stage; nothing is trained then."""
    from stages import train

    checkout = new("launched")
    out = printed(by_torchrun(checkout))
    assert len(re.findall(r"^epoch \d/4", out, re.MULTILINE)) == 4  # the first process alone prints
    assert checkout.content() == undisturbed
    assert kinds(checkout) == [FINISHED]
    assert not checkout.strays()
    shutil.rmtree(checkout.folder / RUN)
    monkeypatch.chdir(checkout.folder)
    monkeypatch.setenv("OBJABN_CACHE", str(checkout.cache.root))
    monkeypatch.setattr(sys, "argv", ["stages/train.py", *ROW])
    train.main()
    assert capsys.readouterr().out == f"{FOUND}\n"
    assert checkout.content() == undisturbed


def said(err: str, process: str) -> list[str]:
    """Where our line and torchrun's report are in what was printed."""
    lost = rf"train: {process}(?: has lost another one \(.*\)|: its launcher has ended it \(SIGTERM\), .*); {GOES_ON}"
    ours = [at for at, line in enumerate(err.splitlines()) if re.fullmatch(lost, line)]
    report = [at for at, line in enumerate(err.splitlines()) if "ChildFailedError" in line]
    assert len(ours) == 1, err
    assert report, err
    return ["ours" if at in ours else "report" for at in sorted([*ours, *report])]


@pytest.mark.slow
def test_torchrun_and_whatever_it_started_may_be_killed(new, undisturbed: dict[str, bytes]) -> None:
    """Each process once: the other says a line, then comes torchrun's report. Then torchrun: nothing lives on."""
    checkout = new("disturbed")
    for rank in (0, 1):
        torchrun = by_torchrun(checkout)
        pids = begun(checkout, torchrun, "stages.train")
        os.kill(pids[rank], signal.SIGKILL)
        _, err = torchrun.communicate(timeout=60)
        assert torchrun.returncode == 1
        assert said(err, f"process {2 - rank} of 2")[0] == "ours"
        assert f"Signal {signal.SIGKILL.value} (SIGKILL) received by PID {pids[rank]}" in err
        assert not any(is_running(pid) for pid in pids)
        assert kinds(checkout) == [CHECKPOINT]
    torchrun = by_torchrun(checkout)
    pids = begun(checkout, torchrun, "stages.train")
    torchrun.kill()
    began = time.monotonic()
    _, err = torchrun.communicate(timeout=60)
    wait_for(lambda: not any(is_running(pid) for pid in pids))
    assert time.monotonic() - began < 10
    assert f"process 1 of 2: its launcher has gone; {GOES_ON}" in err
    assert "goes on after" in printed(by_torchrun(checkout))
    assert checkout.content() == undisturbed
    assert kinds(checkout) == [FINISHED]
    assert not checkout.strays()
    out = printed(by_torchrun(checkout))  # once more: nothing is trained
    assert out == f"{FOUND}\n"


@pytest.mark.slow
def test_torchrun_may_start_them_again(new, undisturbed: dict[str, bytes], monkeypatch) -> None:
    """By itself, after one was killed: they go on from the checkpoint, and not with the store of those before."""
    checkout = new("restarted")
    refused = by_torchrun(checkout, *ON_ITS_OWN, "--max-restarts", "1")
    _, err = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert "train: TORCH_DISABLE_SHARE_RDZV_TCP_STORE: expected 1, and --rdzv-backend c10d, for torchrun " in err
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    torchrun = by_torchrun(checkout, *ON_ITS_OWN, "--max-restarts", "1")
    os.kill(begun(checkout, torchrun, "stages.train")[1], signal.SIGKILL)
    assert "goes on after" in printed(torchrun)
    assert checkout.content() == undisturbed
    assert kinds(checkout) == [FINISHED]


def on_two_nodes(checkouts: list[Training]) -> list[Process]:
    """Starts the same command for each of two machines."""
    common = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", free_port()]
    return [by_torchrun(checkout, *common, "--node-rank", str(node)) for node, checkout in enumerate(checkouts)]


@pytest.mark.slow
def test_two_nodes(new, undisturbed: dict[str, bytes]) -> None:
    """With separate disks: the bits of two processes of one machine, which the stage of the first finds."""
    checkouts = [new(name, use_nodes) for name in ("first", "second")]
    first, second = on_two_nodes(checkouts)
    begun(checkouts[0], first, "stages.train")
    os.kill(children(second, "stages.train")[0], signal.SIGKILL)
    _, err = first.communicate(timeout=60)
    second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (1, 1)
    assert said(err, "process 1 of 2")[0] == "ours"
    outs = [printed(torchrun) for torchrun in on_two_nodes(checkouts)]
    assert "goes on after" in outs[0]
    assert outs[1] == ""
    assert checkouts[0].content() == undisturbed
    assert [kinds(checkout) for checkout in checkouts] == [[FINISHED], []]
    assert not (checkouts[1].folder / RUN).exists()
    shutil.rmtree(checkouts[0].folder / RUN)
    assert printed(checkouts[0].start()) == f"{FOUND}\n"
    assert checkouts[0].content() == undisturbed
    alone = checkouts[1].start()  # knows nothing of the run, and cannot train it
    _, err = alone.communicate(timeout=60)
    assert alone.returncode == 2
    command = "torchrun --nnodes 2 --nproc-per-node 1 --rdzv-backend c10d --rdzv-endpoint FIRST:29500 -m stages.train "
    assert err.splitlines()[-1].startswith("train: train.nodes: expected this on each of 2 machines first ")
    assert f": {command}{' '.join(ROW)}; got no such run" in err


@pytest.mark.slow
def test_srun(new, undisturbed: dict[str, bytes]) -> None:
    """Two processes with the variables that srun gives them; torch's own are not there."""
    checkout = new("srun")
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "SLURM_STEP_NUM_TASKS": "2"}
    tasks = []
    for rank in ("0", "1"):
        with pytest.MonkeyPatch.context() as patched:
            for name, value in {**variables, "SLURM_PROCID": rank, "SLURM_LOCALID": rank}.items():
                patched.setenv(name, value)
            tasks.append(checkout.start())
    printed(tasks[1])
    printed(tasks[0])
    assert checkout.content() == undisturbed


@pytest.mark.slow
def test_a_launched_one_waits_for_who_holds_the_lock(new, undisturbed: dict[str, bytes]) -> None:
    """The other processes wait with the first, and what was finished meanwhile is not trained again."""
    checkout = new("checkout")
    holder = by_torchrun(checkout)
    pids = begun(checkout, holder, "stages.train")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    torchrun = by_torchrun(checkout)
    assert torchrun.stdout is not None
    assert "another process is at work here; waiting for it to end" in torchrun.stdout.readline()
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    printed(holder)
    assert printed(torchrun) == f"{FOUND}\n"
    assert checkout.content() == undisturbed


def test_what_does_not_fit_is_one_line_and_status_2(new, monkeypatch) -> None:
    """Of each process, before torch is loaded; with another launcher's number of processes nobody trains alone."""
    checkout = new("checkout", lambda values: None)
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    stage = checkout.start()
    _, err = stage.communicate(timeout=60)
    product = "train.devices 1 x train.nodes 1"
    line = f"train: WORLD_SIZE: expected 1, {product}, as the number of processes that were started, got 2"
    assert (stage.returncode, err) == (2, f"{line}\n")


@pytest.mark.slow
def test_a_launcher_needs_a_number_of_threads(new) -> None:
    """It sets OMP_NUM_THREADS by itself, so the stage that DVC runs would look for a run of another number."""
    checkout = new("checkout")
    edit_params(checkout.folder, lambda values: values["datasets"]["synthetic"]["train"].update(threads=None))
    torchrun = by_torchrun(checkout)
    _, err = torchrun.communicate(timeout=60)
    assert "train: train.threads: expected a number on the CPU under a launcher (" in err
    assert not (checkout.folder / "runs").exists()


@pytest.mark.slow
def test_dvc_records_what_torchrun_has_trained(tmp_path: Path, made: Path, undisturbed: dict[str, bytes]) -> None:
    """In the row's stage, whose output it has deleted; a second time there is nothing to do."""

    def change(values: dict) -> None:
        use_tiny(values)
        use_devices(values)
        values["table"]["seeds"] = [3]

    checkout = new_checkout(tmp_path, made)
    shutil.copytree(made, make_clone(tmp_path / "clone", change) / "data", dirs_exist_ok=True)
    shutil.copy2(checkout.folder / "params.yaml", tmp_path / "clone/params.yaml")
    edit_params(tmp_path / "clone", change)
    checkout.folder = tmp_path / "clone"
    printed(by_torchrun(checkout))
    stage = "train@synthetic-mha-True-3"
    run_dvc(checkout.folder, checkout.cache.root, "repro", "-s", "networks@synthetic")
    out = run_dvc(checkout.folder, checkout.cache.root, "repro", "-s", stage).stdout
    assert FOUND in out
    assert "epoch" not in out
    assert checkout.content() == undisturbed
    assert (
        "Data and pipelines are up to date"
        in run_dvc(checkout.folder, checkout.cache.root, "repro", "-s", stage).stdout
    )
