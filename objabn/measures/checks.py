"""Check the arrays that users hand over: a fault is one line that says what, expected and got.

Shapes: T frames, h/w grid of the maps.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_SMALLEST = "(..., h, w)"
_LONGEST = 80  # of a value in a message, in letters
_ROUNDING = 1e-6  # how far beyond its range a value may be: maps are resized in float32


def array(values: Any, what: str) -> np.ndarray:
    """Return arrays, tensors on any device, or nested lists as an array.

    Raises:
        ValueError: lists of different lengths, or what NumPy makes no array of.

    >>> array([[1, 2], [3]], "maps")
    Traceback (most recent call last):
    ValueError: maps: expected an array, a tensor, or nested lists of equal lengths, got a list that is none
    """
    try:
        if isinstance(values, Tensor):
            values = values.detach().cpu()
            values = values.float() if values.dtype is torch.bfloat16 else values  # NumPy has no such numbers
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # NumPy's for ragged lists, torch's for lists of tensors
        expected = "expected an array, a tensor, or nested lists of equal lengths"
        raise ValueError(f"{what}: {expected}, got a {type(values).__name__} that is none") from error


def shown(value: Any) -> str:
    """Return a value as one short line, for the end of a message; texts in quotes."""
    text = " ".join((repr(value) if isinstance(value, str) else str(value)).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def numbers(values: Any, what: str) -> np.ndarray:
    """Return values as float64, if they are finite numbers.

    Raises:
        ValueError: they are no numbers, or one of them is not finite.

    >>> numbers([1, float("nan")], "maps")
    Traceback (most recent call last):
    ValueError: maps: expected finite numbers, got 1 of 2 that are NaN or infinite
    """
    found = array(values, what)
    if found.dtype.kind not in "biuf":
        raise ValueError(f"{what}: expected numbers, got the dtype {found.dtype}")
    found = found.astype(np.float64)
    if wrong := int((~np.isfinite(found)).sum()):
        raise ValueError(f"{what}: expected finite numbers, got {wrong} of {found.size} that are NaN or infinite")
    return found


def map_values(
    maps: Any, what: str = "maps", *, shape: str = _SMALLEST, low: float | None = None, high: float | None = None
) -> np.ndarray:
    """Return maps as float64, if their shape and values are right.

    Args:
        shape: as a text; "(..., T, h, w)" has three axes at least, "(B, T, h, w)" has four.
        low, high: what no value is below or above, but for rounding; None: any. Without `low` there is no `high`.

    Raises:
        ValueError: the shape is another, an axis is empty, or a value is not finite, too low or too high.

    >>> map_values([[0, 255]], low=0, high=1)
    Traceback (most recent call last):
    ValueError: maps: expected values in [0, 1], got values from 0 to 255
    """
    values = numbers(maps, what)
    axes = shape.strip("()").split(", ")
    fits = values.ndim >= len(axes) - 1 if axes[0] == "..." else values.ndim == len(axes)
    if not fits or not values.size:
        raise ValueError(f"{what}: expected {shape}, no axis empty, got the shape {values.shape}")
    least, most = values.min(), values.max()
    if (low is not None and least < low - _ROUNDING) or (high is not None and most > high + _ROUNDING):
        wanted = f"values in [{low:g}, {high:g}]" if low is not None and high is not None else f"no value below {low:g}"
        raise ValueError(f"{what}: expected {wanted}, got values from {least:g} to {most:g}")
    return values


def mask_values(mask: Any, shape: tuple[int, ...], what: str = "truth") -> np.ndarray:
    """Return masks, if they are bool and of the maps' shape.

    Raises:
        ValueError: they are not.

    >>> import numpy as np
    >>> mask_values(np.array([[0, 1]]), (1, 2))
    Traceback (most recent call last):
    ValueError: truth: expected bool of the maps' shape (1, 2), got int64 of (1, 2)
    """
    found = array(mask, what)
    if found.dtype != bool or found.shape != shape:
        raise ValueError(f"{what}: expected bool of the maps' shape {shape}, got {found.dtype} of {found.shape}")
    return found


def _number(value: Any) -> float:
    """Return a single number; NaN of what is none."""
    try:
        return math.nan if isinstance(value, str | bytes) or np.ndim(value) else float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return math.nan


def positive(value: Any, what: str) -> float:
    """Return a number that is above 0.

    Raises:
        ValueError: it is not, not finite, or no number.

    >>> positive(0.0, "flat_range")
    Traceback (most recent call last):
    ValueError: flat_range: expected a number above 0, got 0.0
    """
    number = _number(value)
    if not math.isfinite(number) or number <= 0:
        raise ValueError(f"{what}: expected a number above 0, got {shown(value)}")
    return number


def whole(value: Any, what: str, least: int) -> int:
    """Return a whole number that is not below `least`.

    Raises:
        ValueError: it is another, or no number.

    >>> whole(1, "bins", 2)
    Traceback (most recent call last):
    ValueError: bins: expected a whole number from 2 on, got 1
    """
    number = _number(value)
    if not number.is_integer() or number < least:  # neither NaN nor infinity is an integer
        raise ValueError(f"{what}: expected a whole number from {least} on, got {shown(value)}")
    return int(number)


def answers(values: Any, clips: int, what: str = "probability") -> np.ndarray:
    """Return what a user's callable said of clips, float64 (B,).

    Args:
        values: an array, or a tensor on any device.
        clips: B.

    Raises:
        ValueError: it did not say one finite number a clip.

    >>> answers([[0.2, 0.8]], 2)
    Traceback (most recent call last):
    ValueError: probability: expected a number a clip, the shape (2,), got the shape (1, 2)
    """
    found = numbers(values, what)
    if found.shape != (clips,):
        raise ValueError(f"{what}: expected a number a clip, the shape ({clips},), got the shape {found.shape}")
    return found


def same_shape(found: Sequence[int], expected: Sequence[int], what: str, whose: str) -> None:
    """Stop where shapes differ that belong together.

    Raises:
        ValueError: they differ.

    >>> same_shape((2, 5), (2, 4), "features", "the maps")
    Traceback (most recent call last):
    ValueError: features: expected (2, 4) as of the maps, got (2, 5)
    """
    if tuple(found) != tuple(expected):
        raise ValueError(f"{what}: expected {tuple(expected)} as of {whose}, got {tuple(found)}")
