"""X3D's layers with arithmetic that is faster on the CPU: the same functions up to rounding, the same parameters.

PyTorch has fast kernels (oneDNN's) for what X3D consists of, but takes others for some layers: for the gradients of a
3-D depthwise convolution, and on a single thread for 1x1x1 ones. Frames as a batch of images lead to the fast ones; in
channels_last_3d memory that is a view. On other devices the layers are `nn.Conv3d` as it is.

Shapes: B batch, C channels, T frames, H/W input grid, h/w output grid.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _frames(x: Tensor) -> Tensor:
    """All clips' frames as a batch of images: (B, C, T, H, W) -> (B T, C, H, W)."""
    return x.transpose(1, 2).flatten(0, 1)


class _Depthwise(torch.autograd.Function):
    """3x3x3 depthwise convolution. Its forward pass is fast in 3-D, its gradients are not.

    That of the input is a forward pass with the kernel reversed; that of the weights is, for each of the kernel's three
    time steps, one of a 2-D convolution over all frames.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        """(B, C, T, h, w) of x (B, C, T, H, W) and weight (C, 1, 3, 3, 3); `stride`, of H and W, is 1 or 2."""
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv3d(x, weight, stride=(1, stride, stride), padding=1, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last_3d)
        of_x = _gradient_of_input(gradient, x, weight, ctx.stride) if ctx.needs_input_grad[0] else None
        of_weight = _gradient_of_weight(gradient, x, weight, ctx.stride) if ctx.needs_input_grad[1] else None
        return of_x, of_weight, None


def _gradient_of_input(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """With stride 2, positions of even and odd rows and columns each on their own: an even one has met the kernel's
    middle only, an odd one its two ends."""
    backwards, groups = weight.flip(2), len(weight)
    if stride == 1:
        return F.conv3d(gradient, backwards.flip(3, 4), padding=1, groups=groups)
    result, met = torch.empty_like(x), ([1], [2, 0])
    for row in (0, 1):
        for column in (0, 1):
            kernel = backwards[:, :, :, met[row]][..., met[column]]
            part = F.conv3d(gradient, kernel, padding=(1, row, column), groups=groups)
            place = result[..., row::2, column::2]
            place.copy_(part[..., row : row + place.shape[3], column : column + place.shape[4]])
    return result


def _gradient_of_weight(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Output frame t meets input frames t - 1, t and t + 1. All clips' frames stand in one row, where a clip's first
    frame must not meet the last of the clip before it."""
    inputs, outputs = _frames(x), _frames(gradient)

    def of_step(step: int, images: Tensor, gradients: Tensor) -> Tensor:
        return torch.ops.aten.convolution_backward(
            gradients, images, weight[:, :, step], None, (stride, stride), (1, 1), (1, 1), False, (0, 0), len(weight),
            (False, True, False),
        )[1]  # fmt: skip

    same = of_step(1, inputs, outputs)
    cut = gradient.clone()
    cut[:, :, 0] = 0
    before = of_step(0, inputs[:-1], _frames(cut)[1:])
    cut[:, :, 0] = gradient[:, :, 0]
    cut[:, :, -1] = 0
    after = of_step(2, inputs[1:], _frames(cut)[:-1])
    return torch.stack([before, same, after], dim=2)


class DepthwiseConv3d(nn.Conv3d):
    """Kernel 3x3x3, padding 1, stride 1 or 1x2x2, one group a channel, no bias."""

    def forward(self, x: Tensor) -> Tensor:
        if _on_cpu(x, self.weight) and torch.is_grad_enabled():
            return _Depthwise.apply(x, self.weight, self.stride[1])
        return super().forward(x)


class TemporalConv3d(nn.Conv3d):
    """Kernel kx1x1, stride 1, one group a channel, no bias: over the frames of each position."""

    def forward(self, x: Tensor) -> Tensor:
        if not _on_cpu(x, self.weight):
            return super().forward(x)
        padding = (int(self.padding[0]), 0)
        columns = F.conv2d(x.flatten(3), self.weight.flatten(3), padding=padding, groups=self.groups)  # (B, C, T, H W)
        return columns.unflatten(3, x.shape[3:])


class PointwiseConv3d(nn.Conv3d):
    """Kernel 1x1x1, stride 1, one group."""

    def forward(self, x: Tensor) -> Tensor:
        if not _on_cpu(x, self.weight):
            return super().forward(x)
        images = F.conv2d(_frames(x), self.weight[:, :, 0], self.bias)
        return images.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)


def _on_cpu(x: Tensor, weight: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == weight.dtype


def _faster(layer: nn.Conv3d) -> type[nn.Conv3d]:
    """The class that computes what this layer does."""
    by_channel = layer.groups == layer.in_channels == layer.out_channels and layer.bias is None
    kernel, stride = layer.kernel_size, layer.stride
    if layer.dilation != (1, 1, 1):
        return type(layer)
    if kernel == (1, 1, 1) and stride == (1, 1, 1) and layer.groups == 1:
        return PointwiseConv3d
    if by_channel and kernel[1:] == (1, 1) and stride == (1, 1, 1) and layer.padding == (kernel[0] // 2, 0, 0):
        return TemporalConv3d
    if by_channel and kernel == (3, 3, 3) and layer.padding == (1, 1, 1) and stride in ((1, 1, 1), (1, 2, 2)):
        return DepthwiseConv3d
    return type(layer)


def quicken(net: nn.Module) -> None:
    """Changes a network's layers in place; names and values of its parameters stay.

    Swish becomes one pass over memory in place of several, and a ReLU overwrites its input: in X3D that is a
    BatchNorm's, a convolution's or a sum's output, which no gradient needs.
    """
    for name, child in net.named_children():
        if type(child) is nn.Conv3d:
            child.__class__ = _faster(child)
        elif type(child).__name__ == "Swish":
            setattr(net, name, nn.SiLU())
        elif isinstance(child, nn.ReLU):
            child.inplace = True
        else:
            quicken(child)
