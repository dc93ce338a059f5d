"""Room: what is needed of disks and of shared memory, and what is not written any more."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from objabn.plan.costs import Counts
from objabn.preflight import space
from objabn.preflight.rows import table_rows
from objabn.preflight.space import disk_findings, memory_findings, needed_bytes
from tests.helpers.preflight import given

UCF101 = given("dataset=ucf101")
COUNTS = Counts(9537, 3783, 2_480_000, 101, "")


def free(monkeypatch: pytest.MonkeyPatch, num_bytes: float) -> None:
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: SimpleNamespace(free=num_bytes))


def needed(*overrides: str, done: tuple[str, ...] = (), counts: Counts = COUNTS) -> tuple[int, int]:
    params = given("dataset=ucf101", *overrides)
    return needed_bytes(params.datasets["ucf101"], params.table, counts, dict.fromkeys(done, Path()))


def test_what_is_there_or_not_stored_is_not_needed() -> None:
    outputs, cached = needed()
    assert 60e9 < outputs < 80e9  # 24 kB a frame, measured on two genuine clips: 60 GB, and masks and runs
    assert cached > 2_480_000 * 250
    frames = 2_480_000 * 240 * 320 * 0.36
    assert outputs - needed(done=("decode",))[0] == outputs - needed("datasets.ucf101.decode.store=false")[0]
    assert outputs - needed(done=("decode",))[0] == pytest.approx(frames)
    assert needed(done=("decode", "segment", "train", "evaluate")) == (space.REPORT_BYTES, 0)
    run = 6e6 * 2.0**2 + 100 * 3783  # the weights, and a test video's results
    assert outputs - needed("table.seeds=[0]")[0] == 7 * 2 * run
    folds = needed(counts=replace(COUNTS, networks=3))  # of each run three networks, trained one after another
    weights = 6e6 * 2.0**2
    assert (folds[0] - outputs, folds[1] - cached) == (7 * 3 * 2 * weights, 3 * weights)  # kept until the run stands


def test_weights_of_another_backbone_are_counted() -> None:
    """Float32 of an r3d's 33 million weights with 101 classes, and of the branch; not the 24 MB of an X3D-M."""
    backbone = ("datasets.ucf101.model.backbone=torchvision:r3d_18", "datasets.ucf101.model.split=layer3",
                "datasets.ucf101.model.pretrained=null", "datasets.ucf101.model.frozen=null",
                "datasets.ucf101.gradcam.layer=layer4")  # fmt: skip
    of_seed = needed(*backbone)[0] - needed(*backbone, "table.seeds=[0]")[0]
    weights = (of_seed / (7 * 2)) - 100 * 3783
    assert 4 * 33.2e6 < weights < 4 * 40e6
    assert needed(*backbone, done=("train",))[1] == needed(done=("train",))[1]


@pytest.mark.parametrize(("share", "level"), [(0.99, "fault"), (1.05, "warning"), (1.2, "ok")])
def test_a_disk_that_is_full_or_nearly(place: Path, monkeypatch: pytest.MonkeyPatch, share: float, level: str) -> None:
    free(monkeypatch, sum(needed()) * share)
    (found,) = disk_findings(UCF101.datasets["ucf101"], UCF101.table, COUNTS, {})
    assert found.level == level
    assert found.line.startswith(f"disk of {place} (outputs, side cache): about 70 GB are needed, ")
    assert ("; make room, or let OBJABN_CACHE" in found.line) == (level == "fault")


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ('[cache]\n    type = "hardlink,reflink,copy"\n', "outputs, side cache"),
        ("[cache]\n    type = copy\n", "outputs, side cache, DVC's cache"),
        ("", "outputs, side cache"),
        ("no configuration", "outputs, side cache"),
    ],
)
def test_dvcs_copies_take_room(place: Path, monkeypatch: pytest.MonkeyPatch, config: str, names: str) -> None:
    (place / ".dvc").mkdir()
    (place / ".dvc/config").write_text(config)
    free(monkeypatch, 1e15)
    (found,) = disk_findings(UCF101.datasets["ucf101"], UCF101.table, COUNTS, {})
    assert f"({names})" in found.line


def test_each_disk_has_a_line(place: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> None:
    """The side cache and DVC's cache on a disk of their own."""
    other = tmp_path_factory.mktemp("other")
    (place / ".dvc").mkdir()
    (place / ".dvc/config.local").write_text(f"[cache]\n    dir = {other}/dvc\n")
    monkeypatch.setenv("OBJABN_CACHE", str(other / "side"))
    monkeypatch.setattr(space, "_disk_of", lambda path: str(path).startswith(str(other)))
    free(monkeypatch, 1e15)
    found = disk_findings(UCF101.datasets["ucf101"], UCF101.table, COUNTS, {})
    assert [each.line.partition(":")[0] for each in found] == [
        f"disk of {place} (outputs)", f"disk of {other} (side cache, DVC's cache)",
    ]  # fmt: skip


def test_shared_memory_for_the_loaders_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 clips of 16 frames of 240 x 320 are 63 MB with their masks, and each of 8 workers holds two such batches."""
    monkeypatch.setattr(space, "SHARED", tmp_path)
    batch = 16 * 16 * (240 * 320 * 3 + 128 * 128)

    def look(params, num_bytes: float) -> list[str]:
        free(monkeypatch, num_bytes)
        return [each.level for each in memory_findings("ucf101", table_rows("ucf101", params))]

    assert look(UCF101, 16 * batch - 1) == ["fault"]
    assert look(UCF101, 16 * batch) == ["ok"]
    free(monkeypatch, 64 * 1024**2)
    (found,) = memory_findings("ucf101", table_rows("ucf101", UCF101))
    assert found.line.startswith(
        "datasets.ucf101.machine.loader_workers: expected 1.0 GB free in "
        f"{tmp_path} (8 loader_workers with 2 batches of 63 MB each), got 67 MB; give the container more (--shm-size"
    )
    assert look(given("dataset=ucf101", "datasets.ucf101.machine.loader_workers=0"), 0) == []
    monkeypatch.setattr(space, "SHARED", tmp_path / "none")
    assert look(UCF101, 0) == []
