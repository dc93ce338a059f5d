"""Shares of the gradient: by hand on a row whose terms are known, and a training that does not notice."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from objabn.model.device import make_fabric
from objabn.training.gradient_shares import gradient_shares, probed_batches
from objabn.training.losses import scales, total_loss
from tests.helpers.training import PARAMS

CLIPS = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 2])


def shares_of(network: torch.nn.Module, **lambdas: float) -> dict[str, float]:
    weights = PARAMS.loss_weights.model_copy(update=lambdas)
    terms_of = partial(
        total_loss, labels=LABELS, attention="mask", union_masks=torch.ones(2, 4, 4, 4),
        centroids=network.class_centroids, weights=weights,
    )  # fmt: skip
    found = gradient_shares(network, CLIPS, terms_of, scales(weights), make_fabric(PARAMS))
    return {name: value.item() for name, value in found.items()}


@pytest.fixture
def network(make_model: Callable) -> torch.nn.Module:
    return make_model(attention="mask", dropout=0.0, attention_gamma=1.0).train()


def test_shares_are_the_norms_of_each_terms_gradient(network: torch.nn.Module) -> None:
    weights = PARAMS.loss_weights.model_copy(update={"pc": 0.5})
    blocks = list(network.attention_branch.blocks.parameters())
    norms = {}
    for name in ("perception", "attention", "mask", "pc"):
        _, terms = total_loss(
            network(CLIPS), LABELS, attention="mask", union_masks=torch.ones(2, 4, 4, 4),
            centroids=network.class_centroids, weights=weights,
        )  # fmt: skip
        for value in network.parameters():
            value.grad = None
        (scales(weights)[name] * terms[name]).backward()
        norms[f"gradient_{name}"] = torch.cat([value.grad.flatten() for value in blocks]).norm().item()
    assert all(norms.values())
    found = shares_of(network, pc=0.5)
    assert found == pytest.approx({name: norm / sum(norms.values()) for name, norm in norms.items()}, rel=1e-4)
    assert sum(found.values()) == pytest.approx(1)


def test_a_weight_of_zero_has_no_share(network: torch.nn.Module) -> None:
    found = shares_of(network, pc=0.0)
    assert found["gradient_pc"] == 0
    assert found["gradient_mask"] > 0


def test_a_probe_leaves_nothing_behind(make_model: Callable) -> None:
    """Statistics of BatchNorm, gradients and the numbers that dropout draws."""
    network = make_model(attention="mask", dropout=0.5).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    shares_of(network)
    assert torch.equal(torch.rand(1), drawn)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(value.grad is None for value in network.parameters())


def test_a_network_without_an_attention_branch_has_no_shares(make_model: Callable) -> None:
    plain = make_model(attention="plain", pc=False).train()
    assert gradient_shares(plain, CLIPS, lambda output: (output, {}), {}, make_fabric(PARAMS)) == {}


@pytest.mark.parametrize("total", [1, 2, 19, 20, 39, 40, 41, 79, 596, 10_558])
def test_few_batches_of_an_epoch_are_probed_and_the_first_always(total: int) -> None:
    probed = probed_batches(total)
    assert 1 in probed
    assert all(1 <= number <= total for number in probed)
    assert len(probed) == min(4, max(total // 40, 1))
