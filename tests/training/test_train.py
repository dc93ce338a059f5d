"""Training and evaluation of a tiny network on a store of random frames."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.optimizer import register_optimizer_step_pre_hook

from objabn.clips.batches import clip_tensors, loader
from objabn.config.rows import LOSSES, MAPS, evaluated_maps
from objabn.config.schema import Dataset
from objabn.evaluation.evaluate import evaluate_run
from objabn.evaluation.trained import load_trained
from objabn.model.device import make_fabric
from objabn.model.run import Run, build_model, run_record, save_run
from objabn.model.x3d import x3d_blocks
from objabn.training.optimiser import make_optimiser
from objabn.training.schedule import learning_rate
from objabn.training.tally import TrainingError
from objabn.training.train import train, train_and_save
from tests.helpers.training import PARAMS, changed, split

ROWS = [*((attention, pc) for attention in LOSSES for pc in (False, True)), ("plain", False)]


def run(
    stores: Path, directory: Path, attention: str = "mask", pc: bool = True, params: Dataset = PARAMS, seed: int = 0
):
    directory.mkdir(exist_ok=True)
    sets = split(stores, "train", params), split(stores, "test", params)
    return train(Run(params, attention, pc, seed), *sets, directory)


@pytest.mark.parametrize(("attention", "pc"), ROWS)
def test_a_row_trains_saves_loads_and_evaluates(stores: Path, tmp_path: Path, attention: str, pc: bool) -> None:
    network, timing = run(stores, tmp_path, attention, pc)
    assert timing["train_seconds"] > 0
    terms = {"perception", "attention"} | ({attention} - {"abn"}) | ({"pc"} if pc else set())
    if attention == "plain":
        terms = {"perception"}
    shares = {f"gradient_{term}" for term in terms} if attention != "plain" else set()
    curves = pd.read_csv(tmp_path / "curves.csv")
    assert set(curves) == {"epoch", "loss", "train_top1", "val_top1"} | terms | shares
    if shares:
        np.testing.assert_allclose(curves[sorted(shares)].sum(axis=1), 1, rtol=1e-5)
    assert len(curves) == 2

    inputs = [stores / "frames/videos.csv"]
    save_run(tmp_path, network, run_record(Run(PARAMS, attention, pc, 0), ["a", "b", "c"], inputs))
    trained = load_trained(tmp_path)
    loaded = trained.model
    assert (trained.attention, trained.record["pc"], trained.class_names) == (attention, pc, ("a", "b", "c"))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=0, atol=0)

    test_set = split(stores, "test")
    results = pd.concat(evaluate_run(loaded, attention, test_set, PARAMS))
    assert results["video"].tolist() == ["v8", "v9", "v10", "v11", "v12"]
    assert results["top1"].sum() == (results["label"] == results["predicted"]).sum()
    assert results["top5"].tolist() == [1] * 5  # of three classes
    names = evaluated_maps(attention)
    of_maps = [name.removeprefix("entropy_object_") for name in results if name.startswith("entropy_object_")]
    assert [name for name in of_maps if not name.startswith("at_")] == list(names)
    assert [name for name in results if name.startswith("top1_")] == [
        f"top1_{name}" for name in ("attention", "even", "other", "masks", "truth") if MAPS[attention]
    ]
    for name in names:
        assert results[f"iou_fit_{name}"].equals(results[f"iou_truth_{name}"])  # the same masks, whole cells
    assert float(curves["val_top1"].iloc[-1]) == pytest.approx(100 * results["top1"].mean())


def test_the_same_seed_gives_the_same_weights_and_another_one_others(stores: Path, tmp_path: Path) -> None:
    states = [run(stores, tmp_path / str(at), seed=seed)[0].state_dict() for at, seed in enumerate((0, 0, 1))]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])
    assert (tmp_path / "0/curves.csv").read_text() == (tmp_path / "1/curves.csv").read_text()


@pytest.mark.parametrize("accumulate", [2, 3])
def test_a_step_follows_the_mean_gradient_of_several_batches(stores: Path, tmp_path: Path, accumulate: int) -> None:
    """Four batches an epoch, so with three the epoch's last step follows one. By hand, from the gradients' mean."""
    params = changed(train={"batch_size": 2, "epochs": 1, "accumulate": accumulate})
    network, _ = run(stores, tmp_path, "abn", False, params)

    make_fabric(params).seed_everything(0, verbose=False)
    expected, train_set = build_model(Run(params, "abn", False, 0), 3), split(stores, "train", params)
    adam = torch.optim.Adam([value for value in expected.parameters() if value.requires_grad], lr=1e-3, fused=True)
    batches = list(loader(train_set, 2, workers=0, seed=0, epoch=0, shuffle=True))
    for start in range(0, 4, accumulate):
        step = batches[start : start + accumulate]
        for batch in step:
            output = expected(clip_tensors(batch, 32))
            losses = [cross_entropy(logits, batch["label"]) for logits in output[:2]]
            (sum(losses) / len(step)).backward()
        adam.step()
        adam.zero_grad()
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("report", "epoch"), [("last", 3), ("best", 2)])
def test_a_run_says_whose_epochs_weights_it_has(
    stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    report: str, epoch: int,
) -> None:  # fmt: skip
    top1 = iter([70.0, 90.0, 90.0])  # of equal ones the first
    monkeypatch.setattr("objabn.training.train.validate", lambda *arguments: next(top1))
    params = changed(train={"epochs": 3, "report": report})
    run_ = Run(params, "abn", False, 0)
    sets = split(stores, "train", params), split(stores, "test", params)
    train_and_save(run_, *sets, tmp_path, None, run_record(run_, ["a", "b", "c"], []))
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["epoch"], record["params"]["train"]["report"]) == (epoch, report)
    assert (record["device"], record["precision"]) == ("cpu", "32-true")
    assert capsys.readouterr().out.startswith(f"on the CPU, 32-true, {torch.get_num_threads()} thread")


def test_a_process_takes_the_threads_that_it_is_told() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        make_fabric(PARAMS)
        assert torch.get_num_threads() == 2
        make_fabric(changed(train={"threads": 1}))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_waiting_for_data_is_told(stores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, timing = run(stores, tmp_path)
    assert 0 < timing["data_wait_seconds"] < timing["train_seconds"]
    share = float(re.findall(r"clips/s, ([\d.]+)% waiting for data", capsys.readouterr().out)[-1])
    assert share == pytest.approx(100 * timing["data_wait_seconds"] / timing["train_seconds"], abs=2)


def test_a_loss_that_is_not_finite_stops_with_the_term_and_the_videos(stores: Path, tmp_path: Path) -> None:
    params = changed(train={"lr": 1e30, "epochs": 5})
    with pytest.raises(TrainingError, match=r"loss .*not finite in epoch \d; videos of the batch: v\d, v\d") as error:
        run(stores, tmp_path, params=params)
    assert "\n" not in str(error.value)


def test_centroids_may_have_their_own_learning_rate(stores: Path, tmp_path: Path) -> None:
    moved = {}
    for rate in (None, 0.5):
        params = changed(train={"centroid_lr": rate, "epochs": 1})
        torch.manual_seed(0)
        moved[rate] = run(stores, tmp_path, params=params)[0].centroids
    torch.manual_seed(0)
    start = build_model(Run(PARAMS, "mask", True, 0), 3).centroids
    assert (moved[None] - start).abs().max() < 0.01
    assert (moved[0.5] - start).abs().max() > 0.3


def test_two_sets_of_centroids_have_rates_of_their_own(stores: Path, tmp_path: Path) -> None:
    rates = {"centroid_lr": 1e-30, "push_centroid_lr": 0.5}
    params = changed(train={"pc_centroids": "two", **rates, "epochs": 1}, loss_weights={"pc": 1.0})
    torch.manual_seed(0)
    network = run(stores, tmp_path, params=params)[0]
    torch.manual_seed(0)
    start = build_model(Run(params, "mask", True, 0), 3)
    assert torch.equal(network.centroids, start.centroids)
    assert (network.push_centroids - start.push_centroids).abs().max() > 0.3


def test_weight_decay_shrinks_weights_and_leaves_centroids_alone(stores: Path, tmp_path: Path) -> None:
    decays = {}
    for decay in (0.0, 10.0):
        optimiser = make_optimiser(build_model(Run(PARAMS, "mask", True, 0), 3), changed(train={"weight_decay": decay}))
        decays[decay] = [group["weight_decay"] for group in optimiser.param_groups]
    assert decays == {0.0: [0, 0, 0], 10.0: [10, 10, 0]}


@pytest.fixture
def rates() -> Iterator[list[list[float]]]:
    """Learning rates at each step: of the backbone, the new layers, the centroids."""
    seen: list[list[float]] = []
    hook = register_optimizer_step_pre_hook(
        lambda optimiser, *_: seen.append([group["lr"] for group in optimiser.param_groups])
    )
    yield seen
    hook.remove()


CONSTANT, COSINE = [1, 1, 1, 1], [1, 0.853553, 0.5, 0.146447]  # 0.5 + 0.5 cos(0, 45, 90, 135 degrees)


@pytest.mark.parametrize(
    ("schedule", "shares", "new_layers_lr", "centroid_lr", "peaks"),
    [
        ("constant", CONSTANT, None, None, [2, 2, 2]),
        ("constant", CONSTANT, 5.0, None, [2, 5, 2]),
        ("cosine", COSINE, None, 3.0, [2, 2, 3]),
        ("cosine", COSINE, 5.0, 3.0, [2, 5, 3]),
    ],
)
def test_rates_of_four_steps_by_hand(
    stores: Path, tmp_path: Path, rates, schedule, shares, new_layers_lr, centroid_lr, peaks
) -> None:
    given = {"lr": 2.0, "new_layers_lr": new_layers_lr, "centroid_lr": centroid_lr}
    scaled = {name: None if value is None else value * 1e-4 for name, value in given.items()}
    run(stores, tmp_path, params=changed(train={**scaled, "schedule": schedule, "batch_size": 3}))  # 3 + 3 of 8 clips
    expected = [[share * peak * 1e-4 for peak in peaks] for share in shares]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


def test_cosine_is_the_schedule_of_all_steps(stores: Path, tmp_path: Path, rates) -> None:
    params = changed(train={"schedule": "cosine", "batch_size": 2, "epochs": 10, "new_layers_lr": 5e-3})
    run(stores, tmp_path, "plain", False, params)
    expected = [[learning_rate(step, 40, peak) for peak in (1e-3, 5e-3)] for step in range(1, 41)]
    np.testing.assert_allclose(rates, expected, rtol=1e-9)
    assert rates[0][0] == pytest.approx(5e-4)  # half way up: two steps of 40


def test_the_new_layers_rate_reaches_exactly_them(stores: Path, tmp_path: Path) -> None:
    params = changed(train={"lr": 1e-30, "new_layers_lr": 1e-2, "epochs": 1})
    torch.manual_seed(0)
    start = dict(build_model(Run(params, "mha", True, 0), 3).named_parameters())
    network, _ = run(stores, tmp_path, "mha", params=params)
    moved = {name for name, value in network.named_parameters() if (value - start[name]).abs().max() > 1e-4}
    new = {id(value) for layer in network.new_layers() for value in layer.parameters()}
    assert moved == {name for name, value in network.named_parameters() if id(value) in new}
    assert {name.split(".")[0] for name in moved} == {"attention_branch", "mixer", "perception_branch"}


def test_frozen_blocks_stay_pretrained_through_training_and_loading(stores: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    blocks = x3d_blocks(num_classes=5, num_frames=4, crop=32, width_factor=1.0, depth_factor=1.0, dropout=0.5)
    state = nn.Sequential(*blocks).state_dict(prefix="blocks.")
    torch.save({"model_state": state}, tmp_path / "backbone.pyth")
    params = changed(model={"pretrained": str(tmp_path / "backbone.pyth"), "frozen": "stem"})
    network, _ = run(stores, tmp_path, params=params)  # two epochs, with validation in between
    save_run(tmp_path, network, run_record(Run(params, "mask", True, 0), ["a", "b", "c"], []))
    (tmp_path / "backbone.pyth").unlink()
    loaded = load_trained(tmp_path).model
    for trained in (network, loaded):
        assert all(
            torch.equal(value, state[f"blocks.0.{name}"]) for name, value in trained.extractor[0].state_dict().items()
        )
        assert not any(weight.requires_grad for weight in trained.extractor[0].parameters())
        moved = [
            not torch.equal(weight, state[f"blocks.1.{name}"])
            for name, weight in trained.extractor[1].named_parameters()
        ]
        assert all(moved)


def test_a_missing_device_is_a_clear_fault() -> None:
    with pytest.raises(ValueError, match="expected auto or cpu on a machine without a CUDA device, got cuda"):
        make_fabric(changed(train={"accelerator": "cuda"}))


def test_no_usable_video_is_a_clear_fault(stores: Path) -> None:
    with pytest.raises(ValueError, match="expected at least one usable validation video, found none"):
        split(stores, "validation")


@pytest.mark.parametrize("variables", [
    {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "wrap", "SLURM_PROCID": "1"},
    {"LOCAL_RANK": "1", "NODE_RANK": "1", "RANK": "3", "WORLD_SIZE": "4"},
])  # fmt: skip
def test_one_process_is_alone_whatever_a_clusters_variables_say(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    fabric = make_fabric(PARAMS)
    assert (fabric.global_rank, fabric.world_size, fabric.is_global_zero) == (0, 1, True)
