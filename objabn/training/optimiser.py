"""Make the optimiser of a training and the schedule of its learning rates."""

from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from objabn.config.schema import Dataset
from objabn.model.network import ObjectABN
from objabn.training.schedule import learning_rate

_GROUPS = ("backbone", "new_layers", "centroids", "push_centroids")  # those of the optimiser, in their order


def make_optimiser(model: ObjectABN, params: Dataset) -> torch.optim.Optimizer:
    """Make Adam for all parameters that are not frozen.

    The parameters form groups with a learning rate each: the backbone, the layers that do not come from a pretrained
    backbone (`new_layers`), and each set of class centroids. `train.weight_decay` leaves centroids alone.
    """
    new = [value for layer in model.new_layers() for value in layer.parameters()]
    apart = {id(value) for value in [*new, *model.class_centroids]}
    backbone = [value for value in model.parameters() if value.requires_grad and id(value) not in apart]
    lr, rates = params.train.lr, (params.train.centroid_lr, params.train.push_centroid_lr)
    groups: list[dict[str, Any]] = [{"params": backbone}, {"params": new, "lr": params.train.new_layers_lr or lr}]
    for centroids, rate in zip(model.class_centroids, rates, strict=False):
        groups.append({"params": [centroids], "lr": rate or lr, "weight_decay": 0.0})
    return torch.optim.Adam(groups, lr=lr, weight_decay=params.train.weight_decay, fused=True)


def make_scheduler(optimiser: torch.optim.Optimizer, params: Dataset, steps: int) -> LambdaLR:
    """Make the schedule of the learning rates over all `steps`.

    Call the scheduler's `step` after each step of the optimiser.
    """
    if params.train.schedule == "constant":
        return LambdaLR(optimiser, lambda done: 1.0)
    return LambdaLR(optimiser, lambda done: learning_rate(min(done + 1, steps), steps, 1.0))


def epoch_rates(scheduler: LambdaLR, steps: int) -> dict[str, float]:
    """Return the learning rate of a step, as `lr_backbone`, `lr_new_layers` and so on.

    Args:
        steps: how many have been done, this one included; at least 1.
    """
    rates = zip(_GROUPS, scheduler.base_lrs, scheduler.lr_lambdas, strict=False)
    return {f"lr_{name}": float(base) * factor(steps - 1) for name, base, factor in rates}
