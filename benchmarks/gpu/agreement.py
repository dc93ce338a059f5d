"""Part 4: does a GPU compute what the CPU computes, from the same weights and clips, for all kinds of attention?

`exact` is float32 in all convolutions; by default cuDNN's take TF32, with ten bits of mantissa.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu.report import Bench
from benchmarks.gpu.work import Training, parameters, resident_batch
from objabn.config.rows import MAPS
from objabn.evaluation.metrics import map_entropy

_TINY_BITS = 0.1  # a map of 4 x 4: a cell that changes its bin is much
_STEPS = 3  # of two trainings that should be alike


class Bound(NamedTuple):
    """Most relative difference of the loss, least cosine of the gradients, most bits between the entropies of maps."""

    loss: float
    cosine: float
    bits: float = 0.02


BOUNDS = {"exact": Bound(0.005, 0.999), "32-true": Bound(0.005, 0.999), "bf16-mixed": Bound(0.05, 0.98)}


class Result(NamedTuple):
    """What a step computes: the loss, all gradients in a row (CPU, float32), and the mean entropy of the maps."""

    loss: float
    gradients: Tensor
    bits: float


def run(bench: Bench) -> None:
    """Report each attention and precision, and whether two trainings are alike."""
    cpu = torch.device("cpu")
    for attention in MAPS:
        expected = compute(attention, "32-true", cpu, bench.tiny)
        for precision, bound in BOUNDS.items():
            if bench.tiny and precision == "32-true":
                continue  # without a GPU the same as exact
            if bench.tiny:
                bound = bound._replace(bits=_TINY_BITS)
            name = f"as on the CPU, {attention} {precision}"
            try:
                got = compute(attention, precision, bench.device, bench.tiny)
            except Exception as error:
                bench.check(name, False, f"{type(error).__name__}: {str(error)[:300]}")
                continue
            compare(bench, name, expected, got, bound)
    _twice(bench)


def compute(attention: str, precision: str, device: torch.device, tiny: bool) -> Result:
    """Compute a step of a network without dropout on two clips, without taking it."""
    asked = "32-true" if precision == "exact" else precision
    changes = (f"train.precision={asked}", "model.dropout=0.0", "train.threads=null")
    params = parameters(device, *changes, tiny=tiny)
    training = Training(params, attention)
    for operations in (torch.backends.cudnn.conv, torch.backends.cudnn.rnn):  # torch wants both alike
        operations.fp32_precision = "ieee" if precision == "exact" else "tf32"
    # On some CPUs oneDNN's bf16 gradients are wrong, and others each time (torch 2.15, AVX512_BF16 of an EPYC).
    with torch.backends.mkldnn.flags(enabled=device.type != "cpu" or precision != "bf16-mixed"):
        loss, output = training.forward(resident_batch(params, 2, device))
        training.fabric.backward(loss)
    gradients = [value.grad for value in training.network.parameters() if value.grad is not None]
    row = torch.cat([gradient.flatten().float().cpu() for gradient in gradients])
    maps = output.maps.detach().float().cpu().numpy()
    return Result(loss.item(), row, _bits(maps, params.eval.flat_range) if maps.size else 0.0)


def _bits(maps: np.ndarray, flat_range: float) -> float:
    """Mean entropy of the maps that are not flat, 0 where all are: a network at its start may have none."""
    bits = map_entropy(maps, flat_range)
    return float(np.nanmean(bits)) if np.isfinite(bits).any() else 0.0


def compare(bench: Bench, name: str, expected: Result, got: Result, bound: Bound) -> None:
    """Check one result against the CPU's."""
    loss = abs(got.loss - expected.loss) / abs(expected.loss)
    cosine = torch.cosine_similarity(got.gradients.double(), expected.gradients.double(), dim=0).item()
    bits = abs(got.bits - expected.bits)
    is_right = loss <= bound.loss and cosine >= bound.cosine and bits <= bound.bits
    text = (
        f"loss {expected.loss:.4f} -> {got.loss:.4f} ({loss:.3%}), gradients' cosine {cosine:.5f}, "
        f"entropy {expected.bits:.3f} -> {got.bits:.3f}"
    )
    bench.check(name, is_right, text, loss=loss, cosine=cosine, bits=bits)


def _twice(bench: Bench) -> None:
    """Report whether two trainings of a few steps end with the same weights; the switch is set for the process."""
    for switch in ("false", "true"):
        ends = []
        for _ in range(2):
            params = parameters(bench.device, f"train.deterministic={switch}", tiny=bench.tiny)
            training = Training(params)
            batch = resident_batch(params, params.train.batch_size, bench.device)
            for _ in range(_STEPS):
                training.step(batch)
            ends.append(training.weights())
        far = (ends[0] - ends[1]).abs().max().item()
        alike = "the same bits" if far == 0 else f"not the same bits, largest difference of a weight {far:.1e}"
        bench.note(f"twice, deterministic {switch}", f"{alike} after {_STEPS} steps", difference=far)
