"""How a stored frame is displayed: turned, mirrored, with pixels that are no squares."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

WIDEST_PIXEL = 8.0  # no camera's or disc's are wider; a larger ratio is a damaged header's


class Orientation(NamedTuple):
    """What is done to a stored frame before it is shown.

    Attributes:
        mirrored: whether left and right change places, first; front cameras of phones ask for it.
        turns: quarter turns counter-clockwise, in 0..3.
        is_plain: whether the frame is not mirrored, and whether the quarter turns are all that the file asks for.
    """

    mirrored: bool
    turns: int
    is_plain: bool


def orientation(frame: Any) -> Orientation:
    """What the display matrix of a PyAV frame asks for; of an angle in between the nearest quarter turn.

    A matrix ((a, b), (c, d)) shows the pixel (x, y) at (ax + cy, bx + dy), y downwards. PyAV's `frame.rotation` takes
    it for a turn, even where its determinant is negative.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation(False, 0, True)
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32, count=5).tolist()
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    wide, high = math.hypot(a, c), math.hypot(b, d)
    if not wide or not high:  # no picture would be left
        return Orientation(False, 0, False)
    turns = -math.atan2(b / high, a / wide) / (math.pi / 2)
    return Orientation(mirrored, round(turns) % 4, not mirrored and abs(turns - round(turns)) < 0.01)


def upright(frame: Any) -> np.ndarray:
    """A PyAV frame as displayed: (H, W, 3) uint8 RGB. Phones store portrait videos lying, with a tag."""
    mirrored, turns, _ = orientation(frame)
    # threads: by default as many as there are cores, in each process that decodes; some systems allow fewer
    picture = frame.to_ndarray(format="rgb24", threads=1)
    return np.rot90(picture[:, ::-1] if mirrored else picture, turns)


def pixel_aspect(stream: Any, turns: int) -> float:
    """Width of a displayed pixel by its height: 1.0 but for anamorphic videos (DVDs, some camcorders).

    Args:
        turns: quarter turns from the stored frame to the displayed one.
    """
    stored = float(stream.sample_aspect_ratio or 1)
    if not 1 / WIDEST_PIXEL <= stored <= WIDEST_PIXEL:
        return 1.0
    return 1 / stored if turns % 2 else stored
