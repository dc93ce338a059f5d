"""TensorBoard and W&B themselves, where they are installed: a training that is killed and goes on, read back."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.clones import edit_params
from tests.helpers.event_files import events, histories, image
from tests.helpers.survival import RUN, Training, new_checkout

pytest.importorskip("tensorboard")
pytest.importorskip("wandb")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def follow(values: dict) -> None:
    values["datasets"]["synthetic"]["machine"]["trackers"] = ["tensorboard", "wandb"]


@pytest.fixture
def checkouts(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Training]:
    """Makes checkouts in which both are asked for."""
    for name in ("WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)

    def make() -> Training:
        checkout = new_checkout(tmp_path / "tracked", made)
        edit_params(checkout.folder, follow)
        return checkout

    return make


def digests(checkout: Training) -> dict[str, str]:
    names = ("model.safetensors", "run.json", "curves.csv")
    return {name: hashlib.sha256((checkout.folder / RUN / name).read_bytes()).hexdigest() for name in names}


def test_a_killed_training_has_the_same_bits_and_one_log(
    checkouts: Callable[[], Training], tmp_path: Path, made: Path
) -> None:
    plain = new_checkout(tmp_path / "plain", made)
    plain.run()
    checkout = checkouts()
    for checkpoints in (8, 9):  # six steps an epoch, and one checkpoint behind each step and epoch
        checkout.kill_after(checkpoints, 0.2)
    said = checkout.run()
    assert "goes on after" in said
    assert "warning" not in said
    assert digests(checkout) == digests(plain)

    (directory,) = (checkout.folder / "trackers/synthetic/mha/pc-true/seed-3").iterdir()
    curves = pd.read_csv(checkout.folder / RUN / "curves.csv")
    found = events(directory)
    for name, column in {"loss/total": "loss", "top1/val": "val_top1", "gradient/mha": "gradient_mha"}.items():
        scalars = found.Scalars(name)
        assert [each.step for each in scalars] == [1, 2, 3, 4]
        assert [each.value for each in scalars] == pytest.approx(curves[column].tolist())
    names = found.Tags()["images"]
    assert len(names) == 4 * 3
    for name in names:
        assert [each.step for each in found.Images(name)] == [1, 2, 3, 4]
        assert image(found.Images(name)[0].encoded_image_string).shape == (2 * 32 + 2, 4 * 32 + 3 * 2, 3)

    assert len(list(directory.glob("wandb/offline-run-*"))) >= 2
    logged = histories(directory)
    assert [line["epoch"] for line in logged] == [1, 2, 3, 4]
    assert [line["loss/total"] for line in logged] == pytest.approx(curves["loss"].tolist())
    assert all(line["M_o/v001/_type"] == "image-file" for line in logged)
