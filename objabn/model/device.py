"""Choose the device, its precision and kernels, and on the CPU the number of threads, for a process that computes."""

import os
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import nn

from objabn.config.schema import Dataset, Train
from objabn.model.depthwise import resolve_depthwise, why_not_triton
from objabn.system.cuda import refuse_unusable_gpu
from objabn.system.memory import reuse_freed_memory

_BF16 = (8, 0)  # compute capability from which on a GPU computes in bf16 itself


def make_fabric(params: Dataset) -> Fabric:
    """Make a Fabric for one device: the CPU or one CUDA device.

    Raises:
        ValueError: as `check_on_cpu` and `resolve_depthwise`.
    """
    asked = params.train
    on_cpu = check_on_cpu(asked)
    fabric = Fabric(
        accelerator="cpu" if on_cpu else "cuda",  # Fabric's own choice would be MPS on a Mac
        devices=1,
        precision=resolve_precision(asked.precision, on_cuda=not on_cpu),
        plugins=[_Alone()],
    )
    resolve_depthwise(asked.depthwise, fabric.device)
    return fabric


def check_on_cpu(asked: Train) -> bool:
    """Tell whether this process computes on the CPU, and prepare it for its device.

    On the CPU the process keeps freed memory for reuse (`reuse_freed_memory`), and takes `train.threads` threads. On a
    GPU it takes the kernels that `train.deterministic` asks for.

    Raises:
        ValueError: `train.accelerator` asks for a CUDA device and there is none; or does not ask for the CPU, and there
            is a GPU that torch cannot use.
    """
    if asked.accelerator != "cpu":
        refuse_unusable_gpu("train.accelerator", "set train.accelerator=cpu")
    if asked.accelerator == "cuda" and not torch.cuda.is_available():
        raise ValueError("train.accelerator: expected auto or cpu on a machine without a CUDA device, got cuda")
    on_cpu = asked.accelerator == "cpu" or not torch.cuda.is_available()
    if on_cpu:
        reuse_freed_memory()
        if asked.threads:
            torch.set_num_threads(asked.threads)
    else:
        choose_kernels(deterministic=asked.deterministic)
    return on_cpu


def choose_kernels(*, deterministic: bool) -> None:
    """Let CUDA take its fastest kernels, or those that give the same bits again.

    cuDNN finds the fastest ones by trying them out, once for each shape; shapes stay the same in a training. An
    operation without a deterministic kernel gives a warning.
    """
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used


def resolve_precision(
    precision: Literal["auto", "32-true", "bf16-mixed"], *, on_cuda: bool
) -> Literal["32-true", "bf16-mixed"]:
    """Return the precision that `train.precision` stands for on a device.

    Asks CUDA, so a GPU must have been leased before.

    >>> resolve_precision("auto", on_cuda=False)
    '32-true'
    """
    if precision != "auto":
        return precision
    return "bf16-mixed" if on_cuda and torch.cuda.get_device_capability() >= _BF16 else "32-true"


def compiled(network: nn.Module, asked: Train, device: torch.device, **settings: Any) -> nn.Module:
    """Return a network as its training calls it.

    That is through torch.compile on a GPU if asked for, else as it is.

    Weights and their names stay those of `network`. The CPU's kernels are chosen already, and are not compiled.

    Args:
        settings: of torch.compile, beside those that are set here.
    """
    if not asked.compile or device.type == "cpu":
        return network
    return torch.compile(network, dynamic=False, **settings)  # type: ignore[return-value]


def computed_on(asked: Train, device: torch.device) -> dict[str, str]:
    """Return the name of the device that has trained, and the precision.

    A CPU has no name here: a run on the CPU is the same on all machines.
    """
    on_cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_cuda else "cpu"
    return {"device": name, "precision": resolve_precision(asked.precision, on_cuda=on_cuda)}


def describe(asked: Train, device: torch.device) -> str:
    """Say in a line what a training computes on, and how."""
    on = computed_on(asked, device)
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"on the CPU, {on['precision']}, {threads} thread{'s' if threads > 1 else ''}"
    options = [name for name in ("compile", "deterministic") if getattr(asked, name)]
    depthwise = f"depthwise {resolve_depthwise(asked.depthwise, device)}"
    if asked.depthwise == "auto" and (reason := why_not_triton(device)):
        depthwise += f" (not triton: {reason})"
    parts = [on["precision"], depthwise, *options]
    return f"on {device} ({on['device']}), {', '.join(parts)}"


class _Alone(LightningEnvironment):
    """A single process that ignores a cluster's environment variables."""

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return 0
