"""Which annotated frame stands for each of a video's frames, where only some are annotated."""

import re
from collections.abc import Sequence

import numpy as np

_NUMBER = re.compile(r"(?<![0-9])([0-9]{1,15})\.[A-Za-z]+$")


def frame_number(name: str) -> int | None:
    """The number that a file's name ends in, that of a frame; None for a name without."""
    found = _NUMBER.search(name)
    return int(found[1]) if found else None


def frame_numbers(names: Sequence[str], where: str) -> list[int]:
    """The numbers in files' names, those of the video's frames from 0 on. Raises: ValueError for a name without."""
    found = [frame_number(name) for name in names]
    without = [name for name, number in zip(names, found, strict=True) if number is None]
    if without:
        raise ValueError(f"{where}: expected names that end in a frame's number, <number>.<ext>, got {without[0]}")
    return [number for number in found if number is not None]


def nearest(numbers: Sequence[int], frames: int, stride: int, where: str) -> np.ndarray:
    """The place in `numbers` of the annotated frame nearest in time to each stored frame, int64 (frames,).

    Of two that are as near the earlier one is taken.

    Args:
        numbers: of the annotated ones among the video's frames.
        frames: how many of the video's frames are stored: those with the numbers 0, stride, ...

    Raises:
        ValueError: none is annotated, one twice, or one that the video does not have; `where` begins the line.

    >>> nearest([2, 6], frames=8, stride=1, where="walk/a").tolist()
    [0, 0, 0, 0, 0, 1, 1, 1]
    """
    if not len(numbers):
        raise ValueError(f"{where}: expected at least one annotated frame, got none")
    given = np.array(numbers, np.int64)
    order = np.argsort(given, kind="stable")
    given = given[order]
    if (again := given[1:][np.diff(given) == 0]).size:
        raise ValueError(f"{where}: expected each frame at most once, got frame {again[0]} again")
    if given[-1] >= frames * stride:
        raise ValueError(f"{where}: expected frames 0 to {frames * stride - 1}, got {given[-1]}")
    stored = np.arange(frames) * stride
    after = np.searchsorted(given, stored)
    before, after = (after - 1).clip(0), after.clip(max=len(given) - 1)
    return order[np.where(stored - given[before] <= np.abs(given[after] - stored), before, after)]
