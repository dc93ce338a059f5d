"""Join several processes that train one network, and average their gradients.

Each process computes on a device of its own.
"""

import logging
import warnings
from datetime import timedelta

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import TorchElasticEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from objabn.config.schema import Dataset
from objabn.model.depthwise import resolve_depthwise
from objabn.model.device import check_on_cpu, resolve_precision

# Without a word from another process for so long, a process ends. Nothing that one does alone takes minutes.
_SILENCE = timedelta(minutes=5)


def join_processes(params: Dataset) -> Fabric:
    """Make a Fabric, and join this process with the other processes of the training.

    `processes` or a launcher has started these processes. Called again, it finds them joined.

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
    strategy = _InRankOrder if on_cpu else _WithoutBuffers
    fabric = Fabric(
        accelerator="cpu" if on_cpu else "cuda",
        devices=asked.devices,
        num_nodes=asked.nodes,
        strategy=strategy(timeout=_SILENCE),
        precision=resolve_precision(asked.precision, on_cuda=not on_cpu),
        plugins=[TorchElasticEnvironment()],  # RANK and others; else Fabric reads SLURM's variables of the whole job
    )
    fabric.launch()
    resolve_depthwise(asked.depthwise, fabric.device)  # now that the process has its GPU
    return fabric


def synchronise(network: nn.Module) -> None:
    """Let BatchNorm take its statistics from the clips of all processes.

    Frozen blocks are left out: their statistics stay as they are. The network is in training mode afterwards.
    """
    network.train()  # but for its frozen blocks
    for module in list(network.modules()):
        for name, child in module.named_children():
            # It may have no weights.
            is_trained = child.training and all(weight.requires_grad for weight in child.parameters())
            if isinstance(child, nn.modules.batchnorm._BatchNorm) and is_trained:
                setattr(module, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))


class _WithoutBuffers(DDPStrategy):
    """DDP that does not send the first process's buffers before each step.

    BatchNorm's statistics are not used in training. `collectives.share_statistics` sends them before they are used.
    """

    def setup_module(self, module: nn.Module) -> DistributedDataParallel:
        wrapped = super().setup_module(module)
        wrapped.broadcast_buffers = False  # as an argument it is named otherwise since torch 2.15
        return wrapped


class _InRankOrder(_WithoutBuffers):
    """DDP that adds gradients up in the order of the processes, for the same bits after a resume.

    Gloo's order depends on the place of a value in DDP's buckets, and DDP rearranges the buckets after the first step.
    """

    def setup_module(self, module: nn.Module) -> DistributedDataParallel:
        # Strides differ where a size is 1, and mean nothing there. Weights with other strides would give other bits.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
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
