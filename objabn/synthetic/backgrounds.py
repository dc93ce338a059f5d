"""Static backdrops of the embedded data set: eight kinds of texture above a darker floor."""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

import cv2
import numpy as np

from objabn.synthetic.figures import Colour

BACKGROUNDS: tuple[str, ...] = ("blotches", "bricks", "checks", "dots", "gradient", "hills", "stripes", "waves")


@dataclass(frozen=True)
class Background:
    """A static backdrop: the texture `kind`, its two colours, and the floor's upper edge in pixels."""

    kind: str
    seed: int
    colours: tuple[Colour, Colour]
    floor: float


def _texture(kind: str, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Share of the second colour at each pixel: (height, width) in [0, 1]; the pattern scales with the height."""
    y, x = np.mgrid[:height, :width] / height
    angle, start = rng.uniform(0, pi), rng.uniform(0, 1, 2)
    along = x * cos(angle) + y * sin(angle) + start[0]
    across = y * cos(angle) - x * sin(angle) + start[1]
    step = rng.uniform(0.12, 0.24)
    if kind == "blotches":
        cells = max(int(2 / step), 2)
        coarse = rng.random((cells, cells * width // height + 1), dtype=np.float32)
        return np.clip(2 * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) - 0.5, 0, 1)
    if kind == "bricks":
        course = np.floor(y / (0.6 * step) + start[0])
        shifted = x / (1.4 * step) + 0.5 * (course % 2) + start[1]
        mortar = (shifted % 1 < 0.1) | ((y / (0.6 * step) + start[0]) % 1 < 0.2)
        return np.where(mortar, 1.0, 0.35 * rng.random((64, 64))[course.astype(int) % 64, shifted.astype(int) % 64])
    if kind == "checks":
        return (np.floor(along / step) + np.floor(across / step)) % 2
    if kind == "dots":
        return ((along / step % 1 - 0.5) ** 2 + (across / step % 1 - 0.5) ** 2 < 0.1).astype(float)
    if kind == "gradient":
        return (along - along.min()) / np.ptp(along)
    if kind == "hills":
        layers = sum(
            y > level + 0.06 * np.sin(rng.uniform(3, 7) * x + rng.uniform(0, 2 * pi)) for level in (0.25, 0.45, 0.65)
        )
        return np.asarray(layers / 3)
    if kind == "stripes":
        return (along / step % 1 < 0.5).astype(float)
    if kind == "waves":
        return 0.5 + 0.5 * np.sin(2 * pi * (across / step + 0.35 * np.sin(2 * pi * along / (2.5 * step))))
    raise ValueError(f"background kind: expected one of {', '.join(BACKGROUNDS)}, got {kind!r}")


@lru_cache(maxsize=32)
def render_background(background: Background, height: int, width: int) -> np.ndarray:
    """(height, width, 3) float32 in [0, 255], read-only because it is shared by the frames of a video."""
    rng = np.random.default_rng(background.seed)
    share = _texture(background.kind, rng, height, width)[..., None]
    first, second = np.array(background.colours)
    image = (1 - share) * first + share * second
    grain = cv2.resize(rng.uniform(-8, 8, (16, 24)), (width, height), interpolation=cv2.INTER_LINEAR)
    image += grain[..., None]
    image[round(background.floor) :] *= 0.7
    image = np.clip(image, 0, 255).astype(np.float32)
    image.flags.writeable = False
    return image
