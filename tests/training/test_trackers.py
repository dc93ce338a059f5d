"""Trackers see curves and maps, and change no bit of a training, whatever they do and wherever it is interrupted."""

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from objabn.config.schema import Dataset
from objabn.model.device import make_fabric
from objabn.model.interface import Output
from objabn.model.run import Run, run_record
from objabn.preflight.trackers import tracker_findings
from objabn.system.cache import Cache
from objabn.training import fixed_clips, trackers
from objabn.training.checkpoint import Checkpoint
from objabn.training.fixed_clips import fixed_videos, picture, undisturbed
from objabn.training.processes import run_in_processes
from objabn.training.recorders import missing_packages, open_recorder
from objabn.training.trackers import Trackers
from objabn.training.train import train_and_save
from tests.helpers.interruptions import KEY, interruption
from tests.helpers.tracking import Made, use_made, written
from tests.helpers.training import changed, split

pytestmark = pytest.mark.usefixtures("one_thread")

FILES = ("model.safetensors", "run.json", "curves.csv")
NEVER, ALWAYS = 1e6, 1e-9  # minutes between two checkpoints within an epoch
LOG = Path("trackers/ds/mha/pc-true/seed-0")
OWN = LOG / KEY[:8]
ROWS = [{"epoch": epoch, "loss": 4.0 / epoch, "val_top1": 10.0 * epoch} for epoch in (1, 2, 3)]
Go = Callable[..., dict[str, bytes]]


def asked(*names: str, **train: Any) -> Dataset:
    """Four batches an epoch, dropout 0.5."""
    small = {"schedule": "cosine", "batch_size": 2, "epochs": 2}
    return changed(train={**small, **train}, machine={"trackers": list(names)})


@pytest.fixture
def go(stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    """Trains mha with the PC loss in an empty working directory, with a checkpoint; the run's files."""
    monkeypatch.chdir(tmp_path)
    return lambda params, minutes=NEVER: trained(stores, params, minutes)


def trained(stores: Path, params: Dataset, minutes: float = NEVER) -> dict[str, bytes]:
    directory = Path("run")
    directory.mkdir(exist_ok=True)
    run = Run(params, "mha", True, 0)
    sets = split(stores, "train", params), split(stores, "test", params)
    checkpoint = Checkpoint(Cache(Path("cache")), KEY, minutes)
    train_and_save(run, *sets, directory, checkpoint, run_record(run, ["a", "b", "c"], []), log=LOG)
    checkpoint.remove()
    return {name: (directory / name).read_bytes() for name in FILES if (directory / name).exists()}


@pytest.fixture(scope="module")
def alone(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a training without trackers."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("alone"))
        files = trained(stores, asked())
        assert not Path("trackers").exists()
    return files


def test_a_run_is_the_same_with_trackers(
    go: Go, alone: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights, BatchNorm's statistics, run.json and curves.csv, byte for byte; and what the trackers see."""
    opened = use_made(monkeypatch)
    assert go(asked("tensorboard", "wandb")) == alone
    assert f"tensorboard and wandb: curves and maps go to {OWN}\n" in capsys.readouterr().out
    assert [each["name"] for each in opened] == ["tensorboard", "wandb"]
    assert {each["title"] for each in opened} == {"ds/mha/pc-true/seed-0"}
    assert (opened[0]["notes"]["attention"], opened[0]["notes"]["train"]["epochs"]) == ("mha", 2)
    assert written(OWN) == written(OWN, "wandb")
    assert (OWN / "wandb-made.jsonl").read_text().count('"closed"') == 1
    curves, lines = pd.read_csv("run/curves.csv"), written(OWN)
    for (_, row), line in zip(curves.iterrows(), lines, strict=True):
        scalars = line["scalars"]
        rates = {name for name in scalars if name.startswith("lr/")}
        assert rates == {"lr/backbone", "lr/new_layers", "lr/centroids"}
        assert len(scalars) == len(row) - 1 + len(rates)  # all but the epoch's number
        of_curves = [row[name] for name in ("epoch", "loss", "mha", "val_top1", "gradient_pc")]
        assert [line["epoch"], *(scalars[name] for name in ("loss/total", "loss/mha", "top1/val", "gradient/pc"))] == (
            pytest.approx(of_curves)
        )
    first, *_, last = [line["scalars"]["lr/backbone"] for line in lines]
    assert 0 < last < first  # a cosine
    videos = ["v10", "v11", "v8", "v9"]  # of v8 to v12, in the order of names
    assert list(lines[0]["shapes"]) == [f"M_{letter}/{video}" for video in videos for letter in "uob"]
    assert lines[0]["sums"] != lines[1]["sums"]


@pytest.mark.parametrize(
    ("steps", "minutes"),
    [
        ([6], ALWAYS),
        pytest.param([3, 2, 5], ALWAYS, marks=pytest.mark.slow),
        pytest.param([6], NEVER, marks=pytest.mark.slow),
        pytest.param([3, 2, 5], NEVER, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_training_goes_on_in_its_log(
    go: Go, alone: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, steps: list[int], minutes: float
) -> None:
    opened = use_made(monkeypatch)
    for step in steps:
        with interruption(step):
            go(asked("tensorboard"), minutes)
    assert go(asked("tensorboard"), minutes) == alone
    lines = written(OWN)
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(len(line["shapes"]) == 12 for line in lines)
    assert len({each["number"] for each in opened}) == 1  # for W&B it is one training
    assert [each["first"] for each in opened] == [1, 2]


class Stopped(BaseException):
    pass


@pytest.mark.parametrize("epoch", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_an_epoch_that_was_kept_and_not_written_is_written_later(
    go: Go, alone: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    """The process ends between the checkpoint and the log, also behind the last epoch."""

    class Stopping(Made):
        def write(self, at: int, *values: Any) -> None:
            if at == epoch:
                raise Stopped
            super().write(at, *values)

    with monkeypatch.context() as patched:
        use_made(patched, Stopping)
        with pytest.raises(Stopped):
            go(asked("tensorboard"))
    assert (OWN / "tensorboard-made.jsonl").read_text().endswith('"failed"\n')
    use_made(monkeypatch)
    assert go(asked("tensorboard")) == alone
    lines = written(OWN)
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[-1]["shapes"]


def test_a_package_that_is_not_installed_is_told_at_the_start(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "missing_packages", lambda names: [name for name in names if name == "wandb"])
    expected = "machine.trackers: expected wandb to be installed, found no such package; `pip install -r requirements-"
    with pytest.raises(ValueError, match=expected):
        go(asked("tensorboard", "wandb"))
    assert not Path("run/curves.csv").exists()
    assert not Path("trackers").exists()


class Network(nn.Module):
    """Maps that are one number, as the training has brought it; in training mode, as behind an epoch."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, clips: torch.Tensor) -> Output:
        assert not self.training
        return Output(None, clips.new_zeros(1, 3), clips.new_full((1, self.maps, 4, 4, 4), 0.5), None)


@pytest.fixture
def follow(stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Follows a training of made curves from epoch `begun` to `end`, in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def run(*names: str, begun: int = 0, end: int = 3, row: tuple[str, bool, int] = ("abn", False, 0)) -> None:
        params = asked(*names)
        network = Network({"abn": 1, "mha": 3, "plain": 0}[row[0]])
        clips, fabric = split(stores, "test", params), make_fabric(params)
        with Trackers(Run(params, *row), clips, fabric, OWN, begun, lambda epoch: {"lr_backbone": 0.1}) as trackers:
            for epoch in range(begun + 1, end + 1):
                trackers.log(ROWS[:epoch], network)
                assert network.training

    return run


def test_maps_are_of_the_same_videos_in_all_rows_and_seeds(
    follow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_made(monkeypatch)
    found = {}
    for row in (("mha", True, 0), ("abn", False, 1), ("plain", False, 0)):
        follow("tensorboard", end=1, row=row)
        (line,) = written(OWN)  # each is a training that begins again
        found[row[0]] = line["shapes"]
        assert line["scalars"] == {"loss/total": 4.0, "top1/val": 10.0, "lr/backbone": 0.1}
    videos = ["v10", "v11", "v8", "v9"]
    assert list(found["mha"]) == [f"M_{letter}/{video}" for video in videos for letter in "uob"]
    assert list(found["abn"]) == [f"M_u/{video}" for video in videos]
    assert found["plain"] == {}  # no attention branch
    assert set(map(tuple, found["abn"].values())) == {(2 * 32 + 2, 4 * 32 + 3 * 2, 3)}


def test_a_tracker_that_joins_gets_the_curves_of_before(
    follow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_made(monkeypatch)
    follow("tensorboard", end=2)
    follow("tensorboard", "wandb", begun=2)
    assert [(line["epoch"], bool(line["shapes"])) for line in written(OWN)] == [(1, True), (2, True), (3, True)]
    joined = written(OWN, "wandb")
    assert [(line["epoch"], bool(line["shapes"])) for line in joined] == [(1, False), (2, False), (3, True)]
    assert joined[0]["scalars"] == written(OWN)[0]["scalars"]


def test_a_training_that_begins_again_has_a_new_log(
    follow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = use_made(monkeypatch)
    follow("tensorboard")
    follow("tensorboard", begun=1, end=2)  # its checkpoint was older than the log
    assert [line["epoch"] for line in written(OWN)] == [1, 2]
    for damaged in ("{", '{"tensorboard": "two"}'):
        (OWN / trackers.NOTE).write_text(damaged)
        follow("tensorboard", end=1)
        assert [line["epoch"] for line in written(OWN)] == [1]
    assert len({each["number"] for each in opened}) == 4


@pytest.mark.parametrize(("failed", "code"), [(False, 0), (True, 1)])
def test_wandb_is_told_how_a_training_ended(monkeypatch: pytest.MonkeyPatch, failed: bool, code: int) -> None:
    codes: list[int] = []
    run = SimpleNamespace(finish=lambda exit_code: codes.append(exit_code))
    made = SimpleNamespace(init=lambda **settings: run, Settings=dict)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setitem(sys.modules, "wandb", made)
    open_recorder("wandb", Path(), title="a/seed-0", first=1, number="1", notes={}).close(failed=failed)
    assert codes == [code]


def failing(moment: str) -> type[Made]:
    class Failing(Made):
        def __init__(self, *values: Any) -> None:
            super().__init__(*values)
            if moment == "open":
                raise PermissionError("not\nallowed")

        def write(self, epoch: int, *values: Any) -> None:
            super().write(epoch, *values)
            if moment == "write" and epoch == 2:
                raise OSError("no space left")

        def close(self, *, failed: bool) -> None:
            if moment == "close":
                raise RuntimeError("broken pipe")
            super().close(failed=failed)

    return Failing


@pytest.mark.parametrize(
    ("moment", "line", "times"),
    [
        ("open", "tensorboard: the training goes on without it (PermissionError: not allowed)", 1),
        ("write", f"tensorboard: epoch 2 is not whole in {OWN} (OSError: no space left)", 1),
        ("close", "tensorboard: the end of the log may be missing (RuntimeError: broken pipe)", 1),
        ("draw", f"epoch 1 has no maps in {OWN} (ValueError: no frames)", 3),
        ("note", "tensorboard: epoch 1 may be there twice if the training is interrupted (OSError: full)", 3),
    ],
)
def test_a_fault_in_passing_is_one_line(
    follow: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    moment: str, line: str, times: int,
) -> None:  # fmt: skip
    use_made(monkeypatch, failing(moment))

    def fail(error: Exception) -> Callable[..., None]:
        def raise_it(*_: Any) -> None:
            raise error

        return raise_it

    if moment == "draw":
        monkeypatch.setattr(fixed_clips, "picture", fail(ValueError("no frames")))
    if moment == "note":
        monkeypatch.setattr(trackers, "write_text", fail(OSError("full")))
    follow("tensorboard")
    warnings = [said for said in capsys.readouterr().out.splitlines() if said.startswith("warning")]
    assert warnings[0] == f"warning: {line}"
    assert len(warnings) == times
    if moment != "open":
        assert [each["epoch"] for each in written(OWN)] == [1, 2, 3]


def test_the_check_finds_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "wandb" else object())
    assert missing_packages(["tensorboard", "wandb"]) == ["wandb"]
    assert tracker_findings("own", asked()) == []
    (there,) = tracker_findings("own", asked("tensorboard"))
    assert (there.level, there.line) == ("ok", "datasets.own.machine.trackers: tensorboard")
    (lacks,) = tracker_findings("own", asked("tensorboard", "wandb"))
    assert (lacks.level, lacks.stage) == ("fault", "train")
    assert lacks.line.startswith("datasets.own.machine.trackers: expected wandb to be installed, found no such package")


def test_the_order_of_a_table_is_of_no_account() -> None:
    names = [f"video {number:02}" for number in range(30)]
    mixed = random.Random(0).sample(names, 30)
    assert [names[at] for at in fixed_videos(names)] == [f"video {number:02}" for number in (0, 10, 19, 29)]
    assert [mixed[at] for at in fixed_videos(mixed)] == [names[at] for at in fixed_videos(names)]
    assert fixed_videos(["one"]) == [0]


def test_a_picture_has_frames_above_and_the_map_below() -> None:
    frames = torch.full((20, 3, 32, 32), 100.0)
    frames[:, 0, :, :16] = 200
    maps = torch.zeros(20, 4, 4)
    maps[:, :, 2:] = 1
    drawn = picture(frames, maps)
    assert drawn.shape == (2 * 32 + 2, 8 * 32 + 7 * 2, 3)
    assert drawn[16, 2].tolist() == [200, 100, 100]
    assert drawn[16, 30].tolist() == [100, 100, 100]
    assert (drawn[:, 32:34] == 255).all()  # white between them
    low, high = drawn[34 + 16, 1].astype(int), drawn[34 + 16, 30].astype(int)  # over greys of 133 and 100
    assert np.abs(low - (0.45 * 400 / 3 + 0.55 * np.array([48, 18, 59]))).max() <= 1  # turbo's ends
    assert np.abs(high - (0.45 * 100 + 0.55 * np.array([122, 4, 3]))).max() <= 1


def draw() -> tuple[float, float, float]:
    return float(torch.rand(1)), random.random(), float(np.random.rand())  # noqa: NPY002


def test_what_a_training_draws_from_is_put_back() -> None:
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2).eval())
    with undisturbed(network, torch.device("cpu")):
        expected = draw()
    with undisturbed(network, torch.device("cpu")):
        network.eval()
        draw()
    assert [module.training for module in network] == [True, False]
    assert draw() == expected


def in_each(stores: Path, params: Dataset, place: Path) -> None:
    os.chdir(place)
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patched:
        use_made(patched)
        trained(stores, params)


@pytest.mark.slow
def test_of_two_processes_the_first_writes(stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = []
    for names in ([], ["tensorboard"]):
        place = tmp_path / str(len(names))
        place.mkdir()
        run_in_processes(2, in_each, stores, asked(*names, devices=2, epochs=2), place)
        found.append([(place / "run" / name).read_bytes() for name in FILES])
    assert found[0] == found[1]
    assert [line["epoch"] for line in written(tmp_path / "1" / OWN)] == [1, 2]
    assert json.loads((tmp_path / "1" / OWN / trackers.NOTE).read_text())["tensorboard"] == 2
