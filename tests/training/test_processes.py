"""Training in several processes: the numbers of one, whatever dies; each fault is one line. On the CPU, with Gloo."""

import errno
import io
import math
import multiprocessing
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.distributed import DistNetworkError, TCPStore
from torch.nn.modules.batchnorm import _BatchNorm

from objabn.clips.batches import loader
from objabn.config.schema import Dataset
from objabn.model.run import Run, build_model
from objabn.system.cache import Cache, unit_key
from objabn.system.files import is_running
from objabn.training import nodes, processes
from objabn.training import train as train_module
from objabn.training.checkpoint import KIND, Checkpoint
from objabn.training.parallel import join_processes, synchronise
from objabn.training.processes import Processes
from objabn.training.train import train
from tests.helpers.checkout import Process, wait_for
from tests.helpers.clones import edit_params
from tests.helpers.interruptions import KEY, interruption
from tests.helpers.survival import Training, new_checkout, printed
from tests.helpers.training import changed, split

pytestmark = pytest.mark.usefixtures("one_thread")

GOES_ON = "the same command goes on from the last checkpoint"
ALWAYS = 1e-9  # minutes between two checkpoints within an epoch
ONE_STEP = {"batch_size": 8, "epochs": 10}  # an epoch of the 8 videos: one row of curves.csv a step
ALIKE = {
    "one step an epoch": changed(model={"dropout": 0.0}, train=ONE_STEP),
    "several batches a step": changed(model={"dropout": 0.0}, train={"batch_size": 2, "epochs": 2, "accumulate": 3}),
}
RESUMED = changed(train={"schedule": "cosine", "batch_size": 2, "epochs": 3})  # four batches an epoch, dropout 0.5


def parallel(params: Dataset, **settings: object) -> Dataset:
    return params.model_copy(update={"train": params.train.model_copy(update={"devices": 2, **settings})})


def fixed_statistics(*args: Any, **kwargs: Any) -> nn.Module:
    """As `build_model`, with BatchNorm in evaluation mode for good: a batch's statistics are those of its clips."""
    network = build_model(*args, **kwargs)
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
            module.train = lambda mode=True, it=module: it
    return network


def trained(folder: Path, directory: Path, params: Dataset, row: tuple[str, bool] = ("mha", True), **kwargs: Any):
    directory.mkdir(exist_ok=True, parents=True)
    sets = split(folder, "train", params), split(folder, "test", params)
    network, _ = train(Run(params, *row, 0), *sets, directory, **kwargs)
    return {name: value.numpy() for name, value in network.state_dict().items()}


def in_each(folder: Path, place: Path) -> dict[str, Any]:
    """What each of two processes does: all trainings that need no fault of a process."""
    torch.set_num_threads(1)
    rank = int(os.environ["LOCAL_RANK"])
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(train_module, "build_model", fixed_statistics)
        for name, params in ALIKE.items():
            found[name] = trained(folder, place / name, parallel(params), parallel=True)
    for name, minutes in (("undisturbed", None), ("after an epoch", 1e6), ("after a step", ALWAYS)):
        checkpoint = Checkpoint(Cache(place / "cache"), unit_key(what=name), minutes or 1)
        if minutes is not None:
            with interruption(6):
                trained(folder, place / name, parallel(RESUMED), parallel=True, checkpoint=checkpoint)
            torch.manual_seed(99 + rank)
        found[name] = trained(folder, place / name, parallel(RESUMED), parallel=True, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="batch_size") as error:
        trained(folder, place / "few", parallel(changed(train={"batch_size": 10})), parallel=True)
    return {**found, "few": str(error.value)}


@pytest.fixture(scope="module")
def by_two(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    place = tmp_path_factory.mktemp("two")
    return Processes(2, 1).run(in_each, stores, place), place


@pytest.mark.parametrize("name", ALIKE)
def test_two_processes_give_the_numbers_of_one(by_two, stores: Path, tmp_path: Path, monkeypatch, name: str) -> None:
    """The same losses and terms at each of ten steps, the same accuracies, and then the same weights."""
    monkeypatch.setattr(train_module, "build_model", fixed_statistics)
    one = trained(stores, tmp_path, ALIKE[name])
    curves, expected = (pd.read_csv(place / "curves.csv") for place in (by_two[1] / name, tmp_path))
    pd.testing.assert_frame_equal(curves, expected, rtol=1e-5, atol=1e-5)
    assert len(curves) == ALIKE[name].train.epochs
    assert curves["loss"].nunique() == len(curves)
    assert by_two[0][name].keys() == one.keys()
    for key, value in one.items():
        torch.testing.assert_close(torch.tensor(by_two[0][name][key]), torch.tensor(value), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["after an epoch", "after a step"])
def test_a_resumed_one_gives_the_bits_of_an_undisturbed_one(by_two, name: str) -> None:
    """Interrupted in the second of three epochs, with dropout and each process's own statistics of BatchNorm."""
    found, place = by_two
    assert all((found[name][key] == value).all() for key, value in found["undisturbed"].items())
    texts = [(place / each / "curves.csv").read_text() for each in (name, "undisturbed")]
    assert texts[0] == texts[1]


def in_each_of_three(folder: Path, place: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    params = parallel(changed(train={"batch_size": 3, "epochs": 3}), devices=3)  # two batches an epoch
    found = {"undisturbed": trained(folder, place / "undisturbed", params, parallel=True)}
    checkpoint = Checkpoint(Cache(place / "cache"), KEY, ALWAYS)
    with interruption(4):
        trained(folder, place / "resumed", params, parallel=True, checkpoint=checkpoint)
    return found | {"resumed": trained(folder, place / "resumed", params, parallel=True, checkpoint=checkpoint)}


@pytest.mark.slow
def test_three_resumed_give_the_bits_of_three_undisturbed(stores: Path, tmp_path: Path) -> None:
    """Of three numbers the order in which they are added up shows in the last bits."""
    found = Processes(3, 1).run(in_each_of_three, stores, tmp_path)
    assert all((found["resumed"][key] == value).all() for key, value in found["undisturbed"].items())


def test_a_split_smaller_than_a_batch_is_a_clear_fault(by_two) -> None:
    message = "train.batch_size: expected at most 8, the training videos, with 2 processes, got 10"
    assert by_two[0]["few"] == message


def fail(folder: Path, place: Path, how: str) -> None:
    """One process meets a fault in its third step; the other waits for it."""
    torch.set_num_threads(1)
    params, calls, total_loss = parallel(RESUMED), [], train_module.total_loss

    def wrong(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        total, terms = total_loss(*args, **kwargs)
        if os.environ["LOCAL_RANK"] == "0" or len(calls) < 3:
            return total, terms
        if how == "disk":
            raise OSError(errno.ENOSPC, "No space left on device", "some/file")
        if how == "crash":
            raise RuntimeError("out of memory")
        if how == "exit":
            os._exit(7)
        if how == "abort":
            os.abort()
        return total, {**terms, "mha": terms["mha"] * math.nan}

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(train_module, "total_loss", wrong)
        checkpoint = Checkpoint(Cache(place / "cache"), KEY, ALWAYS)
        trained(folder, place, params, parallel=True, checkpoint=checkpoint)


FAULTS = [
    ("not finite", ValueError, r"^mha not finite in epoch 1; videos of the batch: (v\d)$"),
    pytest.param("disk", OSError, r"^\[Errno 28\] No space left on device: 'some/file'$", marks=pytest.mark.slow),
    pytest.param("abort", ValueError, f"^process 2 of 2 was killed by SIGABRT; {GOES_ON}$", marks=pytest.mark.slow),
    pytest.param("exit", ValueError, f"^process 2 of 2 ended with exit status 7; {GOES_ON}$", marks=pytest.mark.slow),
    pytest.param(
        "crash",
        RuntimeError,
        r"^process 2 of 2:\nTraceback(?s:.)*RuntimeError: out of memory\n$",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("how", "error", "message"), FAULTS, ids=["not finite", "disk", "abort", "exit", "crash"])
def test_a_fault_of_one_process_ends_all(stores: Path, tmp_path: Path, how: str, error: type, message: str) -> None:
    """Its own, not that the other one has lost it; the checkpoint is that of the last step of all."""
    with pytest.raises(error, match=message) as raised:
        Processes(2, 1).run(fail, stores, tmp_path, how)
    assert not multiprocessing.active_children()
    train_set = split(stores, "train", RESUMED)
    if how == "not finite":
        third = list(loader(train_set, 2, workers=0, shuffle=True, share=(1, 2)))[2]
        assert str(raised.value).endswith(f" {train_set.table['video'][int(third['row'])]}")
    unit = Cache(tmp_path / "cache").load(KIND, KEY)
    assert unit is not None
    state = torch.load(io.BytesIO(unit[8 + int.from_bytes(unit[:8], "little") :]), weights_only=True)
    assert (state["position"]["batch"], len(state["processes"])) == (2, 2)


def use_two(values: dict) -> None:
    """On top of what `new_checkout` sets."""
    values["datasets"]["synthetic"]["train"].update(devices=2)


def ranks(stage: Process) -> list[int]:
    """Ids of a stage's processes, by rank."""
    children = Path(f"/proc/{stage.pid}/task/{stage.pid}/children").read_text().split()
    return sorted(pid for pid in map(int, children) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text())


def begun(checkout: Training, stage: Process) -> list[int]:
    """Waits until a stage has kept another checkpoint; its processes."""
    before = {(unit, unit.stat().st_mtime_ns) for unit in checkout.units()}

    def kept() -> bool:
        return bool({(unit, unit.stat().st_mtime_ns) for unit in checkout.units()} - before) or stage.poll() is not None

    wait_for(kept)
    return ranks(stage)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes by /proc")
@pytest.mark.parametrize("killed", [[1], pytest.param([0, "stage"], marks=pytest.mark.slow)], ids=["1", "0, stage"])
def test_whatever_is_killed_the_next_one_goes_on(tmp_path: Path, made: Path, killed: list) -> None:
    """A process, or the stage that watches them; at the end the bits of a run that nobody disturbed."""
    checkouts = [new_checkout(tmp_path / name, made) for name in ("undisturbed", "disturbed")]
    for checkout in checkouts:
        edit_params(checkout.folder, use_two)
    undisturbed, checkout = checkouts
    assert "goes on" not in printed(undisturbed.start())
    for rank in killed:
        stage = checkout.start()
        pids = begun(checkout, stage)
        if rank == "stage":
            stage.kill()
            stage.communicate()
            wait_for(lambda pids=pids: not any(is_running(pid) for pid in pids))
            continue
        os.kill(pids[rank], signal.SIGKILL)
        _, err = stage.communicate(timeout=60)
        assert stage.returncode == 2
        expected = f"train: process {rank + 1} of 2 was killed by SIGKILL; {GOES_ON}"
        assert err.splitlines()[-1] == expected
        assert "Traceback" not in err
        assert not any(is_running(pid) for pid in pids)
        assert checkout.units()
    assert "goes on after" in printed(checkout.start())
    assert checkout.content() == undisturbed.content()
    assert not checkout.units()
    assert not checkout.strays()


def on_nodes(checkouts: list[Training], node_variable: str = "NODE_RANK") -> list[Process]:
    """Starts the stage as on two machines."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stages = []
    for node, checkout in enumerate(checkouts):
        with pytest.MonkeyPatch.context() as patched:
            for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, node_variable: node}.items():
                patched.setenv(name, str(value))
            stages.append(checkout.start())
    return stages


def use_nodes(values: dict) -> None:
    values["datasets"]["synthetic"]["train"].update(nodes=2)


@pytest.mark.slow
def test_two_nodes(tmp_path: Path, made: Path) -> None:
    """The bits of two processes on one machine; a process or a stage is killed, each says a line, the next goes on."""
    by_devices = new_checkout(tmp_path / "devices", made)
    edit_params(by_devices.folder, use_two)
    printed(by_devices.start())
    checkout = new_checkout(tmp_path / "nodes", made)
    edit_params(checkout.folder, use_nodes)
    stages = on_nodes([checkout, checkout])
    begun(checkout, stages[1])
    os.kill(ranks(stages[1])[0], signal.SIGKILL)
    said = [stage.communicate(timeout=60)[1].splitlines()[-1] for stage in stages]
    assert [stage.returncode for stage in stages] == [2, 2]
    fault = f"process 2 of 2 was killed by SIGKILL; {GOES_ON}"
    assert said == [f"train: another node gave up: {fault}", f"train: {fault}"]
    for killed in (1, 0):
        stages = on_nodes([checkout, checkout])
        begun(checkout, stages[killed])
        stages[killed].kill()
        _, err = stages[1 - killed].communicate(timeout=60)
        stages[killed].communicate()
        assert stages[1 - killed].returncode == 2
        assert err.splitlines()[-1] == f"train: node {killed + 1} of 2 has gone; {GOES_ON}"
        assert "Traceback" not in err
    first, second = on_nodes([checkout, checkout], "SLURM_NODEID")
    out = printed(second)
    assert out.startswith("node 2 of 2: waiting for the first one at 127.0.0.1:")
    assert len(out.splitlines()) == 1
    assert "goes on after" in printed(first)
    assert checkout.content() == by_devices.content()
    assert not checkout.units()
    assert not checkout.strays()


FIRST = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "NODE_RANK": "1"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"MASTER_ADDR": None}, "train.nodes: expected MASTER_ADDR, the first of 2 nodes, in the environment"),
        (
            {"MASTER_PORT": None},
            "MASTER_PORT: expected 1 to 65535 in the environment for train.nodes 2, got None",
        ),
        ({"MASTER_PORT": "x"}, "MASTER_PORT: expected 1 to 65535 in the environment for train.nodes 2, got x"),
        ({"NODE_RANK": None}, "SLURM_NODEID): expected 0 to 1 in the environment for train.nodes 2, got None"),
        ({"NODE_RANK": "2"}, "SLURM_NODEID): expected 0 to 1 in the environment for train.nodes 2, got 2"),
        ({"NODE_RANK": None, "SLURM_NODEID": "1"}, None),
        ({}, None),
    ],
)
def test_a_node_is_told_who_it_is(monkeypatch, given: dict[str, str | None], message: str | None) -> None:
    monkeypatch.delenv("SLURM_NODEID", raising=False)
    for name, value in {**FIRST, **given}.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    if message is None:
        assert Processes(1, 2).node == 1
        return
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        Processes(1, 2)


def test_one_machine_reads_no_environment(monkeypatch) -> None:
    for name in FIRST:
        monkeypatch.setenv(name, "x")
    assert Processes(2, 1).node == 0


def test_a_port_that_is_taken_is_a_clear_fault(monkeypatch) -> None:
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        port = other.getsockname()[1]
        for name, value in {**FIRST, "MASTER_PORT": str(port), "NODE_RANK": "0"}.items():
            monkeypatch.setenv(name, value)
        message = f"^MASTER_ADDR, MASTER_PORT: expected a free port of this node, got 127.0.0.1:{port}$"
        with pytest.raises(ValueError, match=message):
            Processes(1, 2).run(print)


def test_nobody_at_the_first_nodes_address_is_a_clear_fault(monkeypatch) -> None:
    for name, value in FIRST.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(processes, "CONNECT_SEC", 0.0)
    with pytest.raises(ValueError, match=r"expected the first node at 127\.0\.0\.1:29500, nobody answered there$"):
        Processes(1, 2).run(print)


def on_node(monkeypatch, node: int) -> Processes:
    """One of two, at a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, value in {**FIRST, "MASTER_PORT": str(port), "NODE_RANK": str(node)}.items():
        monkeypatch.setenv(name, value)
    return Processes(1, 2)


def test_a_node_that_does_not_come_is_named(monkeypatch) -> None:
    first = on_node(monkeypatch, 0)
    monkeypatch.setattr(nodes, "CONNECT_SEC", 0.3)
    with pytest.raises(ValueError, match=r"^train\.nodes: node 2 of 2 did not come within 0\.005 minutes$"):
        first.run(print)


def server(port: int = 0) -> TCPStore:
    return TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False)


def test_a_node_that_is_silent_has_gone(monkeypatch) -> None:
    """Its last beat counts from when this one saw it; not when it has ended well, nor before it has come."""
    now, store = 1000.0, server()
    monkeypatch.setattr(nodes.time, "monotonic", lambda: now)
    first = nodes.OtherNodes(store, 0, 3)

    def after(seconds: float) -> str | None:
        nonlocal now
        now += seconds
        failure = first.fault()
        assert failure is None or failure.surely
        return failure and str(failure.error)

    assert after(0) is None
    store.add("objabn/alive/1", 1)
    assert after(100) is None
    assert after(7.9) is None
    store.add("objabn/alive/1", 1)
    assert after(0.2) is None
    store.add("objabn/alive/2", 1)
    assert after(7.9) is None
    assert after(0.2) == f"node 2 of 3 has gone; {GOES_ON}"
    store.set("objabn/ended/1", "")
    assert after(7.7) is None
    assert after(0.2) == f"node 3 of 3 has gone; {GOES_ON}"
    first.tell(ValueError("first\nlast"))
    assert after(0) == "another node gave up: last"


def test_a_store_that_goes_is_a_node_that_has_gone() -> None:
    store = server()
    second = nodes.OtherNodes(TCPStore("127.0.0.1", store.port, is_master=False), 1, 2)
    assert second.fault() is None
    del store
    failure = second.fault()
    assert failure is not None
    assert (str(failure.error), failure.surely) == (f"node 1 of 2 has gone; {GOES_ON}", False)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["objabn/fault"], True),
        (["objabn/alive/0", "objabn/alive/1", "objabn/ended/1"], False),
        (["objabn/alive/0", "objabn/alive/1"], True),
    ],
    ids=["failed", "ended", "left by a kill"],
)
def test_a_node_does_not_join_a_run_that_is_over(monkeypatch, keys: list[str], told: bool) -> None:
    """It asks again until another store is there; a run that it left without a word hears that it is back."""
    held = [server()]
    for key in keys:
        held[0].set(key, "1")
    second = on_node(monkeypatch, 1)
    monkeypatch.setattr(second, "_port", held[0].port)

    def renew(_: float) -> None:
        assert held[0].check(["objabn/fault"]) == told
        port = held.pop().port
        held.append(server(port))
        held[0].set("objabn/alive/0", "1")

    monkeypatch.setattr(processes.time, "sleep", renew)
    store = second._store()
    assert store.check(["objabn/alive/0"])
    assert not store.check(keys)


@pytest.mark.parametrize(
    ("error", "kind", "message", "surely"),
    [
        (
            RuntimeError("[/x/gloo/gloo/tcp/pair.cc:1] Read error"),
            ValueError,
            f"process 1 of 2 has lost another one ([/x/gloo/gloo/tcp/pair.cc:1] Read error); {GOES_ON}",
            False,
        ),
        (DistNetworkError("a\nlast"), ValueError, f"process 1 of 2 has lost another one (last); {GOES_ON}", False),
        (RuntimeError("shape"), RuntimeError, "process 1 of 2:\nRuntimeError: shape\n", True),
        (OSError("no number"), ValueError, "no number", True),
    ],
)
def test_only_a_lost_connection_is_unsure(error: Exception, kind: type, message: str, surely: bool) -> None:
    failure = processes._failure(error, "process 1 of 2")
    assert isinstance(failure.error, kind)
    assert (str(failure.error), failure.surely) == (message, surely)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"devices": 3}, "batch_size: expected a multiple of devices * nodes (3), got 4"),
        ({"devices": 2, "nodes": 4}, "batch_size: expected a multiple of devices * nodes (8), got 4"),
        ({"sync_batchnorm": True}, "sync_batchnorm: expected false on the CPU, got true"),
        ({"devices": 0}, "greater than or equal to 1"),
    ],
)
def test_parameters_that_do_not_fit(train: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        changed(train=train)


def test_synchronised_batchnorm_needs_gpus() -> None:
    params = changed(train={"devices": 2, "sync_batchnorm": True, "accelerator": "auto"})
    with pytest.raises(ValueError, match=r"^train\.sync_batchnorm: expected false on the CPU, got true$"):
        join_processes(params)


def test_frozen_blocks_keep_their_own_batchnorm(make_model: Callable) -> None:
    """Their statistics stay; all others are converted, with the same weights under the same names."""
    plain, network = make_model(frozen="stem").train(), make_model(frozen="stem").train()
    synchronise(network)
    frozen = set(network.extractor[0].modules())
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    assert {module for module in norms if not isinstance(module, nn.SyncBatchNorm)} == {
        module for module in frozen if isinstance(module, _BatchNorm)
    }
    assert not any(module.training for module in norms if module in frozen)
    assert plain.state_dict().keys() == network.state_dict().keys()
    clips = torch.rand(2, 3, 4, 32, 32)
    for expected, value in zip(plain.eval()(clips), network.eval()(clips), strict=True):
        torch.testing.assert_close(value, expected)
