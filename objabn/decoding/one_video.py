"""One video: its frames and what its row of the table says. Light to import, since each decoding process does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from objabn.system.files import file_digest
from objabn.video import libraries
from objabn.video.probe import VideoError
from objabn.video.read import read_video


def failed(reason: str) -> dict[str, Any]:
    """The outcome of a video of which there is no frame; the reason becomes one line."""
    outcome: dict[str, Any] = {"status": "failed", "error": " ".join(reason.split()), "decoder": ""}
    return {**outcome, "container_frames": None, "fps": None, "height": 0, "width": 0}


def no_frames(size: tuple[int, int]) -> np.ndarray:
    return np.zeros((0, *size, 3), np.uint8)


def decode_one(
    path: Path, digest: str, *, size: tuple[int, int], read: Callable[..., Any] = read_video
) -> tuple[np.ndarray, dict[str, Any]]:
    """Frames, uint8 (N, *size, 3), and outcome: status, error, decoder, container_frames, fps, height, width.

    Args:
        digest: of the file's content, as it was registered.
        size: (height, width) of the result.
        read: as `read_video`.
    """
    try:
        if not path.is_file():
            raise VideoError("no such file")
        if file_digest(path) != digest:
            raise VideoError("its content is not what index.csv registered; run `python -m objabn index` again")
        frames, info = read(path, size=size)
    except Exception as error:  # whatever one video does to a decoder, it costs a row and not the run
        reason = str(error) if isinstance(error, VideoError) else f"{type(error).__name__}: {error}"
        return no_frames(size), failed(reason)
    outcome = {
        "status": "ok",
        "error": "",
        "decoder": info.decoder,
        "container_frames": info.container_frames,
        "fps": info.fps,
        "height": info.height,
        "width": info.width,
    }
    if info.container_frames is not None and len(frames) < info.container_frames:
        outcome |= {"status": "truncated", "error": f"{len(frames)} of {info.container_frames} frames could be decoded"}
    return frames, outcome


def in_worker(
    task: tuple[Path, str], *, size: tuple[int, int], keep: bool, read: Callable[..., Any]
) -> tuple[np.ndarray, int, dict[str, Any]]:
    """`decode_one` in a process that does nothing else: frames (none unless `keep`), their number, outcome."""
    libraries.only_decode()
    frames, outcome = decode_one(*task, size=size, read=read)
    return frames if keep else frames[:0], len(frames), outcome
