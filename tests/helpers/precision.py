"""Arithmetic on a GPU for comparisons with the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def without_tf32() -> Iterator[None]:
    """Compute convolutions in float32; by default cuDNN's have ten bits of mantissa."""
    both = (torch.backends.cudnn.conv, torch.backends.cudnn.rnn)  # torch wants them alike
    before = [each.fp32_precision for each in both]
    for each in both:
        each.fp32_precision = "ieee"
    yield
    for each, value in zip(both, before, strict=True):
        each.fp32_precision = value
