"""What the demo offers: the checkout's finished runs, what the command line names, and example videos."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from objabn.config.schema import Dataset
from objabn.demo import offers as offers_module
from objabn.demo.offers import Networks, Offer, bring_examples, choose_offers, found_runs, torchvision_offers
from objabn.evaluation.trained import SHIPPED
from objabn.synthetic.scenes import ACTIONS
from objabn.video.read import read_video
from objabn.video.write import write_video
from tests.helpers.runs import parameters, write_run
from tests.helpers.videos import moving_bar


@pytest.fixture
def checkout(tmp_path: Path, synthetic: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows of two data sets and a control; locks, a training that has not ended; no weights of torchvision's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    write_run(tmp_path / "one", parameters(synthetic), "mask")
    rows = (
        "ds/mask/pc-true/seed-3",
        "ds/mask/pc-true/seed-12",
        "ds/mha/pc-false",
        "ds/controls/plain/seed-0",
        "b/abn/pc-false",
    )
    for row in rows:
        shutil.copytree(tmp_path / "one", tmp_path / "runs" / row)
    shutil.copytree(tmp_path / "one", tmp_path / "runs/ds/abn/pc-false/seed-0")
    (tmp_path / "runs/ds/abn/pc-false/seed-0/run.json").unlink()
    (tmp_path / "runs/ds/locks/mask-pc-true-seed-3").mkdir(parents=True)
    return tmp_path


def names(offers: list[Offer]) -> list[str]:
    return [offer.name for offer in offers]


def test_the_checkouts_finished_runs_and_the_packages_own(checkout: Path) -> None:
    offers = choose_offers(checkout, [], [])
    found = ["abn (b)", "mha (ds)", "mask + PC (ds)", "plain (ds)"]
    assert names(offers) == [*found, "eight drawn actions"]
    assert offers[2].about == "The run runs/ds/mask/pc-true/seed-3, the lowest of 2 seeds."
    assert offers[2].load("cpu").directory == checkout / "runs/ds/mask/pc-true/seed-3"
    assert [offer.warning for offer in offers[:4]] == [""] * 4
    assert all(action in offers[4].warning for action in ACTIONS)
    assert offers[4].load("cpu").directory == SHIPPED


def test_without_a_checkout_the_packages_own_run_alone(checkout: Path) -> None:
    assert names(choose_offers(None, [], [])) == ["eight drawn actions"]
    assert found_runs(checkout / "torch") == []


def test_what_is_named_is_all_that_is_offered(checkout: Path) -> None:
    run = checkout / "runs/ds/mask/pc-true"
    offers = choose_offers(checkout, [run, run], ["torchvision:r3d_18"], "random")
    assert names(offers) == [run.as_posix(), "torchvision:r3d_18"]
    assert "random" in offers[1].warning
    assert choose_offers(checkout, [], ["a.py:f"])[0].warning == ""


def test_weights_of_torchvision_that_are_there_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert torchvision_offers() == []
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    (tmp_path / "hub/checkpoints/r3d_18-b3b3357e.pth").touch()
    assert names(torchvision_offers()) == ["torchvision:r3d_18"]


@pytest.mark.parametrize(
    ("runs", "models", "weights", "message"),
    [
        (["runs/ds"], [], None, "run runs/ds: expected a run's directory"),
        (["runs/ds/abn/pc-false"], [], None, "expected a finished run, found no run.json"),
        ([], [], "w.pth", "--weights: expected one --model beside it, got 0"),
        ([], ["a.py:f", "b.py:f"], "w.pth", "--weights: expected one --model beside it, got 2"),
    ],
)
def test_faults_of_the_command_line(
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    runs: list[str],
    models: list[str],
    weights: str | None,
    message: str,
) -> None:
    monkeypatch.chdir(checkout)
    with pytest.raises(ValueError, match=message):
        choose_offers(None, [Path(run) for run in runs], models, weights)


def test_only_what_is_offered_can_be_loaded_and_few_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers_module, "KEPT", 2)
    loaded: list[str] = []

    def offer(name: str) -> Offer:
        return Offer(name, "", lambda device: loaded.append(f"{name} {device}") or name)  # type: ignore[func-returns-value,return-value]

    networks = Networks([offer(name) for name in "abc"], "cpu")
    with pytest.raises(ValueError, match="expected one that the page offers, got '/etc/evil"):
        networks.load("/etc/evil.py:load")
    for name in "abacab":  # c takes the place of b
        networks.load(name)
    assert loaded == ["a cpu", "b cpu", "c cpu", "b cpu"]


def test_examples_are_the_embedded_test_videos(tmp_path: Path) -> None:
    for name in ("kick/kick_test_003", "kick/kick_test_011", "kick/kick_train_000", "walk/walk_test_000"):
        write_video(tmp_path / f"data/synthetic/videos/{name}.mp4", moving_bar(3 + int(name[-1])))
    examples = bring_examples(tmp_path, tmp_path / "examples")
    assert list(examples) == ["kick", "walk"]
    assert len(read_video(examples["kick"])[0]) == 6
    assert len(read_video(examples["walk"])[0]) == 3


def test_examples_are_drawn_where_there_are_none(tmp_path: Path) -> None:
    examples = bring_examples(None, tmp_path / "examples")
    assert tuple(examples) == ACTIONS
    first, other = (read_video(examples[name])[0] for name in ("kick", "wave"))
    assert first.shape[1:] == (120, 160, 3)
    assert np.abs(first[0].astype(int) - other[0]).mean() > 5
