"""Masks of a mask store over the frames of their videos, as mp4: to look at before they are trusted."""

from pathlib import Path

import numpy as np

from objabn.segmentation.contact_sheet import group_colours
from objabn.stores.array import StoreReader
from objabn.stores.frames import FrameReader
from objabn.truth.unions import Video, read_unions
from objabn.video.libraries import libraries
from objabn.video.write import open_writer

MOST_HEIGHT = 720  # pixels
_OPACITY = 0.45


def write_overlay(folder: Path, frames: FrameReader, store: StoreReader, video: Video, threshold: float) -> Path:
    """Write <folder>/<video id>.mp4: the stored frames, each group's union in its colour.

    Pictures have the video's own shape, at most `MOST_HEIGHT` high.

    Args:
        frames: where the frames are read.
        store: the mask store.
        threshold: least score of an instance, in (0, 1].
    """
    scale = min(1.0, MOST_HEIGHT / video.height)
    height, width = (max(2, round(side * scale)) for side in (video.height, video.width))
    path = folder / f"{video.id}.mp4"
    unions = read_unions(store, video.id, threshold)
    with open_writer(path, height, width, fps=video.fps) as write:
        for number, frame in enumerate(frames.read_all(video.id)):
            write(draw(frame, {group: masks[number] for group, masks in unions.items()}, height, width))
    return path


def draw(frame: np.ndarray, unions: dict[str, np.ndarray], height: int, width: int) -> np.ndarray:
    """Draw masks over a frame, uint8 (height, width, 3).

    Args:
        frame: uint8 (H, W, 3).
        unions: bool (GRID, GRID) by group; the first group is drawn on top.
    """
    cv2 = libraries().cv2
    colours = group_colours(list(unions))
    picture = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
    for group, union in reversed(unions.items()):
        mask = cv2.resize(union.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        colour = np.array(colours[group], np.float32)
        picture[mask] = ((1 - _OPACITY) * picture[mask] + _OPACITY * colour).round().astype(np.uint8)
    return picture
