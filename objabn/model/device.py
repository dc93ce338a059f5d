"""Choose the device, and on the CPU the number of threads, for a process that computes alone."""

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment

from objabn.config.schema import Dataset, Train
from objabn.system.memory import reuse_freed_memory


def make_fabric(params: Dataset) -> Fabric:
    """Make a Fabric for one device: the CPU or one CUDA device.

    Raises:
        ValueError: `train.accelerator` asks for a CUDA device and there is none.
    """
    asked = params.train
    check_on_cpu(asked)
    return Fabric(
        accelerator=asked.accelerator,
        devices=1,
        precision=asked.precision if asked.precision != "auto" else "32-true",
        plugins=[_Alone()],
    )


def check_on_cpu(asked: Train) -> bool:
    """Tell whether this process computes on the CPU, and prepare it for that.

    On the CPU the process keeps freed memory for reuse (`reuse_freed_memory`), and takes `train.threads` threads.

    Raises:
        ValueError: `train.accelerator` asks for a CUDA device and there is none.
    """
    if asked.accelerator == "cuda" and not torch.cuda.is_available():
        raise ValueError("train.accelerator: expected auto or cpu on a machine without a CUDA device, got cuda")
    on_cpu = asked.accelerator == "cpu" or not torch.cuda.is_available()
    if on_cpu:
        reuse_freed_memory()
        if asked.threads:
            torch.set_num_threads(asked.threads)
    return on_cpu


class _Alone(LightningEnvironment):
    """A single process that ignores a cluster's environment variables."""

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return 0
