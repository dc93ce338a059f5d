"""Draw the frames and the crop of a clip."""

import numpy as np

from objabn.clips.geometry import crop_shares
from objabn.config.schema import Data


def frame_indices(num_frames: int, start: int, length: int, stride: int, pad: str) -> np.ndarray:
    """Return the frame numbers of a clip, int64 (length,) in [0, num_frames).

    Past the end of the video the last frame is repeated (`pad` "last"), or the video starts again ("loop").

    >>> frame_indices(num_frames=5, start=2, length=4, stride=1, pad="last").tolist()
    [2, 3, 4, 4]
    >>> frame_indices(num_frames=5, start=2, length=4, stride=1, pad="loop").tolist()
    [2, 3, 4, 0]
    """
    indices = start + stride * np.arange(length)
    return np.minimum(indices, num_frames - 1) if pad == "last" else indices % num_frames


def clip_starts(num_frames: int, span: int, views: int) -> np.ndarray:
    """Return the first frames of `views` clips spread evenly over a video.

    Returns int64 (views,). A clip spans `span` frames of the video. A single clip is centred in time.

    >>> clip_starts(num_frames=10, span=4, views=1).tolist(), clip_starts(num_frames=10, span=4, views=3).tolist()
    ([3], [1, 3, 5])
    """
    room = max(num_frames - span, 0)
    return (np.arange(views) * 2 + 1) * room // (2 * views)


def crop_box(data: Data, height: int, width: int, draw: np.random.Generator | None) -> tuple[np.ndarray, bool]:
    """Return the crop box of a clip, and whether to flip the clip.

    With `draw` both are random. Without it the crop is the centre of the frame, unflipped.

    Args:
        height, width: of the original frame; only their ratio matters.

    Returns:
        The box float32 (4,), x0, y0, x1, y1 as shares of the frame, and the flip.
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
