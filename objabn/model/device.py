"""Choose the device and how it computes, for a process that computes alone or with others."""

import os
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import nn

from objabn.config.schema import Dataset, Train
from objabn.system.gpus import check_gpus_are_usable
from objabn.system.memory import reuse_freed_memory

Precision = Literal["32-true", "bf16-mixed"]  # `train.precision` but for auto
_BF16_FROM = 8  # major compute capability from which on a GPU computes in bf16 itself


def make_fabric(params: Dataset) -> Fabric:
    """Make a Fabric for one device: the CPU or one CUDA device.

    Raises:
        ValueError: as `check_on_cpu`.
    """
    asked = params.train
    on_cpu = check_on_cpu(asked)
    # Fabric's own `auto` would take Apple's GPU, for which nothing here is made.
    accelerator = "cpu" if on_cpu else "cuda"
    return Fabric(
        accelerator=accelerator,
        devices=1,
        precision=precision_of(asked.precision, asked.accelerator),
        plugins=[_Alone()],
    )


def check_on_cpu(asked: Train) -> bool:
    """Tell whether this process computes on the CPU, and prepare it for its device.

    On the CPU it keeps freed memory for reuse (`reuse_freed_memory`), and takes `train.threads` threads. On a GPU it
    takes the fastest kernels, or those that `train.deterministic` asks for.

    Raises:
        ValueError: `train.accelerator` asks for a CUDA device and there is none, or torch cannot use the GPU that is
            there.
    """
    if asked.accelerator != "cpu":
        check_gpus_are_usable()
    on_cpu = asked.accelerator == "cpu" or not torch.cuda.is_available()
    if on_cpu and asked.accelerator == "cuda":
        raise ValueError("train.accelerator: expected auto or cpu on a machine without a CUDA device, got cuda")
    if on_cpu:
        reuse_freed_memory()
        if asked.threads:
            torch.set_num_threads(asked.threads)
    else:
        choose_kernels(deterministic=asked.deterministic)
    return on_cpu


def choose_kernels(*, deterministic: bool) -> None:
    """Take the fastest of cuDNN's kernels, or those that give the same bits again.

    Where there is no such kernel, torch warns and takes another one.
    """
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    torch.use_deterministic_algorithms(deterministic, warn_only=True)


def precision_of(precision: Literal["auto"] | Precision, accelerator: str) -> Precision:
    """Return the precision that `train.precision` means on this process's device.

    `auto` is bf16-mixed on a GPU that computes in bf16 itself, and 32-true elsewhere.
    """
    if precision != "auto":
        return precision
    on_gpu = accelerator != "cpu" and torch.cuda.is_available()
    return "bf16-mixed" if on_gpu and torch.cuda.get_device_capability()[0] >= _BF16_FROM else "32-true"


def compiled(network: nn.Module, asked: Train, device: torch.device) -> nn.Module:
    """Wrap a network in torch.compile where `train.compile` asks for it.

    On the CPU the network stays as it is.
    """
    if not asked.compile or device.type != "cuda":
        return network
    faster: Any = torch.compile(network, dynamic=False)
    return faster


def name_of(device: torch.device) -> str:
    """Return the model of a GPU, or "cpu"."""
    return "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)


def describe(device: torch.device, precision: str) -> str:
    """Say what a process computes on, in a line.

    >>> describe(torch.device("cpu"), "32-true").partition(", ")[0]
    'on the CPU'
    """
    threads = torch.get_num_threads()
    on_cpu = f"the CPU, {threads} thread{'' if threads == 1 else 's'}"
    return f"on {on_cpu if device.type == 'cpu' else name_of(device)}, {precision}"


class _Alone(LightningEnvironment):
    """A single process that ignores a cluster's environment variables."""

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return 0
