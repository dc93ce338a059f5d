"""Encode chunks of a store. Light to import, since each decoding process does.

A chunk ends with its CRC-32C (Zarr's codec `crc32c`). A chunk of jpegs is one frame.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np


@dataclass(frozen=True)
class EncodedFrames:
    """The frames of a video as chunks of a store of jpegs.

    Attributes:
        content: the chunks, one behind the other.
        sizes: of each chunk, bytes, int64 (frames,).
        checksum: of the frames before they were encoded (`checksum_of`).
    """

    content: bytes
    sizes: np.ndarray
    checksum: str


def encode_frames(frames: np.ndarray, quality: int) -> EncodedFrames:
    """Encode frames, uint8 RGB (N, H, W, 3), as jpegs of a quality from 1 to 100."""
    chunks = [_jpeg(frame, quality) for frame in frames]
    return EncodedFrames(b"".join(chunks), np.array([len(chunk) for chunk in chunks], np.int64), checksum_of(frames))


def _jpeg(frame: np.ndarray, quality: int) -> bytes:
    import imagecodecs

    return with_checksum(imagecodecs.jpeg8_encode(np.ascontiguousarray(frame), level=quality))


def encode_zstd(items: np.ndarray, level: int) -> bytes:
    """Encode a chunk of entries, uint8 (frames_per_chunk, ...)."""
    from numcodecs.zstd import Zstd  # which Zarr uses: other builds of zstd give other bytes

    return with_checksum(Zstd(level).encode(np.ascontiguousarray(items)))


def with_checksum(content: Any) -> bytes:
    """Append the CRC-32C of bytes to them."""
    content = bytes(content)
    return content + google_crc32c.value(content).to_bytes(4, "little")


def checksum_of(items: np.ndarray) -> str:
    """Compute the CRC-32 of a video's entries, eight hexadecimal digits.

    Args:
        items: uint8 (frames, ...).
    """
    checksum = 0
    for item in items:  # one at a time: `items` may be every n-th frame of a video
        checksum = zlib.crc32(np.ascontiguousarray(item).data, checksum)
    return f"{checksum:08x}"
