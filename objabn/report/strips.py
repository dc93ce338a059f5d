"""Draw attention maps as the figures of the paper do: frames above, maps below."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from objabn.config.rows import Colours
from objabn.report.names import map_label
from objabn.report.overlays import DEFAULT_COLOURS, coloured, legend, masked
from objabn.segmentation.titles import save, write
from objabn.system.files import replace_file

MAX_FRAMES = 8  # shown, spread over the clip (the paper shows every second of 16)
_PIXELS = 96  # side of a frame in the picture
_LEAST_COLUMNS = 4  # room for a title
_LEGEND = 1.25  # width of the colours of 0 to 1, with these, inches


class VideoMaps(NamedTuple):
    """One clip and its maps, for a picture."""

    title: str
    frames: np.ndarray  # uint8 (T, S, S, 3): the crop that the network saw
    maps: dict[str, np.ndarray]  # float (T, h, w) in [0, 1], by the map's name
    masks: np.ndarray | None = None  # bool (T, n, n) over that crop, where they are to be shown
    seconds: np.ndarray | None = None  # float (T,), when each frame is shown, likewise


def draw_maps(videos: list[VideoMaps], path: Path, *, side: int = _PIXELS, colours: Colours = DEFAULT_COLOURS) -> None:
    """Write a PNG: for each video a row of frames, and below it a row of each map, on an absolute scale.

    The colours of 0 to 1 stand beside the first title. Where the masks are known they are the last row; where times
    are, they stand on the frames.

    Args:
        videos: with as many frames each, of which at most `MAX_FRAMES` are shown.
        side: of a frame in the picture, pixels.
    """
    num_frames = len(videos[0].frames)
    shown = np.linspace(0, num_frames - 1, min(MAX_FRAMES, num_frames)).round().astype(int)
    columns = max(len(shown), _LEAST_COLUMNS)
    num_rows = [1 + len(video.maps) + (video.masks is not None) for video in videos]
    figure = Figure(figsize=(columns * 1.05 + 0.5, sum(num_rows) * 1.0 + len(videos) * 0.35), dpi=side)
    heights = [height for number in num_rows for height in (0.3, *[1.0] * number)]
    grid = figure.add_gridspec(
        len(heights),
        columns,
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
        room = title.get_window_extent().width
        if line == 0:
            share = _LEGEND * side / room
            _draw_legend(title, share, colours)
            room *= 1 - share
        write(title, 0, 0.15, video.title, room, fontsize=9, va="bottom")
        rows = [("", video.frames[shown])]
        for name, maps in video.maps.items():
            label = map_label(name).replace("-", "-\n")
            rows.append((label, np.stack([coloured(video.frames[at], maps[at], colours) for at in shown])))
        if video.masks is not None:
            rows.append(("mask", np.stack([masked(video.frames[at], video.masks[at]) for at in shown])))
        for offset, (label, images) in enumerate(rows, start=1):
            for column, image in enumerate(images):
                axes = figure.add_subplot(grid[line + offset, column])
                axes.imshow(image, interpolation="nearest")
                axes.set_xticks([])
                axes.set_yticks([])
                if offset == 1 and video.seconds is not None:
                    outlined = [withStroke(linewidth=1.5, foreground="black")]
                    time = f"{video.seconds[shown[column]]:.1f} s"
                    axes.text(0.04, 0.95, time, fontsize=7, color="white", va="top", path_effects=outlined,
                              transform=axes.transAxes)  # fmt: skip
                if column == 0 and label:
                    axes.set_ylabel(label, rotation=0, labelpad=18 if label == "mask" else 14, va="center")
        line += 1 + len(rows)
    with replace_file(path) as partial:
        save(figure, partial)


def _draw_legend(line: Axes, share: float, colours: Colours) -> None:
    """The colours of 0 to 1 at the right end of a line without axes, over this share of its width."""
    bar = line.inset_axes((1 - 0.8 * share, 0.3, 0.68 * share, 0.45))
    bar.imshow(legend(1, 256, colours), aspect="auto")
    bar.axis("off")
    for number, place, align in (("0", -0.06, "right"), ("1", 1.06, "left")):
        bar.text(place, 0.5, number, fontsize=8, ha=align, va="center", transform=bar.transAxes)
