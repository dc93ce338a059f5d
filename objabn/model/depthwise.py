"""Choose the kernels by which a GPU convolves each channel in space and time, and the memory format that they need.

There are four ways: our kernels in Triton and torch's own, for contiguous memory; cuDNN's, which is chosen for
channels_last_3d memory; and three 2-D convolutions, which are fastest there.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_CAPABILITY = (8, 0)  # from which on `auto` takes our kernels


def resolve_depthwise(depthwise: str, device: torch.device) -> str:
    """Return what `train.depthwise` stands for on a device.

    `auto` is our kernels where they run, else torch's. On the CPU the value is not used.

    Raises:
        ValueError: our kernels are asked for, and do not run.

    >>> resolve_depthwise("auto", torch.device("cpu"))
    'native'
    """
    if device.type != "cuda" or depthwise not in ("auto", "triton"):
        return "native" if depthwise == "auto" else depthwise
    if depthwise == "auto":
        return "native" if why_not_triton(device) else "triton"
    if fault := fault_of_triton():
        raise ValueError(f"train.depthwise: expected auto, native, channels_last or conv2d here, got triton: {fault}")
    return "triton"


def why_not_triton(device: torch.device) -> str | None:
    """Tell why `auto` does not take our kernels on a GPU; None where it takes them."""
    if (capability := torch.cuda.get_device_capability(device)) < _CAPABILITY:
        return f"sm_{capability[0]}{capability[1]} is older than sm_80"
    return fault_of_triton()


@cache
def fault_of_triton() -> str | None:
    """Tell why our kernels do not run on this process's GPU.

    None where they run, and compute what torch computes.
    """
    if not torch.cuda.is_available():
        return "CUDA finds no GPU"
    try:
        from objabn.model.depthwise_kernels import convolve

        with torch.inference_mode(False), torch.enable_grad():  # whoever asks may need no gradients
            x = torch.linspace(-1, 1, 300, device="cuda").view(2, 3, 2, 5, 5).requires_grad_()
            weight = torch.linspace(-1, 2, 81, device="cuda").view(3, 1, 3, 3, 3).requires_grad_()
            for stride in (1, 2):
                exact = F.conv3d(x.double(), weight.double(), stride=(1, stride, stride), padding=1, groups=3)
                found = [_with_gradients(y, x, weight) for y in (convolve(x, weight, stride), exact)]
                if not all(torch.allclose(own, other, rtol=1e-3, atol=1e-3) for own, other in zip(*found, strict=True)):
                    return "its kernels give other numbers than torch's"
        return None
    except Exception as error:  # no Triton, no C compiler, a card or a driver that is too old
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _with_gradients(y: Tensor, x: Tensor, weight: Tensor) -> list[Tensor]:
    return [each.double() for each in (y, *torch.autograd.grad(y.square().sum(), (x, weight)))]


def fits_channels_last(network: nn.Module) -> bool:
    """Tell whether a network can be put into channels_last_3d memory.

    2-D convolutions cannot.
    """
    return not any(value.ndim == 4 for value in (*network.parameters(), *network.buffers()))


def memory_format(depthwise: str, device: torch.device) -> torch.memory_format:
    """Return the memory format in which a device computes a network.

    Args:
        depthwise: `train.depthwise`.
    """
    is_contiguous = device.type == "cuda" and depthwise in ("auto", "triton", "native")
    return torch.contiguous_format if is_contiguous else torch.channels_last_3d
