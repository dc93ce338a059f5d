"""Values of batches, added up and read seldom."""

import math

import pytest
import torch

from objabn.training.tally import Tally, TrainingError, reads_every

VIDEOS = [f"v{number}" for number in range(9)]


def add(tally: Tally, number: int, loss: float, term: float = 0.1) -> None:
    values = {"loss": torch.tensor(loss, requires_grad=True) * 1, "mask": torch.tensor(term)}
    tally.add(values, torch.tensor([number, number + 1]))


@pytest.mark.parametrize("every", [1, 3, 7])
def test_the_sums_do_not_depend_on_how_often_they_are_read(every: int) -> None:
    """Python's floats, in the order of the batches."""
    tally, expected = Tally({"loss": 0.3, "mask": 1e-9}, VIDEOS, 0), {"loss": 0.3, "mask": 1e-9}
    for number in range(7):
        add(tally, number, 1 / (number + 3), 10.0**number)
        expected["loss"] += float(torch.tensor(1 / (number + 3)))
        expected["mask"] += 10.0**number
        if (number + 1) % every == 0:
            last = tally.read()
    if 7 % every:
        last = tally.read()
    assert tally.sums == expected
    assert last == {"loss": float(torch.tensor(1 / 9)), "mask": 1e6}


def test_reading_waits_once_for_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    waits, tolist = [], torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: waits.append(tensor.shape) or tolist(tensor))
    tally = Tally({}, VIDEOS, 0)
    for number in range(5):
        add(tally, number, 1.0)
    assert waits == []
    tally.read()
    assert waits == [(10,)]


def test_no_graph_is_kept() -> None:
    """It would hold the activations of all batches since the last reading."""
    tally = Tally({}, VIDEOS, 0)
    add(tally, 0, 1.0)
    assert not tally._unread[0][1].requires_grad


def test_the_first_batch_with_a_value_that_is_not_finite_is_named() -> None:
    tally = Tally({}, VIDEOS, 2)
    for number, (loss, term) in enumerate([(1.0, 1.0), (math.nan, math.inf), (math.nan, 1.0)]):
        add(tally, number, loss, term)
    with pytest.raises(TrainingError, match=r"^loss and mask not finite in epoch 3; videos of the batch: v1, v2$"):
        tally.read()


def test_batches_may_have_values_of_other_names() -> None:
    tally = Tally({"loss": 1.0}, VIDEOS, 0)
    tally.add({"loss": torch.tensor(2.0), "gradient_pc": torch.tensor(0.5)}, torch.tensor([0]))
    tally.add({"loss": torch.tensor(4.0)}, torch.tensor([1]))
    assert tally.read() == {"loss": 4.0}
    assert tally.sums == {"loss": 7.0, "gradient_pc": 0.5}
    tally.add({"loss": torch.tensor(1.0)}, torch.tensor([2]))
    tally.add({"loss": torch.tensor(1.0), "gradient_pc": torch.tensor(math.nan)}, torch.tensor([3]))
    with pytest.raises(TrainingError, match=r"^gradient_pc not finite in epoch 1; videos of the batch: v3$"):
        tally.read()


def test_only_a_gpu_is_read_seldom() -> None:
    assert reads_every(torch.device("cpu")) == 1
    assert reads_every(torch.device("cuda")) > 1
