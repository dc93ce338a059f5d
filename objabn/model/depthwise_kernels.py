"""Convolve each channel in space and time on a GPU, by kernels in Triton.

torch's kernels read an input value from memory or cache 27 times for an output, and 27 times again for each gradient.
A kernel here goes through a clip frame by frame, and adds what an input frame gives to the output frames before it, at
it and after it. So it reads 9 times. Inputs and outputs are float32, bf16 or float16; sums are float32. Results are the
same bits each time on one kind of GPU.

Shapes: B batch, C channels, T frames, H/W input grid, h/w output grid. Weights are float32 (C, 1, 3, 3, 3).
"""

# ruff: noqa: RUF005 - Triton knows no unpacking

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable


class _Blocks(NamedTuple):
    """How many positions of the output a program computes at most, and how many of them a thread computes."""

    positions: int
    of_thread: int

    def fit(self, num_positions: int) -> dict[str, int]:
        """Return a kernel's settings; a small grid takes one block."""
        block = min(self.positions, max(32, triton.next_power_of_2(num_positions)))
        return {"BLOCK": block, "num_warps": max(1, block // self.of_thread // 32)}


_FORWARD, _GRADIENTS = _Blocks(256, 2), _Blocks(128, 1)  # the fastest on an H100, over all layers of X3D-M


@triton.jit
def _convolve_kernel(
    x, weight, y, channels, frames, height, width, out_height, out_width,
    STRIDE: tl.constexpr, BACK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute a block of positions of all frames of one channel of one clip.

    Forwards, y[t, p] = sum over k, i of x[t + k - 1, STRIDE p + i - 1] weight[k, i]. BACK, x is the gradient of an
    output, and y that of its input: y[t, p] = sum of x[t + 1 - k, (p + 1 - i) / STRIDE] weight[k, i], where that is
    whole.
    """
    channel = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    row, column = place // out_width, place % out_width
    inside = place < out_height * out_width
    area, out_area = height * width, out_height * out_width
    x += channel * frames * area
    y += channel * frames * out_area
    weight += channel % channels * 27
    taps = ()
    for tap in tl.static_range(27):
        taps = taps + (tl.load(weight + tap),)
    before = tl.zeros([BLOCK], tl.float32)
    now = tl.zeros([BLOCK], tl.float32)
    for frame in range(frames):
        after = tl.zeros([BLOCK], tl.float32)
        for tap in tl.static_range(9):
            if BACK:
                i, j = row + 1 - tap // 3, column + 1 - tap % 3
                known = inside & (i >= 0) & (j >= 0) & (i % STRIDE == 0) & (j % STRIDE == 0)
                i, j = i // STRIDE, j // STRIDE
            else:
                i, j = STRIDE * row + tap // 3 - 1, STRIDE * column + tap % 3 - 1
                known = inside & (i >= 0) & (j >= 0)
            known = known & (i < height) & (j < width)
            value = tl.load(x + i * width + j, known, 0.0).to(tl.float32)
            if BACK:
                before += value * taps[tap]
                after += value * taps[18 + tap]
            else:
                before += value * taps[18 + tap]
                after += value * taps[tap]
            now += value * taps[9 + tap]
        tl.store(y - out_area + place, before.to(y.dtype.element_ty), inside & (frame > 0))
        before, now = now, after
        x += area
        y += out_area
    tl.store(y - out_area + place, before.to(y.dtype.element_ty), inside)


@triton.jit
def _weight_kernel(
    x, gradient, sums, frames, height, width, out_height, out_width, STRIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute what one channel of one clip gives to the gradient of its 27 weights."""
    channel = tl.program_id(0).to(tl.int64)
    area, out_area = height * width, out_height * out_width
    x += channel * frames * area
    gradient += channel * frames * out_area
    totals = ()
    for _ in tl.static_range(27):
        totals = totals + (tl.zeros([BLOCK], tl.float32),)
    for start in range(0, out_area, BLOCK):
        place = start + tl.arange(0, BLOCK)
        row, column = place // out_width, place % out_width
        inside = place < out_area
        before = tl.zeros([BLOCK], tl.float32)
        now = tl.load(gradient + place, inside, 0.0).to(tl.float32)
        for frame in range(frames):
            following = (frame + 1) * out_area + place
            after = tl.load(gradient + following, inside & (following < frames * out_area), 0.0).to(tl.float32)
            added = ()
            for tap in tl.static_range(9):
                i, j = STRIDE * row + tap // 3 - 1, STRIDE * column + tap % 3 - 1
                known = inside & (i >= 0) & (j >= 0) & (i < height) & (j < width)
                value = tl.load(x + frame * area + i * width + j, known, 0.0).to(tl.float32)
                added = added + (value,)
            gradients, more = (after, now, before), ()
            for tap in tl.static_range(27):
                more = more + (totals[tap] + added[tap % 9] * gradients[tap // 9],)
            totals = more
            before, now = now, after
    for tap in tl.static_range(27):
        tl.store(sums + channel * 27 + tap, tl.sum(totals[tap]))


def convolve(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve x (B, C, T, H, W), contiguous, to (B, C, T, h, w) of its dtype.

    `stride`, of H and W, is 1 or 2. torch.compile sees the operation `depthwise`. Without torch.compile a plain
    `torch.autograd.Function` costs the host less, and small layers wait for the host.
    """
    return depthwise(x, weight, stride) if torch.compiler.is_compiling() else _Depthwise.apply(x, weight, stride)


def _forward(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    y = x.new_empty((*x.shape[:3], *(-(-size // stride) for size in x.shape[3:])))
    _launch(x, weight, y, stride, back=False)
    return y


def _of_input(gradient: Tensor, weight: Tensor, height: int, width: int, stride: int) -> Tensor:
    y = gradient.new_empty((*gradient.shape[:3], height, width))
    _launch(gradient, weight, y, stride, back=True)
    return y


def _of_weight(x: Tensor, gradient: Tensor, stride: int) -> Tensor:
    num_clips, channels, frames, height, width = x.shape
    sums = x.new_empty((num_clips, channels, 1, 3, 3, 3), dtype=torch.float32)
    sizes = (frames, height, width, *gradient.shape[3:])
    settings = _GRADIENTS.fit(gradient.shape[3] * gradient.shape[4])
    with _device_of(x):
        _weight_kernel[(num_clips * channels,)](x, gradient, sums, *sizes, STRIDE=stride, **settings)
    return sums.sum(0)


def _launch(x: Tensor, weight: Tensor, y: Tensor, stride: int, *, back: bool) -> None:
    num_clips, channels, frames, height, width = x.shape
    positions = y.shape[3] * y.shape[4]
    settings = (_GRADIENTS if back else _FORWARD).fit(positions)
    grid = (num_clips * channels, triton.cdiv(positions, settings["BLOCK"]))
    sizes = (channels, frames, height, width, *y.shape[3:])
    with _device_of(x):
        _convolve_kernel[grid](x, weight, y, *sizes, STRIDE=stride, BACK=back, **settings)


def _device_of(x: Tensor) -> AbstractContextManager:
    """Make x's GPU the current one, on which Triton runs its kernels."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


depthwise = torch.library.custom_op("objabn::depthwise", _forward, mutates_args=())
depthwise_input = torch.library.custom_op("objabn::depthwise_input", _of_input, mutates_args=())
depthwise_weight = torch.library.custom_op("objabn::depthwise_weight", _of_weight, mutates_args=())


@depthwise.register_fake
def _(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    return x.new_empty((*x.shape[:3], *(-(-size // stride) for size in x.shape[3:])))


@depthwise_input.register_fake
def _(gradient: Tensor, weight: Tensor, height: int, width: int, stride: int) -> Tensor:
    return gradient.new_empty((*gradient.shape[:3], height, width))


@depthwise_weight.register_fake
def _(x: Tensor, gradient: Tensor, stride: int) -> Tensor:
    return x.new_empty((x.shape[1], 1, 3, 3, 3), dtype=torch.float32)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
    x, weight, ctx.stride = inputs
    ctx.save_for_backward(x, weight)


def _gradients(
    ctx: Any, gradient: Tensor, of_input: Callable[..., Tensor], of_weight: Callable[..., Tensor]
) -> tuple[Tensor | None, Tensor | None, None]:
    x, weight = ctx.saved_tensors
    gradient = gradient.contiguous()
    to_x = of_input(gradient, weight, *x.shape[3:], ctx.stride) if ctx.needs_input_grad[0] else None
    to_weight = of_weight(x, gradient, ctx.stride) if ctx.needs_input_grad[1] else None
    return to_x, to_weight, None


depthwise.register_autograd(
    lambda ctx, gradient: _gradients(ctx, gradient, depthwise_input, depthwise_weight), setup_context=_keep
)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        _keep(ctx, (x, weight, stride), x)
        return _forward(x, weight, stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        return _gradients(ctx, gradients[0], _of_input, _of_weight)
