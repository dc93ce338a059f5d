"""The packets of a video, the coded frames as the file holds them: which are whole, and how many yield a picture."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

VOP = b"\0\0\1\xb6"  # begins each picture in MPEG-4 part 2 (XviD, DivX)


class WholePackets:
    """The packets of a stream, without the last one where the file ends within it.

    What a decoder makes of a part of a frame is grey from somewhere on, and no frame of the video.

    Attributes:
        cut: whether the file ends within a packet; known when all have come.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self.cut = False
        self._packets = container.demux(stream)

    def __iter__(self) -> Iterator[Any]:
        held = None  # a damaged packet: the last one, or one of a broadcast with disturbances
        try:
            for packet in self._packets:
                if held is not None and packet.size:
                    yield held
                    held = None
                if packet.size and packet.is_corrupt:
                    held = packet
                else:
                    yield packet
        finally:
            self.cut = held is not None


class Tally:
    """What the packets of a stream say of its frames, without decoding them.

    Attributes:
        packets: how many there are.
        listed: how many the file's own index lists; 0 for one that has none, less for one that lists key frames only.
        hidden: of them those that an edit list hides.
        unseen: of them those that others only refer to, as VP8 has them.
        end: behind the last decoding time, in units of the stream's time base: in AVI the number of the last chunk + 1.
    """

    def __init__(self, stream: Any) -> None:
        self.packets = self.hidden = self.unseen = self.end = 0
        self.listed = len(stream.index_entries)  # now, since FFmpeg adds to it while it reads
        self._times: list[int] = []
        self._time_base: Fraction = stream.time_base
        self._codec, self._least = stream.codec_context.codec.canonical_name, least_bytes(stream)
        self._placeholders = self._second = 0

    def add(self, packet: Any) -> None:
        self.packets += 1
        decoding_time = packet.dts
        if decoding_time is not None and decoding_time >= self.end:
            self.end = decoding_time + 1
        if self._codec == "vp8" and not memoryview(packet)[0] & 0x10:  # its bit show_frame
            self.unseen += 1
            return
        if (time := packet.pts) is not None:
            self._times.append(time)
        if packet.is_discard:
            self.hidden += 1
        elif self._codec == "mpeg4":
            if packet.size <= self._least:
                self._placeholders += 1
            elif (pictures := bytes(packet).count(VOP)) > 1:
                self._second += pictures - 1

    def starts(self) -> np.ndarray:
        """Seconds at which all but the unseen ones are shown, float64, in coding order."""
        return np.array(self._times, np.int64) * self._time_base.numerator / self._time_base.denominator

    @property
    def placeholders(self) -> int:
        """Packets of XviD and DivX that yield no picture.

        They stand where nothing has changed, where the encoder was behind, and behind a packet of two pictures ("packed
        bitstream"): that one yields the second picture, so it does not count here.
        """
        return max(self._placeholders - self._second, 0)

    @property
    def pictures(self) -> int:
        """Frames that are to be shown."""
        return self.packets - self.hidden - self.unseen - self.placeholders


def is_placeholder(packet: Any) -> bool:
    """Whether a packet of MPEG-4 part 2 is too small to hold a picture."""
    codec = packet.stream.codec_context.codec.canonical_name
    return bool(codec == "mpeg4" and packet.size <= least_bytes(packet.stream))


def least_bytes(stream: Any) -> int:
    """More than a placeholder has, less than any coded picture: its header, and a bit for each 16 x 16 pixels."""
    return (52 + -(-stream.width // 16) * -(-stream.height // 16)) // 8
