"""What PyAV makes of a video file: its first frame, how many there are, and all of them in order.

The only module that imports decord and av (`libraries`).

H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from objabn.video.libraries import libraries
from objabn.video.orientation import Orientation, orientation, pixel_aspect, upright
from objabn.video.packets import Tally, WholePackets, is_placeholder
from objabn.video.promised import promised

# FFmpeg "formats" that turn a picture or a text file into a video.
STILL_FORMATS = ("image2", "tty", "bin", "xbin", "adf", "idf", "ico")


class VideoError(ValueError):
    """A file that gives no frame; the message is one line that says what is wrong, without the path."""


@dataclass(frozen=True)
class Probe:
    """PyAV's view of a file.

    Attributes:
        fps: stored frames a second.
        first: the first frame as displayed, (H, W, 3) uint8.
        packets: coded frames that are to be shown.
        container_frames: how many of them the file promises, None where it does not tell.
        pixel_aspect: width of a displayed pixel by its height.
        is_plain: whether quarter turns are all that leads from a stored frame to the displayed one.
    """

    fps: float
    first: np.ndarray
    packets: int
    container_frames: int | None
    pixel_aspect: float
    is_plain: bool


def probe_video(name: str) -> Probe:
    """Decode the first frame, then count coded frames without decoding them.

    Raises:
        VideoError: not a video, no video stream, or no frame can be decoded.
    """
    av = libraries().av
    first, reason = None, "no frames"
    shown = Orientation(False, 0, True)
    try:
        with av.open(name, metadata_errors="ignore") as container:
            stream = video_stream(av, container)
            tally, packets = Tally(stream), WholePackets(container, stream)
            try:
                for packet in packets:
                    if packet.size:  # the last one is empty and only flushes the decoder
                        tally.add(packet)
                    if first is None:
                        try:
                            if decoded := packet.decode():
                                first, shown = upright(decoded[0]), orientation(decoded[0])
                        except av.FFmpegError as error:
                            reason = error.strerror
            except av.FFmpegError as error:  # the file breaks off: what came before counts
                reason = error.strerror
            frames, fps = promised(name, container, stream, tally, cut=packets.cut)
            aspect = pixel_aspect(stream, shown.turns)
    except av.FFmpegError as error:
        raise VideoError(f"not a video: {error.strerror}") from error
    if first is None:
        raise VideoError(f"no frame can be decoded: {reason}")
    return Probe(fps, first, tally.pictures, frames, aspect, shown.is_plain)


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


def pyav_frames(name: str) -> Iterator[np.ndarray]:
    """Yield frames (H, W, 3) until the end or the first failure. Packets before the first frame may fail: some files
    start between key frames."""
    av = libraries().av
    started = False
    try:
        with av.open(name, metadata_errors="ignore") as container:
            for packet in WholePackets(container, video_stream(av, container)):
                try:
                    decoded = packet.decode()
                except av.FFmpegError:
                    if started and not is_placeholder(packet):
                        return
                    continue
                for frame in decoded:
                    started = True
                    yield upright(frame)
    except av.FFmpegError:
        return
