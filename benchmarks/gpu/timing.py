"""Measure how long a device takes."""

import time
from collections.abc import Callable
from typing import Any

import torch


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], Any], device: torch.device, *, room: float, most: int = 50) -> float:
    """Return the mean time of a call on the device.

    The first call warms up: memory is taken and cuDNN chooses its kernels. The second tells how many calls follow.

    Args:
        room: seconds for all calls that count; there is at least one.
        most: calls that count.
    """
    work()
    synchronise(device)
    began = time.perf_counter()
    work()
    synchronise(device)
    calls = max(1, min(most, int(room / max(time.perf_counter() - began, 1e-6))))
    if device.type != "cuda":
        began = time.perf_counter()
        for _ in range(calls):
            work()
        return (time.perf_counter() - began) / calls
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(calls):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3 / calls  # elapsed_time is in milliseconds


def host_seconds(work: Callable[[], Any], device: torch.device, calls: int = 3) -> float:
    """Return the median time in which the host has started all kernels of a call."""
    times = []
    for _ in range(calls):
        synchronise(device)
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    synchronise(device)
    return sorted(times)[len(times) // 2]


def bandwidth(device: torch.device, num_bytes: int = 2**30) -> float:
    """Return bytes a second of the device's memory, read and written: of a copy within it."""
    source = torch.ones(num_bytes if device.type == "cuda" else 2**22, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds_of(lambda: target.copy_(source), device, room=0.2)
