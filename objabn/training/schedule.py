"""Compute the learning rate of each step."""

from math import cos, pi

_WARM_UP = 0.05  # share of the steps


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Return the learning rate of a step, counted from 1 to `steps`.

    The rate is a product: a short linear rise to `peak`, times half a cosine that falls from 1 to 0.

    >>> [round(learning_rate(step, steps=100, peak=1.0), 2) for step in (1, 51, 100)]
    [0.2, 0.5, 0.0]
    """
    return peak * min(step / max(_WARM_UP * steps, 1), 1.0) * (0.5 + 0.5 * cos(pi * (step - 1) / steps))
