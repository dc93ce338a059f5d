"""Draws which frames and which crop a clip has."""

import numpy as np

from objabn.clips.geometry import crop_shares
from objabn.config.schema import Data


def frame_indices(num_frames: int, start: int, length: int, stride: int, pad: str) -> np.ndarray:
    """Frame numbers of a clip, int64 (length,) in [0, num_frames).

    Past the end the last frame is repeated (`pad` "last"), or the video starts again ("loop").
    """
    indices = start + stride * np.arange(length)
    return np.minimum(indices, num_frames - 1) if pad == "last" else indices % num_frames


def clip_starts(num_frames: int, span: int, views: int) -> np.ndarray:
    """First frames of `views` clips spread evenly over a video, int64 (views,); a single one is centred in time."""
    room = max(num_frames - span, 0)
    return (np.arange(views) * 2 + 1) * room // (2 * views)


def crop_box(data: Data, height: int, width: int, draw: np.random.Generator | None) -> tuple[np.ndarray, bool]:
    """Crop box of a clip, float32 (4,), and whether to flip it: random, or without `draw` the centre, unflipped.

    Args:
        height, width: of the original frame; only their ratio matters.
    """
    if draw is not None:
        short_side = draw.uniform(data.short_side_min, data.short_side_max)
        at_x, at_y = draw.uniform(size=2)
        flip = bool(draw.random() < data.flip)
    else:
        short_side, at_x, at_y, flip = data.short_side_eval, 0.5, 0.5, False
    high, wide = crop_shares(height, width, short_side, data.crop)
    x0, y0 = at_x * (1 - wide), at_y * (1 - high)
    return np.array([x0, y0, x0 + wide, y0 + high], np.float32), flip
