"""Our kernels for a GPU, interpreted on the CPU by Triton: the script of test_depthwise.py, a process of its own.

`python -m tests.model.interpreted few|all` prints how far output and gradients are from float64's, as a share of their
norms, for each shape, stride and dtype.
"""

import json
import os
import sys
from itertools import product

os.environ["TRITON_INTERPRET"] = "1"  # before Triton is loaded

import torch
import torch.nn.functional as F

from objabn.model.depthwise_kernels import convolve, depthwise

FEW = [((2, 2, 3, 5, 6), 1, torch.bfloat16), ((1, 1, 2, 19, 18), 2, torch.float32)]
SHAPES = [(2, 3, 4, 5, 6), (1, 2, 1, 7, 7), (2, 2, 2, 19, 18), (1, 1, 3, 1, 2)]  # 342 positions: several blocks
ALL = list(product(SHAPES, (1, 2), (torch.float32, torch.bfloat16)))


def main() -> None:
    torch.manual_seed(0)
    cases = FEW if sys.argv[1] == "few" else ALL
    errors = {f"{shape} stride {stride} {dtype}": error(shape, stride, dtype) for shape, stride, dtype in cases}
    if cases is ALL:
        check_op()
    print(json.dumps(errors))


def check_op() -> None:
    """Gradients, shapes and torch.compile, as torch has operations of one's own checked."""
    inputs = torch.randn(1, 2, 2, 4, 4).requires_grad_(), torch.randn(2, 1, 3, 3, 3).requires_grad_()
    torch.library.opcheck(depthwise, (*inputs, 2))
    compiled = torch.compile(convolve, fullgraph=True, backend="aot_eager")
    found, expected = (torch.autograd.grad(each(*inputs, 2).square().sum(), inputs) for each in (compiled, convolve))
    for one, two in zip(found, expected, strict=True):
        assert torch.equal(one, two)


def error(shape: tuple[int, ...], stride: int, dtype: torch.dtype) -> list[float]:
    x = torch.randn(shape).to(dtype).requires_grad_()
    weight = torch.randn(shape[1], 1, 3, 3, 3).requires_grad_()
    own = convolve(x, weight, stride)
    upstream = torch.randn(own.shape).to(dtype)
    exact_x, exact_weight = (each.detach().double().requires_grad_() for each in (x, weight))
    exact = F.conv3d(exact_x, exact_weight, stride=(1, stride, stride), padding=1, groups=shape[1])
    found = [own, *torch.autograd.grad(own, (x, weight), upstream)]
    expected = [exact, *torch.autograd.grad(exact, (exact_x, exact_weight), upstream.double())]
    assert [each.dtype for each in found] == [dtype, dtype, torch.float32]
    pairs = zip(found, expected, strict=True)
    return [float((one.double() - two).detach().norm() / two.detach().norm().clamp_min(1e-12)) for one, two in pairs]


if __name__ == "__main__":
    main()
