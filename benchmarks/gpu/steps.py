"""Part 3: a step of training of X3D-M, row `mask`, on a batch that lies on the device: by which switches is it fastest?

The most that memory allows is counted in numbers that are read and written for a clip: each operation of forward and
backward reads its inputs once and writes its outputs once. Fused operations need fewer.
"""

import gc
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.report import Bench
from benchmarks.gpu.timing import bandwidth, host_seconds, seconds_of, synchronise
from benchmarks.gpu.work import Training, parameters, resident_batch
from objabn.model.depthwise import resolve_depthwise

# Numbers moved for a clip of 16 x 224 x 224, row `mask`, 101 classes: counted with a TorchDispatchMode on torch's meta
# device, where no operation is fused. 4 bytes each in float32, 2 in bf16.
NUMBERS_A_CLIP = 1.762e9
_LEAST_SHARE = 0.30  # of the memory's bound, below which something is wrong
_MOST_OVER_BEST = 1.15
_COSTLIEST = 6
_COMPILE_SEC = 60.0  # that compiling may take
_PRECISIONS = ("bf16-mixed", "32-true")


@dataclass(frozen=True)
class Variant:
    """Switches of a step; None leaves what the product chooses."""

    precision: str
    depthwise: str = "auto"
    benchmark: bool | None = None
    compiled: bool = False

    @property
    def name(self) -> str:
        tries = {None: "", True: ", benchmark on", False: ", benchmark off"}[self.benchmark]
        return f"step {self.precision} {self.depthwise}{tries}{', compiled' * self.compiled}"

    def changes(self) -> tuple[str, ...]:
        switches = {"precision": self.precision, "depthwise": self.depthwise, "compile": str(self.compiled).lower()}
        return tuple(f"train.{name}={value}" for name, value in switches.items())


def variants() -> list[Variant]:
    """List what is measured, with what takes longest at the end."""
    listed = []
    for precision in _PRECISIONS:
        listed.append(Variant(precision))
        listed += [Variant(precision, "auto", benchmark) for benchmark in (True, False)]
        listed += [Variant(precision, depthwise) for depthwise in ("native", "channels_last", "conv2d")]
    return listed + [Variant(precision, compiled=True) for precision in _PRECISIONS]


def run(bench: Bench) -> None:
    """Report each variant, whether the default is good, and what it spends its time on."""
    rate = bandwidth(bench.device)
    chosen = [Variant("32-true")] if bench.tiny else variants()
    clips: dict[Variant, float] = {}
    for variant in chosen:
        if bench.left() < (_COMPILE_SEC if variant.compiled else 0):
            bench.note(variant.name, "left out, no time is left")
            continue
        try:
            clips[variant] = _measure(bench, variant, rate)
        except Exception as error:  # the others are still worth knowing
            bench.check(variant.name, False, f"{type(error).__name__}: {str(error)[:300]}")
        _free(bench)
    for precision in _PRECISIONS:
        _verdict(bench, precision, clips, rate)
    _profile(bench)


def _measure(bench: Bench, variant: Variant, rate: float) -> float:
    """Report a variant, and return its clips a second."""
    params = parameters(bench.device, *variant.changes(), tiny=bench.tiny)
    training, size = Training(params, benchmark=variant.benchmark), params.train.batch_size
    batch = resident_batch(params, size, bench.device)
    if bench.on_cuda:
        torch.cuda.reset_peak_memory_stats()
    sec = seconds_of(lambda: training.step(batch), bench.device, room=0.01 if bench.tiny else 1.0)
    host = host_seconds(lambda: training.step(batch), bench.device, 1 if bench.tiny else 3)
    loss = float(training.step(batch))
    peak = torch.cuda.max_memory_allocated() if bench.on_cuda else 0
    if variant.compiled and not training.is_compiled:
        raise ValueError("train.compile has no effect on this network")
    share = size / sec / _most_clips(training.precision, rate)
    of_bound = f", {share:.0%} of the memory's bound" if bench.on_cuda else ""
    text = f"{size / sec:.1f} clips/s{of_bound}, host {1e3 * host:.0f} of {1e3 * sec:.0f} ms, peak {peak / 1e9:.1f} GB"
    figures: dict[str, Any] = {"clips_a_second": round(size / sec, 2), "share_of_bound": round(share, 4)}
    figures |= {"host_ms": round(1e3 * host, 2), "ms": round(1e3 * sec, 2), "peak_bytes": peak}
    if loss != loss:  # NaN
        raise ValueError(f"the loss is not finite after some steps; {text}")
    bench.note(variant.name, text, **figures)
    return size / sec


def _most_clips(precision: str, rate: float) -> float:
    return rate / NUMBERS_A_CLIP / (2 if precision == "bf16-mixed" else 4)


def _verdict(bench: Bench, precision: str, clips: dict[Variant, float], rate: float) -> None:
    """Check the default of a precision against the best that is not compiled, and against the memory's bound."""
    own = clips.get(Variant(precision))
    if own is None or not bench.on_cuda:
        return
    eager = [variant for variant in clips if variant.precision == precision and not variant.compiled]
    best = max(eager, key=lambda variant: clips[variant])
    over, share = clips[best] / own, own / _most_clips(precision, rate)
    is_right = over <= _MOST_OVER_BEST and share >= _LEAST_SHARE
    bound = f"{share:.0%} of the memory's bound (least {_LEAST_SHARE:.0%})"
    text = f"{bound}; the best ({best.name}) is {over:.2f} times as fast"
    bench.check(f"step {precision}, the default", is_right, text, best=best.name, best_over_default=round(over, 3))


def _profile(bench: Bench) -> None:
    """Report the costliest kernels of a step of the default, and the share of the depthwise convolutions."""
    params = parameters(bench.device, tiny=bench.tiny)
    training = Training(params)
    batch = resident_batch(params, params.train.batch_size, bench.device)
    for _ in range(3):
        training.step(batch)
    synchronise(bench.device)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if bench.on_cuda else [])]
    with profile(activities=activities, record_shapes=True) as profiled:
        training.step(batch)
        synchronise(bench.device)
    clock = "self_device_time_total" if bench.on_cuda else "self_cpu_time_total"  # microseconds
    where = DeviceType.CUDA if bench.on_cuda else DeviceType.CPU
    kernels = [each for each in profiled.key_averages() if each.device_type == where and is_kernel(each)]
    whole = sum(getattr(each, clock) for each in kernels)
    operations = [
        each for each in profiled.key_averages(group_by_input_shape=True) if each.device_type == DeviceType.CPU
    ]
    depthwise = sum(getattr(each, clock) for each in operations if is_depthwise(each.key, each.input_shapes or []))
    title = f"{training.precision}, {resolve_depthwise(params.train.depthwise, bench.device)}"
    share = depthwise / max(whole, 1e-9)
    text = f"{share:.1%} of the kernels' {whole / 1e3:.1f} ms a step ({title})"
    bench.note("share of depthwise", text, share=round(share, 4))
    for place, each in enumerate(sorted(kernels, key=lambda each: -getattr(each, clock))[:_COSTLIEST], 1):
        part = getattr(each, clock) / max(whole, 1e-9)
        bench.note(f"kernel {place}", f"{part:.1%}, {each.count} times, {each.key[:100]}", share=round(part, 4))


def is_kernel(event: Any) -> bool:
    """Tell whether an event of the profiler stands for work itself, not for a named stretch of the program."""
    return not getattr(event, "is_user_annotation", False) and not re.match(r"Optimizer\.|ProfilerStep", event.key)


def is_depthwise(operation: str, shapes: list[list[int]]) -> bool:
    """Tell whether an operation is a convolution with a depthwise kernel of 3 x 3 x 3, or one of its 3 x 3.

    >>> is_depthwise("aten::convolution_backward", [[2, 8, 4, 9, 9], [2, 8, 4, 9, 9], [8, 1, 3, 3, 3], []])
    True
    """
    if operation.startswith(("_Depthwise", "objabn::depthwise")):
        return True
    weights = (shape for shape in shapes if len(shape) in (4, 5) and shape[0] > 1)
    return "conv" in operation and any(shape[1] == 1 and set(shape[2:]) == {3} for shape in weights)


def _free(bench: Bench) -> None:
    """Give back what a variant has left: its network, and what torch.compile has kept of it."""
    torch.compiler.reset()
    gc.collect()  # Fabric's wrappers refer to each other
    if bench.on_cuda:
        torch.cuda.empty_cache()
