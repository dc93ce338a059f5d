"""Measure what each term of the loss contributes to the gradient on the attention branch.

A term whose share is a thousandth does not shape the maps, whatever its weight in params.yaml.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor

from objabn.model.interface import Output
from objabn.model.network import ObjectABN
from objabn.training import collectives

PROBES = 4  # at most so many batches an epoch
_EVERY = 40  # and no more than one of so many batches, since a probe costs most of a step
PREFIX = "gradient_"  # of the names in curves.csv

Terms = Callable[[Output], tuple[Tensor, dict[str, Tensor]]]  # `total_loss` of the batch's labels and masks


def probed_batches(total: int) -> set[int]:
    """Choose the batches of an epoch at which the gradient is looked at, from 1.

    >>> sorted(probed_batches(40)), sorted(probed_batches(80)), sorted(probed_batches(400))
    ([1], [1, 41], [1, 101, 201, 301])
    """
    probes = min(PROBES, max(total // _EVERY, 1))
    return {1 + math.ceil(number * total / probes) for number in range(probes)}


def gradient_shares(
    network: ObjectABN, clips: Tensor, terms_of: Terms, weights: Mapping[str, float], fabric: Fabric
) -> dict[str, Tensor]:
    """Return each term's share of the gradient on the attention branch's blocks.

    A share is the norm of the term's weighted gradient over the sum of all terms' norms, a float32 scalar in [0, 1];
    norms of terms that pull against each other add up, too. By name, `gradient_perception` and so on. Empty without an
    attention branch. The penalty L_even has none.

    The training does not notice: BatchNorm's statistics and the generators of random numbers are put back.

    Args:
        network: in training mode, not wrapped in DDP.
        clips: of the batch, (B, 3, T, S, S).
        weights: what each term is multiplied by (`losses.scales`).
    """
    if network.attention_branch is None:
        return {}
    blocks = [value for value in network.attention_branch.blocks.parameters() if value.requires_grad]
    statistics = [(buffer, buffer.clone()) for buffer in network.buffers()]
    devices = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        with fabric.autocast(), torch.no_grad():
            h1 = network.extractor(clips)
        with fabric.autocast():
            _, terms = terms_of(network.answer(h1))
        gradients = {
            name: _gradient(weights[name] * term, blocks)
            for name, term in terms.items()
            if name != "even"  # the even weight is cut off from the maps
        }
    with torch.no_grad():
        for buffer, before in statistics:
            buffer.copy_(before)
    # Of the mean gradient, which all processes follow.
    norms = {name: (collectives.total(each) / collectives.processes()).norm() for name, each in gradients.items()}
    whole = torch.stack(list(norms.values())).sum().clamp_min(torch.finfo(torch.float32).tiny)
    return {f"{PREFIX}{name}": norm / whole for name, norm in norms.items()}


def _gradient(term: Tensor, parameters: list[torch.nn.Parameter]) -> Tensor:
    """Return a term's gradient in a row, float32; zeros where the term does not depend on a parameter."""
    found: Sequence[Tensor | None] = [None] * len(parameters)
    if term.requires_grad:
        found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    parts = [torch.zeros_like(value) if each is None else each for value, each in zip(parameters, found, strict=True)]
    return torch.cat([each.float().flatten() for each in parts])
