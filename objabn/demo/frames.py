"""Make an explanation's frames and maps into pictures that a page can show without asking again.

All pictures stand in one file, JPEGs end to end: of each shown frame the frame itself, then each map over it.

N frames with maps, K of them shown, M maps, h/w grid of the maps.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from objabn.explanation.frame_stream import stream_video
from objabn.explanation.panels import crop_of, panel_size, surrounded
from objabn.report.overlays import coloured
from objabn.system.files import replace_file
from objabn.video.libraries import libraries
from objabn.video.read import resized

MOST = 200  # frames that a page shows of a video: their pictures are in the memory of the browser
_QUALITY = 82  # of JPEG
_GREY, _STEPS = 128, 33  # of the legend


class Pictures(NamedTuple):
    """What stands in a file of pictures.

    Attributes:
        places: int64 (K,), which of the N frames are shown, rising.
        sizes: bytes of each picture, K times 1 + M.
    """

    places: np.ndarray
    sizes: list[int]


def spread(number: int, most: int = MOST) -> np.ndarray:
    """Choose at most so many of a number of frames, evenly spread from the first to the last; int64 (K,).

    >>> spread(3), spread(100, 4)
    (array([0, 1, 2]), array([ 0, 33, 66, 99]))
    """
    return np.linspace(0, number - 1, min(number, most)).round().astype(np.int64)


def write_pictures(
    path: Path, video: Path, frames: np.ndarray, maps: Mapping[str, np.ndarray], box: np.ndarray, most: int = MOST
) -> Pictures:
    """Decode a video once more and write the shown frames with their maps, one at a time.

    Args:
        path: the file, which appears whole or not at all.
        frames: int64 (N,), numbers in the video of the frames with maps, rising.
        maps: float32 (N, h, w) in [0, 1], by letter, over `box`.
        box: x0, y0, x1, y1 in [0, 1] of the frame: what the network saw.
        most: frames that are shown.

    Raises:
        VideoError: the video cannot be read (a ValueError, too).
    """
    stream = stream_video(video)
    size = panel_size(stream.info.height, stream.info.width * stream.info.pixel_aspect)
    crop, places = crop_of(box, size), spread(len(frames), most)
    wanted = {int(frames[place]): int(place) for place in places}
    last = int(frames[places[-1]])
    sizes, shown = [], []
    with replace_file(path) as partial, open(partial, "wb") as file:
        for number, whole in enumerate(stream):
            if number in wanted:
                place, frame = wanted[number], resized(whole, size)
                seen = [frame[crop], *(coloured(frame[crop], each[place]) for each in maps.values())]
                pictures = [_jpeg(surrounded(frame, crop, each)) for each in seen]
                file.writelines(pictures)
                sizes += [len(each) for each in pictures]
                shown.append(place)
            if number == last:
                break
    return Pictures(np.array(shown, np.int64), sizes)


def legend() -> list[str]:
    """List the colours of a map from 0 to 1 over a grey frame, as CSS writes them."""
    grey = np.full((1, _STEPS, 3), _GREY, np.uint8)
    row = coloured(grey, np.linspace(0, 1, _STEPS)[None])[0]
    return [f"rgb({red},{green},{blue})" for red, green, blue in row.tolist()]


def _jpeg(picture: np.ndarray) -> bytes:
    cv2 = libraries().cv2
    done, encoded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done
    return bytes(encoded)
