"""A video's frames one at a time, in constant memory, from the decoders of `video.read.read_video`.

    stream = stream_video("long.mp4")
    for frame in stream:                # (H, W, 3)

H height, W width.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from objabn.video.probe import pyav_frames
from objabn.video.read import DecordUnfit, VideoInfo, decord_frames, info_of, probed, unreadable

# Bytes of all frames of a video that decord may serve. It decodes ahead of whoever takes its frames, without an end:
# after 19 s it held 4.5 GB of a 1080p video's. PyAV decodes a frame when it is asked for one, and as fast.
DECORD_BYTES = 256 * 2**20


@dataclass(frozen=True)
class VideoStream:
    """Frames of a video, to be iterated over once.

    Attributes:
        info: its decoder is the one that begins; where decord fails midway PyAV goes on.
        packets: coded frames, which is how many come, unless the file breaks off or fails midway.
        frames: (H, W, 3) uint8 RGB, upright, in order; views of what the decoder yields, so copy what is to be kept.
    """

    info: VideoInfo
    packets: int
    frames: Iterator[np.ndarray]

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.frames


def stream_video(path: str | os.PathLike[str], *, batch: int = 4) -> VideoStream:
    """The frames of `read_video` at the file's own size, in memory that does not depend on the video's length.

    PyAV serves videos whose frames have more than `DECORD_BYTES` (1,100 of 320 x 240, 43 of 1920 x 1080): the same ones
    on all ordinary files. The first frame is decoded before this returns. Where decord fails midway, the frames so far
    have been handed over, so PyAV goes on behind them; `read_video` takes all of PyAV's then.

    Args:
        path: the video file.
        batch: frames decoded at a time.

    Raises:
        VideoError: as `read_video`; from the iteration, too, when the disk fails.
        ValueError: `batch` is not positive.
    """
    if batch < 1:
        raise ValueError(f"stream_video: expected a positive batch, got {batch}")
    name, probe = probed(path)
    try:
        frames, decoder = decord_frames(name, probe, batch), "decord"
        try:
            if probe.packets * probe.first.nbytes > DECORD_BYTES:
                raise DecordUnfit("too long")
            first = next(frames)
        except DecordUnfit:
            frames, decoder = pyav_frames(name), "pyav"
            first = next(frames)  # there is one: the probe decoded it
    except OSError as error:
        raise unreadable(error) from error
    return VideoStream(info_of(probe, decoder), probe.packets, _joined(first, frames, name))


def _joined(first: np.ndarray, frames: Iterator[np.ndarray], name: str) -> Iterator[np.ndarray]:
    """The first frame and the others; behind those that decord yields before it fails, PyAV's."""
    count = 0
    try:
        try:
            for frame in chain([first], frames):
                yield frame
                count += 1
        except DecordUnfit:
            yield from islice(pyav_frames(name), count, None)
    except OSError as error:
        raise unreadable(error) from error
