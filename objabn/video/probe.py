"""What PyAV makes of a video file: its first frame, how many there are, and all of them in order.

The only module that imports decord and av (`libraries`).

H height, W width.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from objabn.video.libraries import libraries

# FFmpeg "formats" that turn a picture or a text file into a video.
STILL_FORMATS = ("image2", "tty", "bin", "xbin", "adf", "idf", "ico")


class VideoError(ValueError):
    """A file that gives no frame; the message is one line that says what is wrong, without the path."""


@dataclass(frozen=True)
class Probe:
    """PyAV's view of a file: first (H, W, 3) uint8 as displayed; packets, the coded frames that are to be shown."""

    fps: float
    first: np.ndarray
    packets: int
    container_frames: int | None


def probe_video(name: str) -> Probe:
    """Decode the first frame, then count coded frames without decoding them.

    Raises:
        VideoError: not a video, no video stream, or no frame can be decoded.
    """
    av = libraries().av
    first, packets, hidden, reason = None, 0, 0, "no frames"
    starts: list[float] = []
    try:
        with av.open(name, metadata_errors="ignore") as container:
            stream = video_stream(av, container)
            fps = float(stream.average_rate or stream.guessed_rate or 0.0)
            try:
                for packet in container.demux(stream):
                    if packet.size:  # the last one is empty and only flushes the decoder
                        packets, hidden = packets + (not packet.is_discard), hidden + packet.is_discard
                        if packet.pts is not None:
                            starts.append(float(packet.pts * packet.time_base))
                    if first is None:
                        try:
                            first = next((upright(frame) for frame in packet.decode()), None)
                        except av.FFmpegError as error:
                            reason = error.strerror
            except av.FFmpegError as error:  # the file breaks off: what came before counts
                reason = error.strerror
            claimed = container_frames(container, stream, starts)
    except av.FFmpegError as error:
        raise VideoError(f"not a video: {error.strerror}") from error
    if first is None:
        raise VideoError(f"no frame can be decoded: {reason}")
    return Probe(fps, first, packets, max(claimed - hidden, 0) if claimed else None)


def video_stream(av: Any, container: Any) -> Any:
    """The first stream of moving pictures.

    Raises:
        VideoError: there is none; a picture, a text file and the cover of a song do not count.
    """
    format_name = container.format.name
    if format_name.endswith("_pipe") or format_name in STILL_FORMATS:
        raise VideoError("not a video: a text file" if format_name == "tty" else "not a video: a still image")
    if not container.streams:
        raise VideoError("not a video: nothing in it, or a cut header")
    cover = av.stream.Disposition.attached_pic
    stream = next((stream for stream in container.streams.video if not stream.disposition & cover), None)
    if stream is None:
        raise VideoError("no video stream")
    stream.thread_count = 1  # videos are decoded side by side, and what a broken one gives must not depend on threads
    return stream


def container_frames(container: Any, stream: Any, starts: Sequence[float]) -> int | None:
    """Frames that the header promises, None where it does not.

    webm and mkv keep only when the video ends. At a constant rate that is a number of frames; else a file counts as cut
    when it ends long after its last frame began.

    Args:
        starts: seconds at which the frames that are there are shown, in any order.
    """
    if stream.frames or "matroska" not in container.format.name:
        return stream.frames or None
    if match := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        end = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    elif len(container.streams) == 1:  # the container's duration would cover sound, too
        end = (container.duration or 0) / 1e6
    else:
        return None
    rate, shown = float(stream.average_rate or 0), np.sort(starts)
    steps = np.diff(shown) if len(shown) > 1 else np.array([1 / rate if rate else 0.0])
    if not (end and len(shown) and steps.max()):
        return None
    if abs(np.median(steps) * rate - 1) < 0.1:
        # Times come in whole milliseconds: 58 frames of 1/12 s end at 4.833 s, hence the 0.05 before rounding down.
        return math.floor((end - shown[0]) * rate + 0.05) or None
    left = end - shown[-1]
    return len(shown) + (math.floor(left / steps.mean()) if left > 2 * steps.max() else 0)


def upright(frame: Any) -> np.ndarray:
    """A PyAV frame as displayed: (H, W, 3) uint8 RGB. Phones store portrait videos lying, with a tag."""
    # frame.rotation: degrees counter-clockwise, as is rot90; only quarter turns occur
    return np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)


def pyav_frames(name: str) -> Iterator[np.ndarray]:
    """Yield frames (H, W, 3) until the end or the first failure. Packets before the first frame may fail: some files
    start between key frames."""
    av = libraries().av
    started = False
    try:
        with av.open(name, metadata_errors="ignore") as container:
            for packet in container.demux(video_stream(av, container)):
                try:
                    decoded = packet.decode()
                except av.FFmpegError:
                    if started:
                        return
                    continue
                for frame in decoded:
                    started = True
                    yield upright(frame)
    except av.FFmpegError:
        return
