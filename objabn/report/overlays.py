"""Draw maps as colours over frames.

The colours are matplotlib's `turbo` (the default), `viridis` or `jet`. A map lies half transparent over a grey frame,
so the frame's own light mixes with it. `viridis` tells its values by light alone: over a bright wall they look high,
over dark clothes low, and the middle of its scale is a green that hardly differs from its ends. `turbo` tells them by
hue, which the grey frame does not have, and it lacks jet's bands of cyan and yellow, which look like edges that no map
has. Who cannot tell red from green sees it go from blue over white to yellow. `jet` is the paper's.
"""

from functools import cache

import matplotlib
import numpy as np

from objabn.config.rows import Colours
from objabn.video.libraries import libraries

DEFAULT_COLOURS: Colours = "turbo"
_DARKENED = 0.25  # light of what a mask does not cover, as on the page


@cache
def palette(colours: Colours = DEFAULT_COLOURS) -> np.ndarray:
    """Return the colours of 0 to 1, float64 (256, 3) in 0..255."""
    return matplotlib.colormaps[colours](np.arange(256))[:, :3] * 255


def coloured(frame: np.ndarray, attention_map: np.ndarray, colours: Colours = DEFAULT_COLOURS) -> np.ndarray:
    """Draw a map (h, w) in [0, 1], enlarged bilinearly, over a grey frame uint8 (H, W, 3); uint8 (H, W, 3)."""
    cv2 = libraries().cv2
    size = (frame.shape[1], frame.shape[0])
    enlarged = np.clip(cv2.resize(attention_map.astype(np.float32), size, interpolation=cv2.INTER_LINEAR), 0, 1)
    shades = palette(colours)[np.minimum((enlarged * 256).astype(np.int64), 255)]
    grey = frame.mean(axis=-1, keepdims=True)
    return (0.45 * grey + 0.55 * shades).round().astype(np.uint8)


def masked(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Darken what a mask bool (h, w) does not cover of a frame uint8 (H, W, 3); uint8 (H, W, 3).

    The ends of `turbo` are both dark, so a mask in its colours would hardly be seen.
    """
    cv2 = libraries().cv2
    size = (frame.shape[1], frame.shape[0])
    covered = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)[..., None] > 0
    return np.where(covered, frame, (_DARKENED * frame.mean(axis=-1, keepdims=True)).round()).astype(np.uint8)


def legend(height: int, width: int, colours: Colours = DEFAULT_COLOURS) -> np.ndarray:
    """Draw the colours of 0, left, to 1, uint8 (height, width, 3)."""
    line = palette(colours)[np.linspace(0, 255, width).round().astype(int)]
    return np.broadcast_to(line.round().astype(np.uint8), (height, width, 3)).copy()
