"""Read whole videos as uint8 RGB frames.

    frames, info = read_video("clip.avi", size=(240, 320))      # (N, 240, 320, 3)

PyAV is the reference: it looks at every file first. decord then serves the files on which it agrees with PyAV about the
number of frames and about the first one; PyAV serves all others. Files are read once, in order, from frame 0, because
decord's random access is silently wrong on AVI with B-frames.

N frames, H height, W width.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from objabn.system.file_kind import kind_of
from objabn.video.libraries import libraries
from objabn.video.probe import Probe, VideoError, probe_video, pyav_frames

# Largest difference (levels of 255) between decord's and PyAV's first frame that still counts as agreement. On ordinary
# 8-bit files it is 0; on 10-bit ones and odd heights the two differ at edges by 50 and more (other chroma upsampling).
AGREE_LEVELS = 2


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of itself, before any resizing.

    Attributes:
        fps: stored frames per second, so that their number / fps is the duration; 0.0 where the file does not tell.
        height: rows as displayed (a rotation tag applied), in stored pixels.
        width: columns as displayed.
        container_frames: frames that the container promises: its own count, or, in webm and mkv, which keep none, what
            the duration has room for. Those that an edit list hides, dropped ones (where the one before is shown again)
            and packets that yield no picture do not count. None where neither is known. Fewer frames read than this
            means that the file is cut or broken.
        decoder: "decord" or "pyav", whichever served the frames.
        pixel_aspect: width of a displayed pixel by its height. It is 1.0 but for anamorphic videos, whose frames are to
            be shown `pixel_aspect` times as wide as their columns are many; nothing here stretches them.
    """

    fps: float
    height: int
    width: int
    container_frames: int | None
    decoder: str
    pixel_aspect: float = 1.0


class DecordUnfit(Exception):
    """decord cannot be trusted with this file."""


def read_video(
    path: str | os.PathLike[str], *, size: tuple[int, int] | None = None, batch: int = 32
) -> tuple[np.ndarray, VideoInfo]:
    """All frames of a video, (N, H, W, 3) uint8 RGB in 0..255, in order, upright as displayed; and what the file says.

    A file that breaks off or fails midway gives the frames before that point: compare N with `container_frames`.

    Args:
        path: the video file.
        size: (height, width) of the result; None keeps the file's own. The aspect ratio is not kept, since everything
            spatial lives in normalised coordinates; nor are pixels that are no squares (`VideoInfo.pixel_aspect`) made
            square. Shrinking averages areas, enlarging is bilinear.
        batch: frames decoded between two resizes; memory holds the result and one batch at the file's own size.

    Raises:
        VideoError: there is no frame to be had: no such file, 0 bytes, not a video, no video stream, nothing decodable.
        ValueError: `size` or `batch` is not positive.
    """
    if (size is not None and min(size) < 1) or batch < 1:
        raise ValueError(f"read_video: expected positive size and batch, got size={size}, batch={batch}")
    name, probe = probed(path)
    target = size or probe.first.shape[:2]
    try:
        try:
            frames, decoder = _collect(decord_frames(name, probe, batch), probe.packets, target), "decord"
        except DecordUnfit:
            frames, decoder = _collect(pyav_frames(name), probe.packets, target), "pyav"
    except OSError as error:
        raise unreadable(error) from error
    return frames, info_of(probe, decoder)


def probed(path: str | os.PathLike[str]) -> tuple[str, Probe]:
    """The file's absolute name, and what PyAV makes of it.

    Raises:
        VideoError: there is no frame to be had; the reason says what the file is, where its first bytes tell.
    """
    name = os.path.abspath(path)  # absolute, so that FFmpeg never takes "a:b.mp4" for a protocol
    try:
        if not os.path.isfile(name):
            raise VideoError("not a file" if os.path.exists(name) else "no such file")
        if os.path.getsize(name) == 0:
            raise VideoError("0 bytes")
        try:
            return name, probe_video(name)
        except VideoError as error:
            if kind := kind_of(name):
                raise VideoError(f"not a video: {kind}") from error
            raise
    except OSError as error:
        raise unreadable(error) from error


def unreadable(error: OSError) -> VideoError:
    return VideoError(f"cannot be read: {error.strerror or error}")


def info_of(probe: Probe, decoder: str) -> VideoInfo:
    height, width = probe.first.shape[:2]
    return VideoInfo(probe.fps, height, width, probe.container_frames, decoder, probe.pixel_aspect)


def decord_frames(name: str, probe: Probe, batch: int) -> Iterator[np.ndarray]:
    """Yield frames (H, W, 3) in order.

    Raises:
        DecordUnfit: decord cannot open the file, disagrees with the probe, or fails midway (it then loses up
            to a dozen frames that PyAV still gets).
    """
    if probe.container_frames is not None and probe.packets < probe.container_frames:
        raise DecordUnfit("cut file")
    if not probe.is_plain:  # decord turns frames, but mirrors none
        raise DecordUnfit("mirrored")
    decord = libraries().decord
    if decord is None:
        raise DecordUnfit("not installed")
    try:
        # num_threads: with its default, or 4, decord fails on genuine SSv2 webm. fault_tol: the least above 0, since by
        # default decord fills frames that it cannot decode with copies of their neighbours and does not tell.
        reader = decord.VideoReader(name, ctx=decord.cpu(0), num_threads=1, fault_tol=1e-9)
        if len(reader) != probe.packets:
            raise DecordUnfit("other number of frames")
        for start in range(0, probe.packets, batch):
            frames = reader.get_batch(range(start, min(start + batch, probe.packets))).asnumpy()
            if start == 0 and not _agree(frames[0], probe.first):
                raise DecordUnfit("other first frame")
            yield from frames
    except (decord.DECORDError, decord.DECORDLimitReachedError, AssertionError, RuntimeError, IndexError) as error:
        raise DecordUnfit from error


def _agree(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two frames are equal but for rounding."""
    return one.shape == other.shape and int(np.abs(one.astype(np.int16) - other).max()) <= AGREE_LEVELS


def _collect(frames: Iterator[np.ndarray], expected: int, size: tuple[int, int]) -> np.ndarray:
    """Frames resized to size, (N, height, width, 3); expected is only the room to begin with."""
    stored = np.empty((max(expected, 1), *size, 3), np.uint8)
    count = 0
    for count, frame in enumerate(frames, 1):
        if count > len(stored):
            stored = np.concatenate([stored, np.empty_like(stored)])
        stored[count - 1] = resized(frame, size)
    return stored[:count]


def resized(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """frame (H, W, 3) at size (height, width): first the sides that shrink, by area, then those that grow, bilinear."""
    cv2 = libraries().cv2
    height, width = min(frame.shape[0], size[0]), min(frame.shape[1], size[1])
    if (height, width) != frame.shape[:2]:
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    if (height, width) != size:
        frame = cv2.resize(frame, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return frame
