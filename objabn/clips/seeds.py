"""What is drawn for a video is drawn from its name: the same in every process, epoch order and data set."""

import hashlib


def video_number(video: str) -> int:
    """A number in [0, 2^64) to seed a generator with, from the video's id."""
    return int.from_bytes(hashlib.blake2b(video.encode(), digest_size=8).digest(), "big")
