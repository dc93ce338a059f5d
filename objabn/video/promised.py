"""How many frames a file promises, and how fast they come, from its header, its index and the times of its packets.

A dropped frame is one that the file does not store, since the one before is to be shown again. It is not missing: clips
count stored frames, and only what lies behind the last time stamp can have been cut off.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from objabn.video.packets import Tally

# A longer hole (seconds) in a webm of a constant rate is no row of dropped frames: a part of the file is damaged.
LONGEST_DROP = 0.5
# A smaller difference (share) between nominal and stored frames a second is no dropped frame: times are rounded.
RATE_TOLERANCE = 0.01


def promised(name: str, container: Any, stream: Any, tally: Tally, *, cut: bool) -> tuple[int | None, float]:
    """Frames that a file promises to show, None where it does not tell; and stored frames a second, 0.0 likewise.

    Args:
        name: the file.
        tally: of all its packets.
        cut: whether the file ends within a packet.
    """
    without = tally.packets - tally.pictures
    rate = float(stream.average_rate or stream.guessed_rate or 0.0)
    if container.format.name == "avi":
        end, missing = avi_chunks(name, stream, tally)
        there = tally.packets + _share(missing, tally.packets, end)
        frames = max(there, tally.listed) if stream.frames else None
        fps = rate * tally.pictures / end if end and end != tally.pictures else rate
    else:
        starts = tally.starts()
        frames = stream.frames or container_frames(container, stream, starts)
        if "matroska" in container.format.name:
            without -= tally.unseen  # by times, they do not count from the beginning
        elif frames is None and tally.listed > tally.packets:  # an mp4 in fragments
            frames = tally.listed
        exact = "mp4" in container.format.name and not tally.placeholders  # FFmpeg divides packets by the duration
        fps = rate if exact else timed_rate(rate, tally.pictures + tally.hidden, starts)
    if frames is not None:
        frames = max(frames - without, 0)
    return (max(frames or 0, tally.pictures + 1) if cut else frames), fps


def container_frames(container: Any, stream: Any, starts: Sequence[float] | np.ndarray) -> int | None:
    """Packets that a webm or mkv promises, None where it does not, and for other containers.

    They keep only when the video ends. At a constant rate that is a number of frames, less the dropped ones; else a
    file counts as cut when it ends long after its last frame began.

    Args:
        starts: seconds at which the frames that are there are shown, in any order.
    """
    if "matroska" not in container.format.name:
        return None
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
        dropped = int(np.maximum(np.round(steps[steps <= LONGEST_DROP] * rate) - 1, 0).sum())
        return math.floor((end - shown[0]) * rate + 0.05) - dropped or None
    left = end - shown[-1]
    return len(shown) + (math.floor(left / steps.mean()) if left > 2 * steps.max() else 0)


def timed_rate(rate: float, count: int, starts: np.ndarray) -> float:
    """Stored frames a second: the nominal rate, or what the times of `count` frames say where some were dropped."""
    if not rate or count < 2 or not len(starts):
        return rate
    slots = float(np.ptp(starts)) * rate + 1
    if abs(slots - count) < max(0.75, RATE_TOLERANCE * slots):
        return rate
    timed = rate * count / slots
    return timed if timed > rate / 10 else rate  # times that jump, as in joined broadcasts, tell nothing


def avi_chunks(name: str, stream: Any, tally: Tally) -> tuple[int, int]:
    """Chunks of an AVI's stream up to where the file ends, dropped ones included; and how many of them are missing.

    The header counts dropped frames, too: chunks of 0 bytes, which FFmpeg passes over, but their times pass. At the end
    of the file only its index (idx1), the last thing in it, tells dropped frames from lost ones.
    """
    if tally.end >= stream.frames:
        return tally.end, 0
    listed = _listed_chunks(name, stream.index)
    if listed is not None and listed >= tally.end:
        return listed, 0
    return tally.end, stream.frames - tally.end


def _listed_chunks(name: str, number: int) -> int | None:
    """Chunks of stream `number` that the index of an AVI lists; None for a file without an index, or a part of one."""
    with open(name, "rb") as file:
        file.seek(12)  # behind RIFF, size, AVI
        while True:
            kind, size = struct.unpack("<4sI", head) if len(head := file.read(8)) == 8 else (b"", 0)
            if kind == b"idx1":
                break
            if not kind.strip().isalnum():
                return None
            file.seek(size + size % 2, 1)
        content = file.read(size)
    if len(content) < size:
        return None
    ids = np.frombuffer(content, "S4", count=size // 16 * 4)[::4]  # then flags, place, size
    return int(np.isin(ids, [b"%02d%s" % (number, kind) for kind in (b"dc", b"db", b"__", b"iv")]).sum())


def _share(missing: int, packets: int, end: int) -> int:
    """Packets among the missing chunks, if as many of these are dropped frames as of those that are there."""
    return max(round(missing * packets / end), 1) if missing and end else missing
