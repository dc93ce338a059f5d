"""The loop of both pretrainings; its state is a unit of the side cache, so the same command resumes a killed one."""

import io
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from objabn import __version__
from objabn.progress import progress
from objabn.system.cache import Cache, unit_key
from objabn.system.files import code_digest, write_text
from objabn.training.schedule import learning_rate

KIND = "pretraining"  # of a unit in the side cache
_SHOWN = 50  # steps whose mean the bar shows
_CODE = ("objabn/clips", "objabn/model", "objabn/pretrain", "objabn/segmentation/segmenters", "objabn/synthetic")


def encode(content: Any) -> bytes:
    """Return the bytes that `torch.save` would write."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def follow_gradient(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    losses: Mapping[str, Tensor],
    max_gradient: float | None = None,
) -> None:
    """Take a step along the gradient of the sum of the losses, its norm cut to `max_gradient`."""
    optimiser.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    if max_gradient is not None:
        nn.utils.clip_grad_norm_(network.parameters(), max_gradient)
    optimiser.step()


class Pretraining:
    """A pretraining that may be killed at any moment.

    Args:
        settings: what determines the result besides the code, the libraries and the device, as JSON-serialisable
            values. What was begun with others is another pretraining.
        libraries: their versions (`run.versions`).

    Attributes:
        step: steps that are done.
        seconds: spent on them, also by processes that were killed.
        curve: what was validated: step, mean losses and the numbers of the validation.

    Raises:
        ValueError: the unit is whole, but no state of such a pretraining.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        libraries: Mapping[str, str],
    ) -> None:
        self._device = next(network.parameters()).device.type
        code = code_digest(Path(__file__).parents[2], _CODE)
        self._cache = Cache()
        self._key = unit_key(settings=settings, device=self._device, code=code, versions=libraries)
        self._network, self._optimiser = network, optimiser
        self.step, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []
        self._losses: list[dict[str, float]] = []  # of the latest steps
        unit = self._cache.load(KIND, self._key)
        if unit is None:
            return
        try:
            state = torch.load(io.BytesIO(unit), map_location="cpu", weights_only=True)
            network.load_state_dict(state["network"])
            optimiser.load_state_dict(state["optimiser"])
            self.step, self.seconds = state["step"], state["seconds"]
            self.curve, self._losses = state["curve"], state["losses"]
        except Exception as error:  # torch.load raises half a dozen types for what is not its own
            expected = "expected the state of this pretraining, got something else; remove it"
            raise ValueError(f"{self._cache.path(KIND, self._key)}: {expected}") from error
        print(f"goes on after {self.step} steps", file=sys.stderr)

    def run(
        self,
        batches: Iterable[Any],
        losses_of: Callable[[int, Any], Mapping[str, Tensor]],
        validate: Callable[[], Mapping[str, float]],
        *,
        steps: int,
        lr: float,
        checkpoint_steps: int,
        validation_steps: int,
        max_gradient: float | None = None,
    ) -> None:
        """Train from step `self.step` + 1 to `steps`.

        Args:
            batches: from that step on.
            losses_of: losses by name of a step's number and batch; the step follows the gradient of their sum.
            validate: numbers of the network after every `validation_steps`, and after the last step.
            lr: the peak of the learning rate.
            checkpoint_steps: a kill costs at most so many.
            max_gradient: norm that gradients are cut to.

        Raises:
            ValueError: a loss is not finite.
        """
        started = time.perf_counter() - self.seconds
        bar = progress(batches, total=steps, initial=self.step, desc="pretrain", unit="step")
        for step, batch in enumerate(bar, self.step + 1):
            self._network.train()
            for group in self._optimiser.param_groups:
                group["lr"] = learning_rate(step, steps, lr)
            losses = losses_of(step, batch)
            values = {name: float(loss.detach()) for name, loss in losses.items()}
            if not all(isfinite(value) for value in values.values()):
                raise ValueError(f"the loss is not finite in step {step}; expected --lr to be smaller, got {lr:g}")
            follow_gradient(self._network, self._optimiser, losses, max_gradient)
            self._losses = [*self._losses[1 - validation_steps :], values] if validation_steps > 1 else [values]
            shown = {name: f"{mean:.3f}" for name, mean in self._means(_SHOWN).items()}
            bar.set_postfix(shown, refresh=False)
            if step % validation_steps == 0 or step == steps:
                means, numbers = self._means(validation_steps), validate()
                self.curve.append({"step": step, **{name: round(mean, 4) for name, mean in means.items()}, **numbers})
                told = ", ".join(f"{name} {value:g}" for name, value in self.curve[-1].items() if name != "step")
                bar.write(f"step {step}/{steps}: {told}", file=sys.stderr)  # the command's stdout is the recipe
            self.step, self.seconds = step, time.perf_counter() - started
            if step % checkpoint_steps == 0 or step == steps:
                self._keep()

    def finish(self, out: Path, recipe: Mapping[str, Any], *, workers: int, libraries: Sequence[str]) -> dict[str, Any]:
        """Write the recipe beside the weights `out`, remove the state, and return the whole recipe.

        Args:
            recipe: what was trained, how, and how good it is; curve, time, device and versions follow it.
            workers: processes that rendered.
            libraries: whose versions the recipe names.
        """
        whole = {
            **recipe,
            "curve": self.curve,
            "seconds": round(self.seconds, 1),
            "device": f"{self._device}, {torch.get_num_threads()} threads, {workers} workers",
            "versions": {"objabn": __version__, **{name: version(name) for name in libraries}},
        }
        write_text(out.with_suffix(".json"), json.dumps(whole, indent=2) + "\n")
        self._cache.path(KIND, self._key).unlink(missing_ok=True)
        return whole

    def _keep(self) -> None:
        trained = {"network": self._network.state_dict(), "optimiser": self._optimiser.state_dict()}
        state = {"step": self.step, "seconds": self.seconds, "curve": self.curve, "losses": self._losses}
        self._cache.store(KIND, self._key, encode({**state, **trained}))

    def _means(self, number: int) -> dict[str, float]:
        """Of the losses of the latest steps."""
        latest = self._losses[-number:]
        return {name: float(np.mean([values[name] for values in latest])) for name in latest[0]}
