"""A picture of attention maps as in the paper's figures: frames above, maps below."""

import io
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from objabn.evaluation import GRAD_CAM, VideoMaps
from objabn.files import write_bytes

MAX_FRAMES = 8  # shown, spread over the clip (the paper shows every second of 16)
_PIXELS = 96  # side of a frame in the picture


def _overlay(frame: np.ndarray, attention_map: np.ndarray) -> np.ndarray:
    """Map (h, w) in [0, 1] as colours over a grey frame uint8 (S, S, 3); uint8 (S, S, 3). 0 is blue, 1 is red."""
    import cv2

    size = frame.shape[0]
    enlarged = np.clip(cv2.resize(attention_map.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR), 0, 1)
    colours = matplotlib.colormaps["jet"](enlarged)[..., :3] * 255
    grey = frame.mean(axis=-1, keepdims=True)
    return (0.45 * grey + 0.55 * colours).round().astype(np.uint8)


def draw_maps(videos: list[VideoMaps], path: Path) -> None:
    """Writes a PNG: for each video a row of frames, and below it a row of each map (absolute scale, 0 blue, 1 red)."""
    num_frames = len(videos[0].frames)
    shown = np.linspace(0, num_frames - 1, min(MAX_FRAMES, num_frames)).round().astype(int)
    num_rows = sum(1 + len(video.maps) for video in videos)
    figure = Figure(figsize=(len(shown) * 1.05 + 0.5, num_rows * 1.0 + len(videos) * 0.35), dpi=_PIXELS)
    heights = [height for video in videos for height in (0.3, 1.0, *(1.0 for _ in video.maps))]
    grid = figure.add_gridspec(
        len(heights),
        len(shown),
        height_ratios=heights,
        hspace=0.03,
        wspace=0.03,
        left=0.06,
        right=0.995,
        top=0.995,
        bottom=0.005,
    )
    line = 0
    for video in videos:
        title = figure.add_subplot(grid[line, :])
        title.axis("off")
        title.text(0, 0.15, video.title, fontsize=9, va="bottom")
        rows = [("", video.frames[shown])]
        for name, maps in video.maps.items():
            label = "Grad-\nCAM" if name == GRAD_CAM else f"$M_{name}$"
            rows.append((label, np.stack([_overlay(video.frames[at], maps[at]) for at in shown])))
        for offset, (label, images) in enumerate(rows, start=1):
            for column, image in enumerate(images):
                axes = figure.add_subplot(grid[line + offset, column])
                axes.imshow(image, interpolation="nearest")
                axes.set_xticks([])
                axes.set_yticks([])
                if column == 0 and label:
                    axes.set_ylabel(label, rotation=0, labelpad=14, va="center")
        line += 1 + len(rows)
    content = io.BytesIO()
    figure.savefig(content)
    write_bytes(path, content.getvalue())
