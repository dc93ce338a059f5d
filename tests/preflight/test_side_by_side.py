"""How many trainings share a machine, and the room that they need together."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from objabn.plan.costs import Counts
from objabn.preflight import side_by_side as module
from objabn.preflight import space
from objabn.preflight.device import Devices
from objabn.preflight.rows import table_rows
from objabn.preflight.side_by_side import Workers, num_cores, num_gpus, side_by_side
from tests.helpers.preflight import given

KEY = "datasets.synthetic.train"


def share(*overrides: str, cores: int = 8, gpus: int = 0) -> Workers:
    return side_by_side(table_rows("synthetic", given(*overrides)), cores, gpus)


def test_on_the_cpu_threads_and_cores_decide() -> None:
    assert share(f"{KEY}.threads=1") == (8, "8 cores, 1 for each (train.threads)")
    assert share(f"{KEY}.threads=3") == (2, "8 cores, 3 for each (train.threads)")
    assert share(f"{KEY}.threads=3", cores=1) == (1, "1 core, 3 for each (train.threads)")
    assert share(f"{KEY}.threads=2", f"{KEY}.devices=2").number == 2  # each process has its threads
    assert share(f"{KEY}.threads=null") == (1, "each takes all cores, 8 here (train.threads: null)")


def test_the_control_that_takes_most_decides() -> None:
    assert share("controls.plain.set={train.threads: 4}") == (2, "8 cores, 4 for each (train.threads)")
    assert share("controls.plain.set={train.threads: null}").number == 1
    assert share("controls.shifted-masks.set={train.threads: 4}").number == 8  # not in the table


def test_on_gpus_devices_decide() -> None:
    assert share(gpus=4) == (4, "4 GPUs, 1 for each (train.devices)")
    assert share(f"{KEY}.devices=4", f"{KEY}.threads=null", gpus=6) == (1, "6 GPUs, 4 for each (train.devices)")
    assert share(f"{KEY}.devices=8", gpus=1).number == 1
    both = [f"{KEY}.accelerator=cpu", "controls.plain.set={train.accelerator: cpu}"]
    assert share(*both, cores=2, gpus=4).number == 2


def test_a_training_on_several_machines_is_alone() -> None:
    assert share(f"{KEY}.nodes=2", gpus=8) == (1, "each takes several machines (train.nodes)")


@pytest.mark.parametrize(("has_smi", "number"), [(True, 3), (False, 1)])
def test_only_gpus_that_can_be_leased_count(monkeypatch: pytest.MonkeyPatch, has_smi: bool, number: int) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: "/nvidia-smi" if has_smi else None)
    assert num_gpus(Devices([("H100", 9)] * 3)) == number
    assert num_gpus(Devices([])) == 0


def test_shared_memory_for_trainings_side_by_side(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too little only for all together is a warning, with a number that fits."""
    monkeypatch.setattr(space, "SHARED", tmp_path)
    rows = table_rows("ucf101", given("dataset=ucf101"))
    one = 8 * 2 * 16 * 16 * (240 * 320 * 3 + 128 * 128)  # 8 loaders hold two batches each

    def look(free: int) -> tuple[str, str]:
        monkeypatch.setattr(space.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
        (found,) = space.memory_findings("ucf101", rows, at_a_time=4)
        return found.level, found.line

    level, line = look(4 * one - 1)
    assert level == "warning"
    assert line.endswith("; `make repro JOBS=3` runs fewer trainings at a time")
    assert "of 63 MB each, 4 trainings side by side)" in line
    assert look(4 * one)[0] == "ok"
    assert look(one - 1)[0] == "fault"


def test_each_training_has_a_checkpoint() -> None:
    def cached(at_a_time: int, report: str) -> int:
        params = given(f"{KEY}.report={report}")
        counts, done = Counts(320, 128, 0, 8, ""), {}
        return space.needed_bytes(params.datasets["synthetic"], params.table, counts, done, at_a_time)[1]

    assert cached(3, "last") == 3 * cached(1, "last") > 0
    assert cached(1, "best") == 4 * cached(1, "last") / 3


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_a_container_has_its_share_of_the_cores(tmp_path: Path, files: dict[str, str], most: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    cores = num_cores(tmp_path / "nothing")
    assert num_cores(tmp_path) == (cores if most is None else min(cores, most))
