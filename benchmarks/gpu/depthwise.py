"""Part 2: how fast are the depthwise 3x3x3 convolutions of X3D-M, five ways and as the product does them?

Times are of forward and backward for one clip, the sum over all layers of the network. Least is the time in which the
memory moves what must move: input and output, in the forward pass, for the gradient of the input, and for that of the
weights.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gpu.report import Bench
from benchmarks.gpu.timing import bandwidth, seconds_of, synchronise
from benchmarks.gpu.work import Training, parameters, resident_batch
from objabn.model.depthwise import fault_of_triton

_ROOM_SEC = 0.15  # of a measurement
_MOST_OVER_BEST = 1.3
_LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last_3d}
_Convolve = Callable[[Tensor, Tensor, int], Tensor]


class Shape(NamedTuple):
    """A layer's input without its batch (C, T, H, W), and its stride in H and W."""

    input: tuple[int, ...]
    stride: int


class Way(NamedTuple):
    """A way to compute: the function, the layout of input and weights, and whether cuDNN tries its kernels out."""

    convolve: _Convolve
    layout: str
    benchmark: bool


def convolve(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve by torch's own choice of kernels for this layout."""
    return F.conv3d(x, weight, stride=(1, stride, stride), padding=1, groups=len(weight))


def convolve_frames(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve all frames as images, once for each time step of the kernel, and add up what belongs to a frame."""
    num_clips, channels, num_frames = x.shape[:3]
    images = F.pad(x, (0, 0, 0, 0, 1, 1)).transpose(1, 2).flatten(0, 1)  # (B (T + 2), C, H, W)
    total: Any = 0
    for step in range(3):
        part = F.conv2d(images, weight[:, :, step], stride=stride, padding=1, groups=channels)
        total = total + part.unflatten(0, (num_clips, num_frames + 2))[:, step : step + num_frames]
    return total.transpose(1, 2)


def convolve_by_triton(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve by the product's kernels; weights are float32 there."""
    from objabn.model.depthwise_kernels import convolve

    return convolve(x, weight.float(), stride)


WAYS = {
    "native": Way(convolve, "contiguous", False),
    "channels_last": Way(convolve, "channels_last", False),
    "channels_last, benchmark": Way(convolve, "channels_last", True),
    "three 2-D": Way(convolve_frames, "channels_last", True),
    "triton": Way(convolve_by_triton, "contiguous", False),
}


def is_depthwise(layer: nn.Module) -> bool:
    """Tell whether a layer convolves each channel in space and time."""
    return isinstance(layer, nn.Conv3d) and layer.kernel_size == (3, 3, 3) and layer.groups == layer.in_channels > 1


def run(bench: Bench) -> None:
    """Report each way's time, and whether the product's is among the best."""
    rate = bandwidth(bench.device)
    ways = dict(WAYS)
    if fault := fault_of_triton():
        del ways["triton"]
        bench.note("triton", fault)
    precisions = ("32-true",) if bench.tiny else ("32-true", "bf16-mixed")
    for precision in precisions:
        params = parameters(bench.device, f"train.precision={precision}", tiny=bench.tiny)
        training, batch_size = Training(params), params.train.batch_size
        layers = _layers(training, bench)
        shapes = Counter(shape for shape, _, _ in layers)
        dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
        least = _least_seconds(shapes, batch_size, dtype, rate)
        times: dict[str, float] = {"auto": _own_seconds(training, layers, dtype, bench) / batch_size}
        for name, way in ways.items():
            torch.backends.cudnn.benchmark = way.benchmark
            times[name] = sum(
                number * _seconds(shape, way, batch_size, dtype, bench) for shape, number in shapes.items()
            )
            times[name] /= batch_size
        for name, sec in times.items():
            text = f"{1e3 * sec:.3f} ms a clip, {sec / least:.1f} times its memory's"
            bench.note(f"depthwise {precision} {name}", text, ms=round(1e3 * sec, 4), over_memory=round(sec / least, 2))
        best = min(times, key=lambda name: times[name])
        over = times["auto"] / times[best]
        text = f"{over:.2f} times the best way ({best}); {sum(shapes.values())} layers of {len(shapes)} shapes"
        name = f"depthwise {precision}, the default"
        if bench.on_cuda:
            bench.check(name, over <= _MOST_OVER_BEST, text, over_best=round(over, 3), best=best)
        else:
            bench.note(name, text)


def _layers(training: Training, bench: Bench) -> list[tuple[Shape, nn.Module, str]]:
    """Find each depthwise layer with the shape and the layout of what it gets in a step."""
    found: list[tuple[Shape, nn.Module, str]] = []

    def see(layer: nn.Module, args: tuple[Tensor, ...]) -> None:
        x, stride = args[0], layer.stride
        assert isinstance(stride, tuple)
        layout = "channels_last" if x.is_contiguous(memory_format=torch.channels_last_3d) else "contiguous"
        found.append((Shape(tuple(x.shape[1:]), int(stride[1])), layer, layout))

    hooks = [layer.register_forward_pre_hook(see) for layer in training.network.modules() if is_depthwise(layer)]
    training.forward(resident_batch(training.params, training.params.train.batch_size, bench.device))
    synchronise(bench.device)
    for hook in hooks:
        hook.remove()
    return found


def _own_seconds(
    training: Training, layers: list[tuple[Shape, nn.Module, str]], dtype: torch.dtype, bench: Bench
) -> float:
    """Return the seconds of all layers of the product, a batch each; equal ones are measured once."""
    torch.backends.cudnn.benchmark = training.benchmark
    numbers = Counter((shape, layout) for shape, _, layout in layers)
    total = 0.0
    for (shape, layout), number in numbers.items():
        layer = next(layer for each, layer, as_laid in layers if (each, as_laid) == (shape, layout))
        x = _input(shape, layout, training.params.train.batch_size, dtype, bench)
        weights = tuple(layer.parameters())

        def forward(layer: nn.Module = layer, x: Tensor = x) -> Tensor:
            with training.fabric.autocast():
                return layer(x)

        total += number * _both_ways(forward, (x, *weights), bench)
    return total


def _seconds(shape: Shape, way: Way, size: int, dtype: torch.dtype, bench: Bench) -> float:
    x = _input(shape, way.layout, size, dtype, bench)
    weight = torch.randn(shape.input[0], 1, 3, 3, 3, device=bench.device, dtype=dtype)
    weight = weight.to(memory_format=_LAYOUTS[way.layout]).requires_grad_()
    return _both_ways(lambda: way.convolve(x, weight, shape.stride), (x, weight), bench)


def _both_ways(forward: Callable[[], Tensor], inputs: tuple[Tensor, ...], bench: Bench) -> float:
    gradient = torch.randn_like(forward())
    room = 0.01 if bench.tiny else _ROOM_SEC
    return seconds_of(lambda: torch.autograd.grad(forward(), inputs, gradient), bench.device, room=room)


def _input(shape: Shape, layout: str, size: int, dtype: torch.dtype, bench: Bench) -> Tensor:
    x = torch.randn(size, *shape.input, device=bench.device, dtype=dtype)
    return x.to(memory_format=_LAYOUTS[layout]).requires_grad_()


def _least_seconds(shapes: Counter[Shape], size: int, dtype: torch.dtype, rate: float) -> float:
    """Return the seconds of one clip: all layers read or write input and output three times each."""
    numbers = 0
    for (inside, stride), count in shapes.items():
        channels, num_frames, height, width = inside
        output = channels * num_frames * -(-height // stride) * -(-width // stride)
        numbers += count * 3 * (channels * num_frames * height * width + output)
    return numbers * dtype.itemsize / rate
