"""Compute X3D's layers faster on the CPU, with the same parameters.

The layers compute the same functions up to rounding. PyTorch has fast kernels (oneDNN's) for all of X3D's operations,
but does not always choose them: it takes slow kernels for the gradients of a 3-D depthwise convolution, and on a single
thread for 1x1x1 convolutions. PyTorch chooses the fast kernels when all frames form one batch of images. In
channels_last_3d memory such a batch is a view. On a GPU the layers are plain `nn.Conv3d`, but for the depthwise ones
where `convolve_by` has told them otherwise; objabn/model/depthwise.py says what there is to choose from.

Shapes: B batch, C channels, T frames, H/W input grid, h/w output grid.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _frames(x: Tensor) -> Tensor:
    """Turn all clips' frames into a batch of images: (B, C, T, H, W) -> (B T, C, H, W)."""
    return x.transpose(1, 2).flatten(0, 1)


class _Depthwise(torch.autograd.Function):
    """A 3x3x3 depthwise convolution with fast gradients.

    PyTorch's forward pass is fast in 3-D, PyTorch's gradients are not. The gradient of the input is a forward pass with
    the kernel reversed. The gradient of the weights is computed for each of the kernel's three time steps: it is the
    gradient of a 2-D convolution over all frames.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        """Convolve x (B, C, T, H, W) with weight (C, 1, 3, 3, 3) to (B, C, T, h, w).

        `stride`, of H and W, is 1 or 2.
        """
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv3d(x, weight, stride=(1, stride, stride), padding=1, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last_3d)
        x_gradient = _gradient_of_input(gradient, x, weight, ctx.stride) if ctx.needs_input_grad[0] else None
        weight_gradient = _gradient_of_weight(gradient, x, weight, ctx.stride) if ctx.needs_input_grad[1] else None
        return x_gradient, weight_gradient, None


def _gradient_of_input(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the gradient of the depthwise convolution's input x, of x's shape.

    With stride 2, even and odd rows and columns are computed apart: in the forward pass only the kernel's middle has
    touched an even row or column, and only the kernel's two ends have touched an odd one. Where it was the middle of
    both, the kernel is one of time alone.
    """
    backwards, groups = weight.flip(2), len(weight)
    if stride == 1:
        return F.conv3d(gradient, backwards.flip(3, 4), padding=1, groups=groups)
    result, taps = torch.empty_like(x), ([1], [2, 0])
    for row in (0, 1):
        for column in (0, 1):
            kernel = backwards[:, :, :, taps[row]][..., taps[column]]
            if row == column == 0:
                part = _over_time(gradient, kernel, 1)
            else:
                part = F.conv3d(gradient, kernel, padding=(1, row, column), groups=groups)
            place = result[..., row::2, column::2]
            place.copy_(part[..., row : row + place.shape[3], column : column + place.shape[4]])
    return result


def _gradient_of_weight(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the gradient of the depthwise convolution's weights, (C, 1, 3, 3, 3).

    Output frame t depends on input frames t - 1, t and t + 1, one for each time step of the kernel. The frames of all
    clips stand in one row. A clip's first frame must not be paired with the last frame of the clip before.
    """
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


def _over_time(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Convolve each channel of x (B, C, T, H, W) over the frames by weight (C, 1, k, 1, 1).

    A position is a column of an image whose rows are the frames, for which PyTorch has a fast kernel.
    """
    columns = F.conv2d(x.flatten(3), weight.flatten(3), padding=(padding, 0), groups=len(weight))  # (B, C, T, H W)
    return columns.unflatten(3, x.shape[3:])


def depthwise_by_frames(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve as `DepthwiseConv3d`, by three 2-D convolutions.

    There is one for each time step of the kernel. Each convolves all frames; its results are then added one frame
    later, at the same frame, or one earlier.

    Args:
        x: (B, C, T, H, W). weight: (C, 1, 3, 3, 3). stride: of H and W.
    """
    frames, shape = _frames(x), (x.shape[0], x.shape[2])

    def of_step(step: int) -> Tensor:
        images = F.conv2d(frames, weight[:, :, step], stride=stride, padding=1, groups=len(weight))
        return images.unflatten(0, shape).transpose(1, 2)  # (B, C, T, h, w)

    result = of_step(1)
    result[:, :, 1:] += of_step(0)[:, :, :-1]
    result[:, :, :-1] += of_step(2)[:, :, 1:]
    return result


class DepthwiseConv3d(nn.Conv3d):
    """Convolve each channel in space and time.

    Kernel 3x3x3, padding 1, stride 1 or 1x2x2, one group a channel, no bias.
    """

    on_gpu = "native"

    def forward(self, x: Tensor) -> Tensor:
        if _on_cpu(x, self.weight) and torch.is_grad_enabled():
            return _Depthwise.apply(x, self.weight, self.stride[1])
        if self.on_gpu == "conv2d" and x.is_cuda:
            return depthwise_by_frames(x, self.weight, self.stride[1])
        if self.on_gpu == "triton" and x.is_cuda and x.dtype != torch.float64:
            if torch.is_autocast_enabled("cuda"):
                x = x.to(torch.get_autocast_dtype("cuda"))
            from objabn.model.depthwise_kernels import convolve  # there is Triton: `resolve_depthwise` has tried it

            return convolve(x.contiguous(), self.weight, self.stride[1])
        return super().forward(x)


class TemporalConv3d(nn.Conv3d):
    """Convolve each channel over the frames, at each position apart.

    Kernel kx1x1, stride 1, one group a channel, no bias.
    """

    on_gpu = "native"

    def forward(self, x: Tensor) -> Tensor:
        if not (_on_cpu(x, self.weight) or (self.on_gpu == "conv2d" and x.is_cuda)):
            return super().forward(x)
        return _over_time(x, self.weight, int(self.padding[0]))


class PointwiseConv3d(nn.Conv3d):
    """Mix the channels at each position.

    Kernel 1x1x1, stride 1, one group.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not _on_cpu(x, self.weight):
            return super().forward(x)
        images = F.conv2d(_frames(x), self.weight[:, :, 0], self.bias)
        return images.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)


def _on_cpu(x: Tensor, weight: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == weight.dtype


def _faster(layer: nn.Conv3d) -> type[nn.Conv3d]:
    """Choose the fastest class that computes the same as a layer."""
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


def convolve_by(net: nn.Module, depthwise: str) -> None:
    """Set by which kernels a GPU convolves by channel.

    They are our own for "triton" and three 2-D convolutions for "conv2d". For all else they are torch's or cuDNN's, by
    the network's memory format.
    """
    for layer in net.modules():
        if isinstance(layer, DepthwiseConv3d | TemporalConv3d):
            layer.on_gpu = depthwise


def quicken(net: nn.Module) -> None:
    """Replace a network's slow layers in place.

    Names and values of the parameters stay. A Swish becomes one pass over memory in place of several. A ReLU overwrites
    its input: in X3D that is the output of a BatchNorm, a convolution or a sum, which no gradient needs.
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
