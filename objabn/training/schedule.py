"""Learning rates by step."""

from math import cos, pi

_WARM_UP = 0.05  # share of the steps


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Of step 1 to `steps`: a short linear rise to `peak` under half a cosine to 0."""
    return peak * min(step / max(_WARM_UP * steps, 1), 1.0) * (0.5 + 0.5 * cos(pi * (step - 1) / steps))
