"""A run with a network a fold: each is trained on the other folds, and a kill costs no finished network."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.clips.dataset import open_split
from objabn.evaluation.evaluate import evaluate_run
from objabn.evaluation.kept_maps import read_maps
from objabn.evaluation.results import read_results
from objabn.evaluation.trained import find_run, load_trained
from objabn.evaluation.training_notes import training_notes
from objabn.model.run import Run
from objabn.system.files import file_digest
from objabn.training.folds import make_networks, mean_curves
from objabn.training.launcher import Place
from objabn.training.make import Making
from objabn.training.run_clips import training_clips
from tests.helpers.checkout import wait_for, write_frames
from tests.helpers.clones import edit_params
from tests.helpers.survival import RUN, Training, new_checkout, printed
from tests.helpers.training import changed

pytestmark = pytest.mark.usefixtures("one_thread")

FOLDS = ("fold-1", "fold-2")
OF_FOLD = {fold: [f"v{number:03}" for number in range(at, 24, 2)] for at, fold in enumerate(FOLDS)}


def checkout_of_folds(folder: Path, made: Path) -> Training:
    checkout = new_checkout(folder, made)
    write_frames(folder / "data/synthetic/frames", range(24), 20, splits=FOLDS)
    edit_params(folder, use_one_seed)
    return checkout


def use_one_seed(values: dict) -> None:
    values["table"]["seeds"] = [3]
    values["datasets"]["synthetic"]["train"]["epochs"] = 2
    values["datasets"]["synthetic"]["eval"]["ranking_videos"] = 3


def content(checkout: Training) -> dict[str, str]:
    directory = checkout.folder / RUN
    weights = {fold: file_digest(directory / fold / "model.safetensors") for fold in FOLDS}
    return weights | {"curves": (directory / "curves.csv").read_text()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, made: Path, one_thread: None) -> Training:
    checkout = checkout_of_folds(tmp_path_factory.mktemp("folds") / "checkout", made)
    out = checkout.run()
    assert out.index("fold-1, of 2 folds") < out.index("epoch 2/2") < out.index("fold-2, of 2 folds")
    return checkout


def test_each_network_learns_from_the_other_folds(trained: Training) -> None:
    directory = trained.folder / RUN
    assert sorted(path.name for path in directory.iterdir()) == ["curves.csv", *FOLDS]
    assert [json.loads((directory / fold / "run.json").read_text())["fold"] for fold in FOLDS] == list(FOLDS)
    assert not trained.units()
    assert not trained.strays()
    curves = [pd.read_csv(directory / fold / "curves.csv") for fold in FOLDS]
    mean = pd.read_csv(directory / "curves.csv")
    assert mean["epoch"].tolist() == [1, 2]
    np.testing.assert_allclose(mean["val_top1"], (curves[0]["val_top1"] + curves[1]["val_top1"]) / 2)
    assert list(mean) == list(curves[0])
    notes = training_notes({3: directory})
    assert notes["curves"]["3"]["loss"] == mean["loss"].round(6).tolist()
    assert notes["epochs"] == {"3": 2}
    assert find_run(directory.parent) == (directory / "fold-1", "the first of 2 folds")

    params = load_trained(directory / "fold-1").params
    frames = trained.folder / "data/synthetic/frames"
    for own, other in (FOLDS, FOLDS[::-1]):
        sides = {split: open_split(split, params, frames, None, seed=0, fold=own) for split in ("train", "test")}
        assert sides["train"].table["video"].tolist() == OF_FOLD[other]
        assert sides["test"].table["video"].tolist() == OF_FOLD[own]


def test_a_kill_between_two_networks_costs_none(trained: Training, tmp_path: Path, made: Path) -> None:
    checkout = checkout_of_folds(tmp_path / "checkout", made)
    process = checkout.start()
    second = checkout.folder / "runs/synthetic/locks/mha-pc-true-seed-3-fold-2"
    wait_for(lambda: second.exists() or process.poll() is not None)
    process.kill()
    process.communicate()
    shutil.rmtree(checkout.folder / RUN)  # as DVC does before it runs the stage again
    again = checkout.run()
    assert f"{RUN}/fold-1: trained before; found in the side cache" in again
    assert "fold-2, of 2 folds" in again
    assert content(checkout) == content(trained)
    assert not checkout.units()


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="stops a process and looks it up in /proc")
def test_a_second_process_waits_for_all_networks(trained: Training, tmp_path: Path, made: Path) -> None:
    checkout = checkout_of_folds(tmp_path / "checkout", made)
    first = checkout.start()
    wait_for(lambda: checkout.units() or first.poll() is not None)
    first.send_signal(signal.SIGSTOP)  # held until the second one waits
    second = checkout.start()
    assert second.stdout is not None
    waits = "runs/synthetic/locks/mha-pc-true-seed-3: another process is at work here; waiting for it to end"
    assert second.stdout.readline().strip() == waits
    first.send_signal(signal.SIGCONT)
    printed(first)
    assert f"{RUN}: finished by the process that this one waited for" in printed(second)
    assert content(checkout) == content(trained)
    assert not checkout.units()


def test_every_video_is_tested_once_by_the_network_that_has_not_seen_it(trained: Training) -> None:
    printed(trained.start("stages.evaluate", "synthetic", "--attention", "mha", "--pc", "true"))
    result = trained.folder / "results/synthetic/mha/pc-true.parquet"
    table = read_results(result, ["video", "seed", "confidence", "insertion_o"])
    assert table["video"].tolist() == [*OF_FOLD["fold-1"], *OF_FOLD["fold-2"]]
    assert set(table["seed"]) == {3}
    assert table["insertion_o"].notna().sum() == 4  # three, shared by two networks
    kept = read_maps(result.with_suffix(".npz"))
    assert kept.videos.tolist() == table["video"].tolist()

    data = trained.folder / "data/synthetic"
    run = load_trained(trained.folder / RUN / "fold-2")
    clips = open_split("test", run.params, data / "frames", data / "masks", seed=3, fold="fold-2",
                       evaluation=run.params.eval)  # fmt: skip
    by_hand = pd.concat(evaluate_run(run.model, "mha", clips, run.params))
    np.testing.assert_allclose(table["confidence"].iloc[12:], by_hand["confidence"], rtol=1e-5)


@pytest.mark.parametrize(("nodes", "place", "got"), [(2, None, "train.nodes 2"), (1, Place(0, 2), "a launcher")])
def test_networks_of_folds_train_on_one_machine(nodes: int, place: Place | None, got: str, tmp_path: Path) -> None:
    making = Making(changed(train={"nodes": nodes}), str, dict, tmp_path, tmp_path, tmp_path)
    with pytest.raises(ValueError, match=f"^folds: expected one machine and no launcher .* 2 folds, got {got}$"):
        make_networks(FOLDS, lambda fold: making, tmp_path, tmp_path / "lock", place)


def test_curves_have_the_means_over_the_folds(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("epoch,loss,val_top1\n1,4.0,10.0\n2,3.0,\n")
    (tmp_path / "2").write_text("epoch,loss,val_top1\n1,2.0,20.0\n2,2.0,30.0\n")
    assert mean_curves([tmp_path / "1", tmp_path / "2"]) == "epoch,loss,val_top1\n1,3.0,15.0\n2,2.5,30.0\n"


def test_a_share_of_the_recordings_is_trained_on(trained: Training) -> None:
    frames, masks = (trained.folder / "data/synthetic" / name for name in ("frames", "masks"))
    params = load_trained(trained.folder / RUN / "fold-1").params
    half = params.model_copy(update={"train": params.train.model_copy(update={"share": 0.5})})

    def groups(rows: pd.DataFrame) -> pd.Series:
        """Two videos a recording: v001 and v003, v005 and v007 ..."""
        return pd.Series((rows["video"].str[1:].astype(int) // 4).astype(str).to_numpy(), rows["video"])

    chosen = {}
    for seed in (0, 1):
        clips = training_clips(Run(half, "mask", False, seed, fold="fold-1"), frames, masks, groups)
        chosen[seed] = clips.table["video"].tolist()
        assert len(clips) == 6
        assert set(chosen[seed]) < set(OF_FOLD["fold-2"])
        assert len({int(video[1:]) // 4 for video in chosen[seed]}) == 3
    assert chosen[0] != chosen[1]
    everything = training_clips(Run(params, "mask", False, 0, fold="fold-1"), frames, masks, groups)
    assert everything.table["video"].tolist() == OF_FOLD["fold-2"]
