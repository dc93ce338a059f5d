"""Draw maps as colours over frames."""

from functools import cache

import matplotlib
import numpy as np

from objabn.video.libraries import libraries


@cache
def palette() -> np.ndarray:
    """Colours of 0 (blue) to 1 (red), float64 (256, 3) in 0..255."""
    return matplotlib.colormaps["jet"](np.arange(256))[:, :3] * 255


def coloured(frame: np.ndarray, attention_map: np.ndarray, *, smooth: bool = True) -> np.ndarray:
    """A map (h, w) in [0, 1] as colours over a grey frame uint8 (H, W, 3); uint8 (H, W, 3). 0 is blue, 1 is red.

    Args:
        smooth: enlarged bilinearly, as maps are; False keeps the cells' edges, as masks have them.
    """
    cv2 = libraries().cv2
    size = (frame.shape[1], frame.shape[0])
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    enlarged = np.clip(cv2.resize(attention_map.astype(np.float32), size, interpolation=how), 0, 1)
    colours = palette()[np.minimum((enlarged * 256).astype(np.int64), 255)]
    grey = frame.mean(axis=-1, keepdims=True)
    return (0.45 * grey + 0.55 * colours).round().astype(np.uint8)
