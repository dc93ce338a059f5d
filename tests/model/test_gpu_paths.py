"""What a GPU would do, as far as a CPU can tell: where tensors are, bf16, compiling, the ways of a convolution."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from objabn.config.schema import LossWeights, Train
from objabn.evaluation.map_replacement import replaced_maps
from objabn.model.device import choose_kernels, compiled, precision_of
from objabn.model.fast_layers import DepthwiseConv3d, depthwise_by_frames
from objabn.model.network import ObjectABN, Output
from objabn.training.losses import total_loss
from tests.helpers.training import PARAMS

ROWS = [("abn", False), ("abn", True), ("mask", False), ("mask", True), ("mha", False), ("mha", True), ("plain", False)]
WEIGHTS = LossWeights(attention=1.0, background=1.0, mask=10.0, mha=10.0, pc=1e-4, pc1=1.0, pc2=1e-3)
LABELS = torch.tensor([0, 2])


def clips() -> Tensor:
    return torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1))


def loss_of(model: ObjectABN, output: Output, attention: str) -> Tensor:
    union = None
    if attention in ("mask", "mha"):
        union = torch.zeros_like(output.maps[:, 0])
    labels = LABELS.to(output.perception_logits.device)
    return total_loss(
        output, labels, attention=attention, union_masks=union, centroids=model.centroids, weights=WEIGHTS
    )[0]


@pytest.mark.parametrize(("attention", "pc"), ROWS)
def test_all_tensors_of_a_row_are_on_the_gpu(make_model, attention: str, pc: bool) -> None:
    """On a GPU without content: an operation on tensors of two devices raises here as there.

    No gradients: for them torch asks the driver.
    """
    model = make_model(attention=attention, pc=pc)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        for module in model.modules():
            for name, value in [*module._parameters.items()]:
                if value is not None:
                    module._parameters[name] = nn.Parameter(mode.from_tensor(value.detach()).to("cuda"))
            for name, value in [*module._buffers.items()]:
                module._buffers[name] = mode.from_tensor(value).to("cuda")
        x = mode.from_tensor(clips()).to("cuda")
        output = model(x)
        assert {value.device.type for value in output if value is not None} == {"cuda"}
        assert loss_of(model, output, attention).device.type == "cuda"
        h1 = model.extractor(x)
        if attention != "plain":
            maps = model.attention_branch(h1)[1]
            for how in ("one", "inverse", "flat", "even"):
                assert model.perceive(h1, replaced_maps(maps, how, attention, h1)).device.type == "cuda"


def test_a_tensor_on_the_wrong_device_is_noticed(make_model) -> None:
    with FakeTensorMode() as mode, pytest.raises(RuntimeError, match="device"):
        mode.from_tensor(torch.zeros(2)).to("cuda") + torch.zeros(2)


@pytest.mark.parametrize("attention", ["plain", "abn", "mask", "mha"])
def test_a_bf16_step_follows_the_same_gradient(make_model, attention: str) -> None:
    losses, gradients = [], []
    for half in (False, True):
        model = make_model(attention=attention, dropout=0.0)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            output = model(clips())
        assert output.maps.dtype == (torch.bfloat16 if half and attention == "plain" else torch.float32)
        output = Output(*(None if value is None else value.float() for value in output))
        loss = loss_of(model, output, attention)
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([value.grad.flatten() for value in model.parameters() if value.grad is not None]))
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98


def test_a_bright_cell_keeps_its_gradient_in_bf16(make_model) -> None:
    """Sigmoid of 6.5 is exactly 1 in bf16, and its gradient exactly 0."""
    model = make_model(attention="mask").eval()
    norm = model.attention_branch.map_head[1]
    with torch.no_grad():
        norm.weight.zero_()
        norm.bias.fill_(6.5)
    with torch.autocast("cpu", torch.bfloat16):
        maps = model(clips()).maps
    maps.mean().backward()
    assert (maps.max() < 1, norm.bias.grad.item() > 1e-3) == (True, True)


def test_the_head_compiles_as_one_graph(make_model) -> None:
    """Its pooling once had NumPy's integers, which torch.compile takes for unknown numbers."""
    model = make_model(attention="plain", dropout=0.0)
    h1 = model.extractor(clips())
    head = torch.compile(model.perception_branch[-1], fullgraph=True, backend="eager", dynamic=False)
    res5 = model.perception_branch[:-1](h1)
    torch.testing.assert_close(head(res5), model.perception_branch[-1](res5))


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["plain", "abn", "mask", "mha"])
def test_the_network_compiles_as_one_graph(make_model, attention: str) -> None:
    model = make_model(attention=attention, pc=attention != "plain", dropout=0.0, frozen="stem")
    expected = model(clips())
    output = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=False)(clips())
    for own, other in zip(output, expected, strict=True):
        if other is not None:
            torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)
    loss_of(model, output, attention).backward()
    assert all(value.grad is not None for value in model.parameters() if value.requires_grad)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(2, 6, 4, 8, 8), (3, 6, 5, 7, 9), (1, 6, 1, 4, 4), (2, 6, 2, 1, 1)])
def test_three_convolutions_of_frames_are_one_of_clips(shape: tuple, stride: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 1, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    own = depthwise_by_frames(x, weight, stride)
    expected = F.conv3d(x, weight, stride=(1, stride, stride), padding=1, groups=6)
    torch.testing.assert_close(own, expected)
    sums = [(result * torch.arange(result.numel()).view(result.shape)).sum() for result in (own, expected)]
    for one, other in zip(*(torch.autograd.grad(value, [x, weight]) for value in sums), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("way", "order", "by_frames"),
    [("auto", "contiguous", False), ("native", "contiguous", False), ("channels_last", "channels_last_3d", False),
     ("conv2d", "channels_last_3d", True)],
)  # fmt: skip
def test_where_a_gpus_tensors_lie(make_model, way: str, order: str, by_frames: bool) -> None:
    model = make_model(depthwise=way)
    assert str(model._gpu_order).removeprefix("torch.").removesuffix("_format") == order
    assert {layer.by_frames for layer in model.modules() if isinstance(layer, DepthwiseConv3d)} == {by_frames}
    wide = [value for value in model.parameters() if value.dim() == 5 and min(value.shape[1], value.shape[3]) > 1]
    assert wide
    assert all(value.is_contiguous(memory_format=torch.channels_last_3d) for value in wide)  # on the CPU, always


def asked(**changes: object) -> Train:
    return PARAMS.train.model_copy(update={"accelerator": "auto", "precision": "auto", **changes})


@pytest.mark.parametrize(
    ("there", "capability", "changes", "expected"),
    [
        (False, 0, {}, "32-true"),
        (True, 7, {}, "32-true"),
        (True, 8, {}, "bf16-mixed"),
        (True, 9, {"accelerator": "cpu"}, "32-true"),
        (True, 9, {"precision": "32-true"}, "32-true"),
        (False, 0, {"precision": "bf16-mixed"}, "bf16-mixed"),
    ],
)
def test_auto_precision_is_the_devices(
    monkeypatch: pytest.MonkeyPatch, there: bool, capability: int, changes: dict, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (capability, 0))
    train = asked(**changes)
    assert precision_of(train.precision, train.accelerator) == expected


@pytest.mark.parametrize("deterministic", [False, True])
def test_the_deterministic_switch(monkeypatch: pytest.MonkeyPatch, deterministic: bool) -> None:
    chosen: dict[str, object] = {}
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on, warn_only: chosen.update(on=on))
    monkeypatch.setattr(torch.backends, "cudnn", cudnn := SimpleNamespace())
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    choose_kernels(deterministic=deterministic)
    assert (cudnn.benchmark, cudnn.deterministic, chosen["on"]) == (not deterministic, deterministic, deterministic)


def test_only_a_gpus_network_is_compiled(make_model) -> None:
    model = make_model()
    assert compiled(model, asked(compile=True), torch.device("cpu")) is model
    assert compiled(model, asked(compile=False), torch.device("cuda")) is model
    faster = compiled(model, asked(compile=True), torch.device("cuda"))
    assert faster is not model
    assert [name.removeprefix("_orig_mod.") for name in faster.state_dict()] == list(model.state_dict())
