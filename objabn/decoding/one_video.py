"""One video: its frames and what its row of the table says. Light to import, since each decoding process does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from objabn.stores.chunks import EncodedFrames
from objabn.system.files import file_digest
from objabn.video import libraries
from objabn.video.probe import VideoError
from objabn.video.read import read_video

Pack = Callable[[np.ndarray], np.ndarray | EncodedFrames]


def failed(reason: str, *, passing: bool = False) -> dict[str, Any]:
    """The outcome of a video of which there is no frame; the reason becomes one line.

    Args:
        passing: the reason is not in the registered content of the file, so that another try may succeed.
    """
    outcome: dict[str, Any] = {"status": "failed", "error": " ".join(reason.split()), "decoder": "", "passing": passing}
    return {**outcome, "container_frames": None, "fps": None, "height": 0, "width": 0}


def no_frames(size: tuple[int, int]) -> np.ndarray:
    return np.zeros((0, *size, 3), np.uint8)


def decode_one(
    path: Path, digest: str, *, size: tuple[int, int], stride: int = 1, read: Callable[..., Any] = read_video
) -> tuple[np.ndarray, dict[str, Any]]:
    """Frames, uint8 (N, *size, 3), and outcome: status, error, decoder, container_frames, fps, height, width.

    N counts stored frames, and fps is N by the duration. Every frame is resized to `size`, whatever its shape. Height
    and width are those of the displayed frame in stored pixels, also where pixels are no squares (anamorphic videos).

    Args:
        digest: of the file's content, as it was registered.
        size: (height, width) of the result.
        stride: of the video's frames, those with the numbers 0, stride, 2 * stride, ... are stored.
        read: as `read_video`.

    Raises:
        MemoryError: no fault of the video's.
    """
    is_registered = False
    try:
        if not path.is_file():
            raise VideoError("no such file")
        if file_digest(path) != digest:
            raise VideoError("its content is not what index.csv registered; run `python -m objabn index` again")
        is_registered = True
        frames, info = read(path, size=size)
    except MemoryError:
        raise
    except OSError as error:
        return no_frames(size), failed(f"cannot be read: {error.strerror or error}", passing=True)
    except Exception as error:  # whatever one video does to a decoder, it costs a row and not the run
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from error
        reason = str(error) if isinstance(error, VideoError) else f"{type(error).__name__}: {error}"
        return no_frames(size), failed(reason, passing=not is_registered or _is_of_the_disk(error.__cause__))
    outcome = {
        "status": "ok",
        "error": "",
        "decoder": info.decoder,
        "container_frames": info.container_frames,
        "fps": info.fps / stride,
        "height": info.height,
        "width": info.width,
    }
    if info.container_frames is not None and len(frames) < info.container_frames:
        outcome |= {"status": "truncated", "error": f"{len(frames)} of {info.container_frames} frames could be decoded"}
    return frames[::stride], outcome


def _is_of_the_disk(cause: BaseException | None) -> bool:
    """Whether the system could not read. FFmpeg's errors, OSErrors too, are about what stands in a file."""
    return isinstance(cause, OSError) and type(cause).__module__ == "builtins"


def in_worker(
    task: tuple[Path, str], *, size: tuple[int, int], stride: int, pack: Pack, read: Callable[..., Any]
) -> tuple[np.ndarray | EncodedFrames, int, dict[str, Any]]:
    """`decode_one` in a process that does nothing else: frames as `pack` hands them over, their number, outcome."""
    libraries.only_decode()
    frames, outcome = decode_one(*task, size=size, stride=stride, read=read)
    return pack(frames), len(frames), outcome


def none_of(frames: np.ndarray) -> np.ndarray:
    """Hand over no frame."""
    return frames[:0]
