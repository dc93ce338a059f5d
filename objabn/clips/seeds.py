"""Derive the random numbers of a video from the video's id.

So the numbers are the same in every process, epoch order and data set.
"""

import hashlib


def video_number(video: str) -> int:
    """Turn a video's id into a number in [0, 2^64), to seed a generator with."""
    return int.from_bytes(hashlib.blake2b(video.encode(), digest_size=8).digest(), "big")
