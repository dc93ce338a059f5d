"""By which kernels a GPU convolves, and that ours compute what torch's do; on the CPU they are interpreted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from objabn.model import depthwise, network
from objabn.model.depthwise import fault_of_triton, memory_format, resolve_depthwise
from objabn.model.fast_layers import DepthwiseConv3d

ROOT = Path(__file__).parents[2]
CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
OTHERS = ["native", "channels_last", "conv2d"]


@pytest.fixture
def on_card(monkeypatch: pytest.MonkeyPatch):
    """A GPU of this compute capability, whose Triton has this fault."""

    def stand_in(capability: tuple[int, int], fault: str | None) -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
        monkeypatch.setattr(depthwise, "fault_of_triton", lambda: fault)

    return stand_in


@pytest.fixture
def _asked_anew():
    fault_of_triton.cache_clear()
    yield
    fault_of_triton.cache_clear()


@pytest.mark.parametrize(("which", "number"), [("few", 2), pytest.param("all", 16, marks=pytest.mark.slow)])
def test_interpreted_kernels_compute_what_torchs_do(which: str, number: int) -> None:
    pytest.importorskip("triton")
    command = [sys.executable, "-m", "tests.model.interpreted", which]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout.splitlines()[-1])
    assert len(errors) == number
    for name, (output, of_input, of_weight) in errors.items():
        least = 4e-3 if "bfloat16" in name else 1e-6  # a bf16 number has 8 bits; sums are float32
        assert max(output, of_input) < least, name
        assert of_weight < 1e-6, name


@pytest.mark.parametrize(
    ("capability", "fault", "expected"),
    [((9, 0), None, "triton"), ((8, 0), None, "triton"), ((7, 5), None, "native"), ((9, 0), "no compiler", "native")],
)
def test_auto_is_triton_where_it_runs(on_card, capability: tuple[int, int], fault: str | None, expected: str) -> None:
    on_card(capability, fault)
    assert resolve_depthwise("auto", CUDA) == expected
    assert resolve_depthwise("auto", CPU) == "native"
    assert [resolve_depthwise(each, CUDA) for each in OTHERS] == OTHERS


def test_who_asks_for_triton_gets_it_or_a_line(on_card) -> None:
    on_card((7, 5), None)
    assert resolve_depthwise("triton", CUDA) == "triton"
    on_card((9, 0), "no compiler")
    line = "^train.depthwise: expected auto, native, channels_last or conv2d here, got triton: no compiler$"
    with pytest.raises(ValueError, match=line):
        resolve_depthwise("triton", CUDA)
    assert resolve_depthwise("triton", CPU) == "triton"  # not used there


@pytest.mark.usefixtures("_asked_anew")
def test_without_a_gpu_that_is_the_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert fault_of_triton() == "CUDA finds no GPU"


@pytest.mark.usefixtures("_asked_anew")
def test_the_fault_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch says that there is a GPU, and no kernel runs."""
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "linspace", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no C\n compiler")))
    assert fault_of_triton() == "RuntimeError: no C compiler"


@pytest.mark.usefixtures("_asked_anew")
def test_the_check_finds_wrong_numbers_also_where_no_gradients_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, with torch's own convolution in place of the kernels."""
    kernels = pytest.importorskip("objabn.model.depthwise_kernels")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    linspace = torch.linspace
    monkeypatch.setattr(torch, "linspace", lambda *args, **_: linspace(*args))
    for change, expected in ((0.0, None), (0.01, "its kernels give other numbers than torch's")):
        fault_of_triton.cache_clear()

        def convolve(x, weight, stride, factor=1 + change):
            return factor * F.conv3d(x, weight, stride=(1, stride, stride), padding=1, groups=3)

        monkeypatch.setattr(kernels, "convolve", convolve)
        with torch.no_grad():
            assert fault_of_triton() == expected


def test_a_network_on_a_gpu_takes_what_is_resolved(make_model, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(depthwise="auto")
    for resolved in ("triton", "native"):
        monkeypatch.setattr(network, "resolve_depthwise", lambda how, device, resolved=resolved: resolved)
        model.to("cpu")
        layers = [layer for layer in model.modules() if isinstance(layer, DepthwiseConv3d)]
        assert {layer.on_gpu for layer in layers} == {resolved}


@pytest.mark.parametrize(
    ("depthwise", "on_cuda"),
    [
        ("auto", torch.contiguous_format),
        ("triton", torch.contiguous_format),
        ("native", torch.contiguous_format),
        ("channels_last", torch.channels_last_3d),
        ("conv2d", torch.channels_last_3d),
    ],
)
def test_memory_formats(depthwise: str, on_cuda: torch.memory_format) -> None:
    assert memory_format(depthwise, CUDA) == on_cuda
    assert memory_format(depthwise, CPU) == torch.channels_last_3d


@pytest.mark.gpu
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("how", ["plain", "autocast", "compiled"])
def test_a_layer_on_a_gpu_computes_what_torchs_does(how: str, stride: int) -> None:
    with torch.no_grad():
        assert fault_of_triton() is None
    torch.manual_seed(0)
    settings = {"kernel_size": 3, "stride": (1, stride, stride), "padding": 1, "groups": 6, "bias": False}
    layer = DepthwiseConv3d(6, 6, **settings).to(CUDA)
    x = torch.randn(2, 6, 4, 30, 28, device=CUDA, requires_grad=True)
    results = []
    for way in ("native", "triton"):
        layer.on_gpu = way
        torch.compiler.reset()
        called = torch.compile(layer, fullgraph=True) if how == "compiled" and way == "triton" else layer
        with torch.autocast("cuda", torch.bfloat16, enabled=how == "autocast"), torch.backends.cudnn.flags(False):
            y = called(x)
        results.append([y, *torch.autograd.grad(y.float().square().mean(), (x, layer.weight))])
    for one, two in zip(*results, strict=True):
        assert (one.dtype, one.shape) == (two.dtype, two.shape)
        assert (one.float() - two.float()).norm() / two.float().norm() < (1e-2 if how == "autocast" else 1e-5)
