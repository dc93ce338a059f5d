"""The network through torch.compile: in one graph, with eager mode's numbers, under Fabric with its own names."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from objabn.config.rows import MAPS
from objabn.model.device import compiled
from objabn.model.network import ObjectABN
from objabn.training.losses import total_loss
from tests.helpers.training import PARAMS, changed


def step(model: nn.Module, network: ObjectABN, attention: str) -> list[Tensor]:
    """Outputs, loss and gradients of a training step."""
    clips = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    union = torch.ones(2, 4, 4, 4) if "o" in MAPS[attention] else None
    output = model(clips)
    loss, _ = total_loss(
        output, torch.tensor([0, 2]), attention=attention, union_masks=union, centroids=network.class_centroids,
        weights=PARAMS.loss_weights,
    )  # fmt: skip
    loss.backward()
    gradients = [value.grad for value in network.parameters() if value.grad is not None]
    return [*(value for value in output if value is not None), loss, *gradients]


@pytest.mark.parametrize(
    "attention", ["mask", *(pytest.param(name, marks=pytest.mark.slow) for name in ("plain", "abn", "mha"))]
)
def test_a_network_compiles_to_one_graph(make_model, attention: str) -> None:
    settings = {"attention": attention, "dropout": 0.0, "frozen": "stem", "depth_factor": 0.1}  # a block a stage
    settings["with_even"] = attention == "mask"
    network, same = make_model(**settings).train(), make_model(**settings)
    asked = changed(train={"compile": True}).train
    model = compiled(same, asked, torch.device("cuda"), fullgraph=True, backend="aot_eager")  # computes where it is
    model = Fabric(accelerator="cpu", devices=1).setup_module(model)
    assert isinstance(model._forward_module, torch._dynamo.OptimizedModule)
    model.train()
    assert (same.training, same.extractor[0].training, same.extractor[1].training) == (True, False, True)
    for own, expected in zip(step(model, same, attention), step(network, network, attention), strict=True):
        torch.testing.assert_close(own, expected)
    assert same.state_dict().keys() == network.state_dict().keys()
