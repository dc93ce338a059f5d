"""The device that this process computes on, alone or beside others that train the same network."""

import logging

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from objabn.config.schema import Dataset
from objabn.system.memory import reuse_freed_memory


def make_fabric(params: Dataset, *, parallel: bool = False) -> Fabric:
    """Fabric on one device, or `parallel` in a process that `processes` started, joined with the others.

    Raises:
        ValueError: the devices that `train` asks for are not there, or cannot do what it asks for.
    """
    asked = params.train
    if asked.accelerator == "cuda" and not torch.cuda.is_available():
        raise ValueError("train.accelerator: expected auto or cpu on a machine without a CUDA device, got cuda")
    on_cpu = asked.accelerator == "cpu" or not torch.cuda.is_available()
    if on_cpu:
        reuse_freed_memory()
    if not parallel:
        return Fabric(accelerator=asked.accelerator, devices=1, precision=asked.precision, plugins=[_OnItsOwn()])
    if on_cpu and asked.sync_batchnorm:
        raise ValueError("train.sync_batchnorm: expected false on the CPU, got true")
    if not on_cpu and (found := torch.cuda.device_count()) < asked.devices:
        raise ValueError(f"train.devices: expected at most {found}, the CUDA devices here, got {asked.devices}")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the processes
    fabric = Fabric(
        accelerator="cpu" if on_cpu else "cuda",
        devices=asked.devices,
        num_nodes=asked.nodes,
        strategy=_InRankOrder() if on_cpu else DDPStrategy(),
        precision=asked.precision,
        plugins=[LightningEnvironment()],  # else it asks a cluster's variables, which say nothing of ours
    )
    fabric.launch()
    return fabric


def synchronise(network: nn.Module) -> None:
    """BatchNorm over all processes' clips in place of each one's own; not in frozen blocks, whose statistics stay."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm) and child.weight.requires_grad:
                setattr(module, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))


class _OnItsOwn(LightningEnvironment):
    """One process: whatever a cluster's variables say of an allocation in which it runs."""

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return 0


class _InRankOrder(DDPStrategy):
    """DDP that adds gradients up in the processes' order, for the same bits after a resume.

    Gloo's own order depends on where a value stands in DDP's buckets, which are arranged anew behind the first step.
    """

    def setup_module(self, module: nn.Module) -> DistributedDataParallel:
        wrapped = super().setup_module(module)
        wrapped.register_comm_hook(None, _mean_in_rank_order)
        return wrapped


def _mean_in_rank_order(_: None, bucket: dist.GradBucket) -> Future[Tensor]:
    everyones = [torch.empty_like(bucket.buffer()) for _ in range(dist.get_world_size())]
    dist.all_gather(everyones, bucket.buffer())
    mean = everyones[0]
    for each in everyones[1:]:
        mean += each
    done: Future[Tensor] = Future()
    done.set_result(mean.div_(len(everyones)))
    return done
