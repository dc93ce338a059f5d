"""Layers that are faster on the CPU compute what those of PyTorch and pytorchvideo do."""

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from objabn.model.fast_layers import (
    DepthwiseConv3d,
    PointwiseConv3d,
    TemporalConv3d,
    convolve_by,
    depthwise_by_frames,
    quicken,
)
from objabn.model.x3d import x3d_blocks

LAYERS = {
    "depthwise": (DepthwiseConv3d, {"kernel_size": 3, "padding": 1, "groups": 6, "bias": False}),
    "depthwise, stride 2": (
        DepthwiseConv3d,
        {"kernel_size": 3, "stride": (1, 2, 2), "padding": 1, "groups": 6, "bias": False},
    ),
    "temporal": (TemporalConv3d, {"kernel_size": (5, 1, 1), "padding": (2, 0, 0), "groups": 6, "bias": False}),
    "pointwise": (PointwiseConv3d, {"kernel_size": 1, "bias": False}),
    "pointwise with bias": (PointwiseConv3d, {"kernel_size": 1}),
}
SHAPES = [(2, 6, 4, 8, 8), (3, 6, 5, 7, 9), (1, 6, 1, 4, 4), (2, 6, 2, 1, 1)]


def results(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Output and gradients of a layer: of the input and of each parameter."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    output = layer(x)
    weights = torch.linspace(-1, 2, output.numel(), dtype=x.dtype).view(output.shape)
    gradients = torch.autograd.grad((output * weights).sum(), [x, *layer.parameters()])
    return [output, *gradients]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])  # oneDNN: float32
@pytest.mark.parametrize("memory", [torch.channels_last_3d, torch.contiguous_format])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_gradients_are_those_of_conv3d(
    name: str, shape: tuple, memory: torch.memory_format, dtype: torch.dtype, tolerance: float
) -> None:
    expected_class, settings = LAYERS[name]
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv3d(6, 6, **settings).to(dtype))
    x = torch.randn(shape, dtype=dtype).contiguous(memory_format=memory)
    expected = results(plain, x)
    quicken(plain)
    assert type(plain[0]) is expected_class
    for own, other in zip(results(plain, x), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("memory", [torch.channels_last_3d, torch.contiguous_format])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stride", [1, 2])
def test_three_2d_convolutions_are_a_depthwise_one(stride: int, shape: tuple, memory: torch.memory_format) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=memory).requires_grad_()
    weight = torch.randn(6, 1, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    expected = F.conv3d(x, weight, stride=(1, stride, stride), padding=1, groups=6)
    output = depthwise_by_frames(x, weight, stride)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
    if memory == torch.channels_last_3d and shape[2] > 1:  # of one frame the order is nothing
        assert output.is_contiguous(memory_format=memory)
    upstream = torch.randn_like(expected)
    for own, other in zip(
        torch.autograd.grad(output, (x, weight), upstream),
        torch.autograd.grad(expected, (x, weight), upstream),
        strict=True,
    ):
        torch.testing.assert_close(own, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("depthwise", "by_frames"), [("native", False), ("conv2d", True)])
def test_a_gpu_convolves_by_frames_where_it_is_told_to(depthwise: str, by_frames: bool) -> None:
    """On a CUDA device that is not there: its tensors have a kind and a shape only."""
    net = nn.Sequential(*(nn.Conv3d(6, 6, **LAYERS[name][1]) for name in ("depthwise", "temporal")))
    quicken(net)
    convolve_by(net, depthwise)
    mode = FakeTensorMode()
    real = {name: value.detach() for name, value in net.named_parameters()}
    with mode, Calls() as calls:
        weights = {name: mode.from_tensor(value).to("cuda") for name, value in real.items()}
        x = torch.zeros(2, 6, 4, 8, 8).to("cuda")
        output = torch.func.functional_call(net, weights, x)
    assert (output.shape, output.device.type) == (x.shape, "cuda")
    assert calls.dimensions == ([4] * 4 if by_frames else [5] * 2)


class Calls(TorchFunctionMode):
    """Notes how many dimensions each convolution's input has."""

    def __init__(self) -> None:
        super().__init__()
        self.dimensions: list[int] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (F.conv2d, F.conv3d):
            self.dimensions.append(args[0].dim())
        return function(*args, **(kwargs or {}))


def test_the_depthwise_gradients_agree_with_finite_differences() -> None:
    torch.manual_seed(0)
    settings = {"kernel_size": 3, "stride": (1, 2, 2), "padding": 1, "groups": 2, "bias": False}
    layer = DepthwiseConv3d(2, 2, **settings).double()
    x = torch.randn(2, 2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, weight: torch.func.functional_call(layer, {"weight": weight}, x),
                                    (x, layer.weight))  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3, "padding": 1, "groups": 3, "bias": False},  # two channels a group
        {"kernel_size": 3, "padding": 0, "groups": 6, "bias": False},
        {"kernel_size": 3, "padding": 1, "stride": 2, "groups": 6, "bias": False},  # in time, too
        {"kernel_size": 3, "padding": 1, "groups": 6},  # with bias
        {"kernel_size": 1, "stride": (1, 2, 2)},
        {"kernel_size": (1, 3, 3), "padding": (0, 1, 1)},
        {"kernel_size": 3, "padding": 1, "dilation": 2, "groups": 6, "bias": False},
        {"kernel_size": (5, 1, 1), "padding": (2, 0, 0), "dilation": (2, 1, 1), "groups": 6, "bias": False},
    ],
)  # fmt: skip
def test_other_convolutions_stay(settings: dict) -> None:
    net = nn.Sequential(nn.Conv3d(6, 6, **settings))
    x = torch.randn(2, 6, 7, 9, 9)
    expected = net(x)
    quicken(net)
    assert type(net[0]) is nn.Conv3d
    assert torch.equal(net(x), expected)


def test_x3d_keeps_its_parameters_outputs_and_gradients() -> None:
    torch.manual_seed(0)
    settings = {"num_classes": 3, "num_frames": 4, "crop": 64, "width_factor": 1.0, "depth_factor": 1.0, "dropout": 0.0}
    net = nn.Sequential(*x3d_blocks(**settings)).double().train()
    x = torch.randn(2, 3, 4, 64, 64, dtype=torch.float64)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    expected = results(net, x)
    net.load_state_dict(state)  # BatchNorm's statistics have moved
    quicken(net)
    for own, other in zip(results(net, x), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-9)
    assert net.state_dict().keys() == state.keys()
    kinds = Counter(type(layer).__name__ for layer in net.modules())
    assert kinds["Swish"] == 0
    assert kinds["SiLU"] > 0
    assert {name: kinds[name] for name in ("DepthwiseConv3d", "TemporalConv3d")} == {
        "DepthwiseConv3d": 11, "TemporalConv3d": 1,
    }  # fmt: skip
    left = [layer for layer in net.modules() if type(layer) is nn.Conv3d]
    assert {(layer.kernel_size, layer.stride) for layer in left} == {((1, 3, 3), (1, 2, 2)), ((1, 1, 1), (1, 2, 2))}
    assert all(layer.inplace for layer in net.modules() if isinstance(layer, nn.ReLU))
