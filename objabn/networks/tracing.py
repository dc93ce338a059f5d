"""Watch one pass of a network: which modules run and when, what they give, and whose cells the logits read."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from objabn.model.backbone import as_tested
from objabn.model.interface import first_output
from objabn.networks.grids import Grid, grid_shape

UNREAD = "nothing behind it reads its cells: their gradient is zero"
OVERWRITTEN = "what runs behind it writes into its output: take that, such as its activation"


class Trace(NamedTuple):
    """What one pass of one clip has shown.

    Attributes:
        num_classes: L of the logits.
        order: when each module that ran was done, by its name.
        outputs: what the modules gave that ran once; tensors are on `meta`, which keeps their shapes.
        unfit: modules whose cells cannot be explained, by name, and why: `UNREAD` or `OVERWRITTEN`.
    """

    num_classes: int
    order: dict[str, int]
    outputs: dict[str, Any]
    unfit: dict[str, str]


def call(module: nn.Module, inputs: Any) -> Any:
    """Call a module by what a `preprocess` has made.

    A mapping gives named arguments, anything else is the only argument.
    """
    return module(**inputs) if isinstance(inputs, Mapping) else module(inputs)


def logits_of(output: Any, clips: int, name: str) -> Tensor:
    """Find the logits in what a network says.

    It says a tensor, a mapping with "logits", or an object with `.logits`.

    Args:
        clips: B. name: of the network, for the message.

    Raises:
        ValueError: there are none, or they are not (B, L).
    """
    found = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", output)
    if isinstance(found, Tensor) and found.dim() == 2 and len(found) == clips:
        return found
    got = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(output).__name__}"
    expected = f'expected logits ({clips}, L) of {clips} clips, as a tensor, .logits or ["logits"]'
    raise ValueError(f"{name}: {expected}, got {got}; has it a head with classes?")


def trace_on_meta(module: nn.Module, shape: tuple[int, ...], name: str) -> Trace:
    """Watch a pass of shapes alone, of a copy without memory.

    It takes no time, and knows no gradients; the module itself is left alone. A network that reads a value, or keeps
    tensors that are no weights, does not take it: other people's networks make a pass of numbers (`trace_shapes`).

    Args:
        shape: of the one clip, as the module takes it. name: of the network, for the message.

    Raises:
        ValueError: the network does not take such a clip, or gives no logits.
    """
    # Not `functional_call`: of a module that stands in two places it leaves the weights on `meta`.
    without_memory: dict[int, Any] = {
        id(value): nn.Parameter(value.to("meta"), value.requires_grad) for value in module.parameters()
    }
    without_memory |= {id(value): value.to("meta") for value in module.buffers()}
    return _traced(copy.deepcopy(module, without_memory), torch.empty(shape, device="meta"), name)


def trace_shapes(module: nn.Module, shape: tuple[int, ...], name: str) -> Trace:
    """Watch a pass of a clip of zeros on the CPU, without gradients.

    The module computes in evaluation mode. What is drawn meanwhile is drawn apart, and each layer's mode is put back.

    Args:
        shape: of the one clip, as the module takes it. name: of the network, for the message.

    Raises:
        ValueError: the network does not take such a clip, or gives no logits.
    """
    with torch.random.fork_rng(devices=[]), as_tested(module):
        return _traced(module, torch.zeros(shape), name)


def _traced(module: nn.Module, clip: Tensor, name: str) -> Trace:
    with torch.no_grad(), _watched(module) as seen:
        output = _run(lambda: module(clip), tuple(clip.shape), name)
    return seen.trace(logits_of(output, 1, name).shape[1])


def trace(
    module: nn.Module,
    preprocess: Callable[[Tensor], Any],
    clip: Tensor,
    name: str,
    grid_of: Callable[[str], Grid | None],
) -> Trace:
    """Watch a pass, and the gradients of a random sum of its logits.

    Args:
        preprocess: turns the clip, (1, 3, T, S, S), into what the module takes.
        name: of the network, for the message.
        grid_of: a layer's grid by the layer's name, whose cells are asked for their gradient.

    Raises:
        ValueError: the network does not take such a clip, or gives no logits.
    """
    with torch.enable_grad(), _watched(module, grid_of) as seen:
        clip = clip.detach().requires_grad_()  # so that a network whose weights are frozen has gradients, too
        output = _run(lambda: call(module, preprocess(clip)), tuple(clip.shape), name)
        logits = logits_of(output, 1, name)
        kept = {key: value for key, value in seen.live.items() if value.requires_grad}
        weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)).to(logits.device)
        asked = list(kept.values()) if logits.requires_grad else []
        grads = torch.autograd.grad((logits * weights).sum(), asked, allow_unused=True) if asked else ()
    read = {key for key, grad in zip(kept, grads, strict=False) if grad is not None and _any_cell(grad, grid_of(key))}
    written = {key: OVERWRITTEN for key, value in seen.live.items() if value._version != seen.versions[key]}
    return seen.trace(logits.shape[1], dict.fromkeys(seen.live.keys() - read, UNREAD) | written)


def _any_cell(gradient: Tensor, grid: Grid | None) -> bool:
    return grid is not None and bool((grid(gradient) != 0).any())


def _run(passing: Callable[[], Any], shape: tuple[int, ...], name: str) -> Any:
    try:
        return passing()
    except Exception as error:  # a network of other people's raises what it likes
        reason = str(error).strip().partition("\n")[0]
        if isinstance(error, ImportError):
            reason += "; import at the top of the file, not while the network computes"
        raise ValueError(f"{name}: expected to take a clip {shape}, got {type(error).__name__}: {reason}") from error


class _Seen:
    def __init__(self) -> None:
        self.order: dict[str, int] = {}
        self.outputs: dict[str, Any] = {}
        self.live: dict[str, Tensor] = {}
        self.versions: dict[str, int] = {}  # of `live`: an operation in place counts it up
        self.runs: dict[str, int] = {}

    def trace(self, num_classes: int, unfit: dict[str, str] | None = None) -> Trace:
        once = {name: output for name, output in self.outputs.items() if self.runs[name] == 1}
        return Trace(num_classes, self.order, once, {name: why for name, why in (unfit or {}).items() if name in once})


@contextmanager
def _watched(module: nn.Module, grid_of: Callable[[str], Grid | None] = lambda _name: None) -> Iterator[_Seen]:
    """Note all that the modules inside a module give meanwhile."""
    seen = _Seen()

    def note(name: str, output: Any) -> None:
        seen.order[name] = sum(seen.runs.values())
        seen.runs[name] = seen.runs.get(name, 0) + 1
        seen.outputs[name] = _shape_of(output)
        grid = grid_of(name)
        if grid is not None and grid_shape(grid, output) is not None:
            seen.live[name] = first_output(output)
            seen.versions[name] = seen.live[name]._version

    hooks = [
        each.register_forward_hook(lambda _module, _inputs, output, name=name: note(name, output))
        for name, each in module.named_modules()
        if name
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _shape_of(output: Any) -> Any:
    if isinstance(output, Tensor):
        return torch.empty(output.shape, dtype=output.dtype, device="meta")
    return tuple(_shape_of(each) for each in output) if isinstance(output, tuple) else output
