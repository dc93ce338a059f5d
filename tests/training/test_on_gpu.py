"""Training on a GPU: the CPU's numbers, bf16, an interruption, two GPUs. `pytest -m gpu`"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from objabn.config.rows import MAPS
from objabn.config.schema import Dataset, LossWeights
from objabn.model.network import ObjectABN
from objabn.model.run import Run
from objabn.system.cache import Cache
from objabn.training.checkpoint import Checkpoint
from objabn.training.losses import total_loss
from objabn.training.processes import run_in_processes
from objabn.training.train import train
from tests.helpers.interruptions import KEY, interruption
from tests.helpers.precision import without_tf32
from tests.helpers.training import BLOCK, changed, split

pytestmark = pytest.mark.gpu

GPU = "cuda"
ALWAYS = 1e-9  # minutes between two checkpoints within an epoch
SETTINGS = {"schedule": "cosine", "batch_size": 2, "epochs": 3}  # four batches an epoch


def computed(network: ObjectABN, attention: str, device: str) -> tuple[float, Tensor, Tensor]:
    """Loss, all gradients in a row and maps of four clips, on the CPU."""
    draw = torch.Generator().manual_seed(1)
    clips, labels = torch.randn(4, 3, 4, 32, 32, generator=draw), torch.tensor([0, 1, 2, 1])
    union = (torch.rand(4, 4, 4, 4, generator=draw) < 0.3).float()
    network.to(device).train()
    output = network(clips.to(device))
    loss, _ = total_loss(
        output,
        labels.to(device),
        attention=attention,
        union_masks=union.to(device),
        centroids=network.class_centroids,
        weights=LossWeights(**BLOCK["loss_weights"]),
    )
    loss.backward()
    gradients = [value.grad.flatten().cpu() for value in network.parameters() if value.grad is not None]
    return loss.item(), torch.cat(gradients), output.maps.detach().cpu()


@pytest.fixture
def _no_tf32() -> Iterator[None]:
    with without_tf32():
        yield


@pytest.mark.usefixtures("_no_tf32")
@pytest.mark.parametrize("attention", MAPS)
def test_loss_gradients_and_maps_are_the_cpus(make_model: Callable, attention: str) -> None:
    settings = {"attention": attention, "pc": attention != "plain", "dropout": 0.0}
    expected, found = (computed(make_model(**settings), attention, device) for device in ("cpu", GPU))
    assert found[0] == pytest.approx(expected[0], rel=1e-3)
    assert torch.cosine_similarity(found[1], expected[1], dim=0) > 0.999
    torch.testing.assert_close(found[2], expected[2], atol=1e-3, rtol=0)


def trained(stores: Path, directory: Path, params: Dataset, **settings: object) -> pd.DataFrame:
    """Train mha with the PC loss; its curves."""
    directory.mkdir(exist_ok=True, parents=True)
    sets = split(stores, "train", params), split(stores, "test", params)
    network, timing = train(Run(params, "mha", True, 0), *sets, directory, **settings)
    assert (timing["device"] == "cpu") == (params.train.accelerator == "cpu")
    assert all(value.isfinite().all() for value in network.state_dict().values())
    return pd.read_csv(directory / "curves.csv")


@pytest.mark.parametrize(("precision", "most"), [("32-true", 0.01), ("bf16-mixed", 0.05)])
def test_the_first_epoch_is_the_cpus(stores: Path, tmp_path: Path, precision: str, most: float) -> None:
    """Later epochs drift apart: Adam makes large steps of small gradients."""
    one, other = (
        trained(stores, tmp_path / device, changed(model={"dropout": 0.0}, train={**SETTINGS, **each}))
        for device, each in (
            ("cpu", {"accelerator": "cpu"}),
            ("gpu", {"accelerator": GPU, "precision": precision}),
        )
    )
    assert other["loss"][0] == pytest.approx(one["loss"][0], rel=most)
    assert len(other) == 3


def test_an_interrupted_training_goes_on(stores: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """From the second batch of the second epoch, with its optimiser and its dropout."""
    params = changed(train={**SETTINGS, "accelerator": GPU})
    undisturbed = trained(stores, tmp_path / "undisturbed", params)
    checkpoint = Checkpoint(Cache(tmp_path / "cache"), KEY, ALWAYS)
    with interruption(7):
        trained(stores, tmp_path / "run", params, checkpoint=checkpoint)
    torch.manual_seed(99)  # what the next process starts with
    capsys.readouterr()
    found = trained(stores, tmp_path / "run", params, checkpoint=checkpoint)
    said = capsys.readouterr().out.splitlines()[1]  # behind the device's line
    # Where values are read seldom, checkpoints within an epoch are seldom, too.
    assert said in ("goes on after 6 of 12 batches", "goes on after 4 of 12 batches")
    assert found["loss"].tolist() == pytest.approx(undisturbed["loss"].tolist(), rel=0.05)


def of_two(stores: Path, place: Path, params: Dataset) -> list[float]:
    """What each of two processes does: the losses by epoch."""
    if os.environ["LOCAL_RANK"] != "0":
        place = place / "second"
        place.mkdir(exist_ok=True)
    sets = split(stores, "train", params), split(stores, "test", params)
    train(Run(params, "mha", True, 0), *sets, place, parallel=True)
    return pd.read_csv(place / "curves.csv")["loss"].tolist() if os.environ["LOCAL_RANK"] == "0" else []


def test_two_gpus_give_the_losses_of_one(stores: Path, tmp_path: Path) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU")
    settings = {"batch_size": 8, "epochs": 3, "accelerator": GPU, "precision": "32-true"}
    one = trained(stores, tmp_path / "one", changed(model={"dropout": 0.0}, train=settings))
    several = changed(model={"dropout": 0.0}, train={**settings, "devices": 2, "sync_batchnorm": True})
    (tmp_path / "two").mkdir()
    found = run_in_processes(2, of_two, stores, tmp_path / "two", several)
    assert found == pytest.approx(one["loss"].tolist(), rel=0.01)
