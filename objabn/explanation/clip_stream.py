"""A whole video as clips placed end to end, in constant memory.

Of every `frame_stride`-th frame, T make a clip, and the next T the next one. The last clip takes the last T of them, so
it begins within the one before; a video shorter than a clip is padded as in training.

T frames of a clip, H/W as stored.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from objabn.clips.sampling import frame_indices
from objabn.config.schema import Data
from objabn.video.read import resized


class PlacedClip(NamedTuple):
    """A clip, and its frames that were in none before: each frame of the grid is new in exactly one clip."""

    start: int  # number of its first frame in the video
    frames: np.ndarray  # uint8 (T, H, W, 3), as the frame store has them
    new: slice  # which of them are new
    numbers: np.ndarray  # int64 (n,), the new frames' numbers in the video
    shown: list[np.ndarray]  # the new frames, n of uint8 (*shown, 3)


def end_to_end(
    frames: Iterable[np.ndarray], data: Data, stored: tuple[int, int], shown: tuple[int, int]
) -> Iterator[PlacedClip]:
    """Clips of a video's frames, uint8 (any height, any width, 3). None of a video without frames.

    What is repeated to pad a short video is not new anywhere. Holds a clip at both sizes, and at the beginning the
    frames that a clip spans, at the stored size.

    Args:
        data: `num_frames`, `frame_stride` and `pad`.
        stored: (height, width) of the frame store, to which the data set's frames were resized.
        shown: (height, width) of the frames to be looked at.
    """
    length, stride = data.num_frames, data.frame_stride
    span = (length - 1) * stride + 1
    head: list[np.ndarray] = []  # all frames, until there are enough for a clip: padding may want any of them
    on_grid: deque[np.ndarray] = deque(maxlen=length)  # at the stored size
    pictures: list[np.ndarray] = []  # of frames that were in no clip yet
    count = 0
    for number, frame in enumerate(frames):
        count = number + 1
        if number % stride == 0 or number < span:
            small = _copy(frame, stored)
            if number < span:
                head.append(small)
            if number % stride == 0:
                on_grid.append(small)
                pictures.append(_copy(frame, shown))
        if number == span:
            head.clear()
        if len(pictures) == length:
            yield _placed(np.stack(on_grid), number, pictures, stride, slice(0, length))
            pictures = []
    if not pictures:
        return
    last = (count - 1) // stride * stride  # the last frame on the grid
    if count < span:
        clip = np.stack([head[index] for index in frame_indices(count, 0, length, stride, data.pad)])
        yield _placed(clip, last, pictures, stride, slice(0, len(pictures)))
    else:
        yield _placed(np.stack(on_grid), last, pictures, stride, slice(length - len(pictures), length))


def _placed(clip: np.ndarray, last: int, pictures: list[np.ndarray], stride: int, new: slice) -> PlacedClip:
    """The clip whose last new frame is number `last`."""
    numbers = last - stride * np.arange(len(pictures))[::-1]
    return PlacedClip(int(numbers[0]) - stride * new.start, clip, new, numbers, pictures)


def _copy(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame at this size that keeps no decoder's memory alive."""
    small = resized(frame, size)
    return small.copy() if small is frame else small
