"""Draw a moving picture: a few test videos, and beside each the maps of the rows over its frames."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from objabn.config.rows import Colours
from objabn.evaluation.kept_maps import KeptMaps
from objabn.report.names import COMPARED, MAP_NAMES, Row
from objabn.report.overlays import DEFAULT_COLOURS, coloured, legend
from objabn.report.strips import VideoMaps
from objabn.segmentation.titles import shortened
from objabn.system.files import write_bytes

MOST_COLUMNS = 5  # rows beside the video; a wider picture is cut by a page
_SIDE, _GAP, _HEADING = 128, 4, 34  # pixels
_LETTERS = 16  # of a row's name above its column
_RATE = 25.0  # frames a second, where no file tells
_SHORTEST, _LONGEST = 60, 400  # milliseconds a frame is shown


def shown_rows(rows: Sequence[Row]) -> list[Row]:
    """Choose the columns: a row a kind of training, that without PC where there is one, at most `MOST_COLUMNS`.

    >>> [row.name for row in shown_rows([Row("mask", False), Row("mask", True), Row("mha", True)])]
    ['mask', 'mha + PC']
    """
    first: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.pc):
        first.setdefault(row.attention, row)
    return [row for row in rows if row in first.values()][-MOST_COLUMNS:]


def milliseconds_between(kept: KeptMaps, videos: pd.DataFrame) -> float:
    """Find the usual time between two frames of a kept clip, in milliseconds.

    Args:
        videos: of the frame store: video and fps, stored frames a second; 0 or NaN where a file does not tell.
    """
    steps = np.diff(kept.frames, axis=1)
    rates = videos.set_index("video")["fps"].reindex(kept.videos.tolist()).astype(float)
    usual = float(np.median(steps)) if steps.size else 1.0
    rate = float(rates[rates > 0].median()) if (rates > 0).any() else _RATE
    return 1000 * usual / rate


def draw_moving(
    pictures: Mapping[Row, Sequence[VideoMaps]],
    path: Path,
    *,
    milliseconds: float,
    colours: Colours = DEFAULT_COLOURS,
) -> None:
    """Write a GIF that runs for ever: a line for each video, a column for each row's map, the frames in the first.

    Above the frames stand the colours of 0 to 1. A row shows the map that it is compared by: M_o
    where it has one, else M_u, else Grad-CAM's.

    Args:
        pictures: the same videos of each row, with as many frames each; a row whose frames are others is left out.
        milliseconds: between two frames of a video.
    """
    reference = list(pictures.values())[-1]
    columns = {}
    for row in shown_rows([row for row, videos in pictures.items() if _same_clips(videos, reference)]):
        letter = next((letter for letter in COMPARED if letter in pictures[row][0].maps), None)
        if letter:
            columns[row] = letter
    headings = ["", *(f"{shortened(row.name, _LETTERS)}\n{MAP_NAMES[letter]}" for row, letter in columns.items())]
    images = []
    for at in range(len(reference[0].frames)):
        lines = []
        for number, video in enumerate(reference):
            maps = [pictures[row][number].maps[letter][at] for row, letter in columns.items()]
            lines.append([video.frames[at], *(coloured(video.frames[at], each, colours) for each in maps)])
        images.append(_page(lines, headings, colours))
    shown = int(min(max(milliseconds, _SHORTEST), _LONGEST))
    whole = io.BytesIO()
    first, *others = [image.quantize(255, dither=Image.Dither.NONE) for image in images]
    first.save(whole, "GIF", save_all=True, append_images=others, duration=shown, loop=0, optimize=True)
    write_bytes(path, whole.getvalue())


def _same_clips(videos: Sequence[VideoMaps], others: Sequence[VideoMaps]) -> bool:
    return len(videos) == len(others) and all(
        np.array_equal(one.frames, other.frames) for one, other in zip(videos, others, strict=True)
    )


def _page(lines: Sequence[Sequence[np.ndarray]], headings: Sequence[str], colours: Colours) -> Image.Image:
    """One frame of the picture: squares in lines and columns, the headings above, the legend above the frames."""
    step = _SIDE + _GAP
    page = Image.new("RGB", (len(headings) * step - _GAP, _HEADING + len(lines) * step - _GAP), "white")
    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", 12)
    draw = ImageDraw.Draw(page)
    page.paste(Image.fromarray(legend(10, _SIDE - 40, colours)), (20, _HEADING // 2 - 5))
    for end, left in (("0", 10), ("1", _SIDE - 10)):
        draw.text((left, _HEADING / 2), end, fill="black", font=font, anchor="mm")
    for column, heading in enumerate(headings):
        place = (column * step + _SIDE / 2, _HEADING / 2)
        draw.multiline_text(place, heading, fill="black", font=font, anchor="mm", align="center", spacing=1)
    for number, line in enumerate(lines):
        for column, square in enumerate(line):
            image = Image.fromarray(square).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
            page.paste(image, (column * step, _HEADING + number * step))
    return page
