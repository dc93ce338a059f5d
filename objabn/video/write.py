"""Write frames as an H.264 mp4, all at once or one by one."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from objabn.system.files import replace_file
from objabn.video.libraries import libraries


def write_video(path: str | os.PathLike[str], frames: np.ndarray, *, fps: float = 25.0, crf: int = 18) -> None:
    """Write H.264 mp4 (yuv420p); equal frames give equal bytes on one machine. Appears whole or not at all.

    Args:
        path: the file; its folder is made when missing.
        frames: (N, H, W, 3) uint8 RGB, N >= 1. 4:2:0 holds even sizes only: an odd height or width gains one row or
            column, a copy of the last.
        fps: frames per second.
        crf: x264's quality, 0 (lossless but for the colour conversion) to 51; 18 looks like the original.

    Raises:
        ValueError: frames of another shape or dtype, or none; fps not above 0; crf outside 0..51.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise ValueError(f"write_video: expected uint8 (N, H, W, 3) with N >= 1, got {frames.dtype} {frames.shape}")
    with open_writer(path, *frames.shape[1:3], fps=fps, crf=crf) as write:
        for frame in frames:
            write(frame)


@contextmanager
def open_writer(
    path: str | os.PathLike[str], height: int, width: int, *, fps: float = 25.0, crf: int = 18
) -> Iterator[Callable[[np.ndarray], None]]:
    """`write_video` one frame at a time: a function that takes the next one, uint8 (height, width, 3) RGB.

    The file appears when the block ends without an exception, else not at all. At least one frame has to come.

    Raises:
        ValueError: fps not above 0; crf outside 0..51.
    """
    if not (math.isfinite(fps) and fps > 0 and 0 <= crf <= 51):
        raise ValueError(f"write_video: expected fps above 0 and crf in 0..51, got fps={fps}, crf={crf}")
    av = libraries().av
    rate = max(Fraction(fps).limit_denominator(1001), Fraction(1, 1001))
    with (
        replace_file(Path(path)) as partial,
        av.open(os.path.abspath(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        # One thread, since the bytes depend on their number. No mbtree: its SIMD code makes x264 give other bytes
        # in up to half of the runs, at most sizes tried; without it they are equal, files up to twice as big.
        options = {"crf": str(crf), "threads": "1", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"

        def write(frame: np.ndarray) -> None:
            assert (frame.shape, frame.dtype) == ((height, width, 3), np.uint8), f"{frame.shape} {frame.dtype}"
            even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
            container.mux(stream.encode(picture.reformat(format="yuv420p", threads=1)))

        yield write
        container.mux(stream.encode(None))
