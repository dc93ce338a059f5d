"""Divide a network's weights into steps, from the logits to the input, for the sanity check of maps.

The check draws the weights anew, step by step. A step is a module and all that is in it; a module that holds more than
half of all weights is taken apart, so that no network is one step. Weights of such a module itself, such as a class
token or positions, are a step of their own: an `nn.ParameterList` that holds the very same parameters.
"""

from collections.abc import Iterator

from torch import nn


def steps_of(module: nn.Module, order: dict[str, int]) -> list[tuple[str, list[nn.Module]]]:
    """List a network's parts by name, from the logits to the input; each weight is in one of them.

    Args:
        order: when each module is done in a pass (`tracing.Trace`); parts that never run come last.

    >>> network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> [name for name, _ in steps_of(network, {"0": 0, "1": 1, "2": 2})]
    ['2', '0']
    """
    parts = list(_parts(module, "", order, sum(weight.numel() for weight in module.parameters()), set()))
    return [(name, [part]) for _, name, part in sorted(parts, key=lambda part: part[0], reverse=True)]


def _parts(
    module: nn.Module, name: str, order: dict[str, int], total: int, seen: set[nn.Module]
) -> Iterator[tuple[float, str, nn.Module]]:
    """When a part is done, its name and the part, of all parts of a module; those in `seen` were given before."""
    weights = sum(weight.numel() for weight in module.parameters())
    if module in seen or not weights:
        return
    seen.add(module)
    inside = [at for other, at in order.items() if not name or f"{other}.".startswith(f"{name}.")]
    children = [(f"{name}.{key}" if name else key, child) for key, child in module.named_children()]
    if not children or weights <= total / 2:
        yield max(inside, default=-1), name, module
        return
    for key, child in children:
        yield from _parts(child, key, order, total, seen)
    if own := list(module.parameters(recurse=False)):  # they join at the module's start
        yield min(inside, default=-1) - 0.5, f"{name or 'network'}: own weights", nn.ParameterList(own)
