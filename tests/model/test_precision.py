"""A training step in bf16-mixed on the CPU, beside the same step in float32."""

import pytest
import torch
from torch import Tensor

from objabn.config.rows import MAPS
from objabn.model.attention_branch import AttentionBranch
from objabn.model.device import make_fabric
from objabn.training.losses import total_loss
from tests.helpers.training import PARAMS, changed


def step(make_model, attention: str, precision: str) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, gradient of all weights in a row, and maps of a first step."""
    fabric = make_fabric(changed(train={"precision": precision, "threads": 1}))
    network = make_model(attention=attention, dropout=0.0).train()
    model = fabric.setup_module(network)
    clips = torch.randn(4, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    union = (torch.arange(16) % 3 == 0).float().view(4, 4).expand(4, 4, 4, 4) if "o" in MAPS[attention] else None
    # On some CPUs oneDNN's bf16 gradients are wrong, and others each time (torch 2.15, AVX512_BF16 of an EPYC).
    with torch.backends.mkldnn.flags(enabled=precision == "32-true"):
        output = model(clips)
        loss, _ = total_loss(
            output, torch.tensor([0, 1, 2, 0]), attention=attention, union_masks=union,
            centroids=network.class_centroids, weights=PARAMS.loss_weights,
        )  # fmt: skip
        fabric.backward(loss)
    gradients = [value.grad.flatten() for value in network.parameters() if value.grad is not None]
    return loss.detach(), torch.cat(gradients), output.maps.detach()


@pytest.mark.parametrize("attention", ["mha", "plain"])
def test_a_step_in_bf16_is_about_that_in_float32(make_model, attention: str) -> None:
    loss, gradient, maps = step(make_model, attention, "32-true")
    bf16_loss, bf16_gradient, bf16_maps = step(make_model, attention, "bf16-mixed")
    assert bf16_loss.dtype == bf16_gradient.dtype == bf16_maps.dtype == torch.float32
    assert not torch.equal(bf16_loss, loss)  # it is another precision
    torch.testing.assert_close(bf16_loss, loss, rtol=0.02, atol=0)
    torch.testing.assert_close(bf16_maps, maps, rtol=0, atol=0.05)
    assert torch.cosine_similarity(bf16_gradient, gradient, dim=0) > 0.98


def test_maps_have_a_gradient_in_bf16_where_they_are_almost_one() -> None:
    """The sigmoid of 6.5 is 0.9985, which bfloat16 rounds to 1."""
    torch.manual_seed(0)
    branch = AttentionBranch(6, PARAMS.model, 3, [0.5]).train()
    norm = branch.map_head[1]
    norm.weight.data.fill_(0.01)
    norm.bias.data.fill_(6.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, maps, _ = branch(torch.randn(2, 6, 2, 4, 4))
    assert maps.dtype == torch.float32
    assert (maps < 1).all()
    maps.square().mean().backward()
    assert norm.bias.grad.item() == pytest.approx(2 * 0.9985**2 * 0.0015, rel=0.05)
    assert branch.map_head[0].weight.grad.any()
