"""Interrupts a training at a chosen step."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from torch.optim.optimizer import register_optimizer_step_post_hook

from objabn.system.cache import unit_key

KEY = unit_key(what="a training")


@contextmanager
def interruption(step: int) -> Iterator[None]:
    """Stops the training within its `step`th step from now on: weights have moved, nothing else has."""
    done = 0

    def count(*_: object) -> None:
        nonlocal done
        done += 1
        if done == step:
            raise Interrupted

    hook = register_optimizer_step_post_hook(count)
    try:
        with pytest.raises(Interrupted):
            yield
    finally:
        hook.remove()


class Interrupted(Exception):
    pass
