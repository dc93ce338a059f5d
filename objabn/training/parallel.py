"""Join several processes that train one network, and average their gradients.

Each process computes on a device of its own.
"""

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
from objabn.model.device import check_on_cpu, precision_of


def join_processes(params: Dataset) -> Fabric:
    """Make a Fabric, and join this process with the other processes of the training.

    `processes` has started these processes.

    Raises:
        ValueError: the devices that `train` asks for are not there, or cannot do what `train` asks for.
    """
    asked = params.train
    on_cpu = check_on_cpu(asked)
    if on_cpu and asked.sync_batchnorm:
        raise ValueError("train.sync_batchnorm: expected false on the CPU, got true")
    if not on_cpu and (present := torch.cuda.device_count()) < asked.devices:
        raise ValueError(f"train.devices: expected at most {present}, the CUDA devices here, got {asked.devices}")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # Lightning would announce the processes
    fabric = Fabric(
        accelerator="cpu" if on_cpu else "cuda",
        devices=asked.devices,
        num_nodes=asked.nodes,
        strategy=_InRankOrder() if on_cpu else DDPStrategy(),
        precision=precision_of(asked),
        plugins=[LightningEnvironment()],  # else Fabric reads a cluster's variables: not about ours
    )
    fabric.launch()
    return fabric


def synchronise(network: nn.Module) -> None:
    """Let BatchNorm take its statistics from the clips of all processes.

    Frozen blocks are left out: their statistics stay as they are.
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm) and child.weight.requires_grad:
                setattr(module, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))


class _InRankOrder(DDPStrategy):
    """DDP that adds gradients up in the order of the processes, for the same bits after a resume.

    Gloo's order depends on the place of a value in DDP's buckets, and DDP rearranges the buckets after the first step.
    """

    def setup_module(self, module: nn.Module) -> DistributedDataParallel:
        wrapped = super().setup_module(module)
        wrapped.register_comm_hook(None, _mean_in_rank_order)
        return wrapped


def _mean_in_rank_order(_: None, bucket: dist.GradBucket) -> Future[Tensor]:
    gradients = [torch.empty_like(bucket.buffer()) for _ in range(dist.get_world_size())]
    dist.all_gather(gradients, bucket.buffer())
    mean = gradients[0]
    for gradient in gradients[1:]:
        mean += gradient
    done: Future[Tensor] = Future()
    done.set_result(mean.div_(len(gradients)))
    return done
