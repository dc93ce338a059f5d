"""J-HMDB's puppet masks as ground truth: the actor in each frame, <folder>/<class>/<name>/puppet_mask.mat.

Frames behind a clip's last mask are without annotation; masks behind its last frame are left out.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from objabn.segmentation.segmenters.instances import planes_of
from objabn.segmentation.segmenters.placing import place_masks
from objabn.segmentation.segmenters.puppets import NAME, VARIABLE, check_scipy, read_puppets, wrong_length
from objabn.stores.masks import GRID, GROUPS
from objabn.truth.videos import Video, Videos
from objabn.truth.write import UNKNOWN, LeftOut, Masks, Read

GROUP = "person"
_MOST_STRETCHED = 1.1  # how much the masks' height for a width may differ from the video's


def read_jhmdb(folder: Path, videos: Videos) -> Read:
    """Read J-HMDB's puppet masks, clip by clip.

    Args:
        folder: that of the class folders, or one above it.
        videos: those of the data set; masks of others are not looked at.

    Raises:
        ValueError: there is no such file below the folder; scipy is not there.
    """
    files = sorted(path for path in folder.rglob(NAME) if not _is_hidden(path.relative_to(folder)))
    if not files:
        got = "none below it" if folder.is_dir() else "a file" if folder.exists() else "no such directory"
        raise ValueError(f"{folder}: expected a directory of <class>/<name>/{NAME}, got {got}")
    check_scipy()
    return _read(folder, files, videos)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read(folder: Path, files: list[Path], videos: Videos) -> Iterator[tuple[str, Masks | LeftOut]]:
    for file in files:
        name = file.parent.relative_to(folder).as_posix()
        video = videos.find(name)
        if video is None:
            yield name, UNKNOWN
            continue
        try:
            puppets = read_puppets(file)
        except ValueError as error:
            yield name, LeftOut("its puppet masks cannot be read", str(error))
            continue
        yield name, _of_stored(video, puppets)


def _of_stored(video: Video, puppets: np.ndarray) -> Masks | LeftOut:
    """Masks of the stored frames, or that the puppets are of another clip.

    Args:
        puppets: bool (frames, height, width), of the video's frames from the first one on.
    """
    if video.is_whole and (wrong := wrong_length(puppets, video.frames, video.stride)) is not None:
        return LeftOut("its puppet masks are of a clip of another length", wrong)
    height, width = puppets.shape[1:]
    stretched = height * video.width / (width * video.height)
    if not 1 / _MOST_STRETCHED <= stretched <= _MOST_STRETCHED:
        details = f"{VARIABLE} has {height} x {width} pixels, the video {video.height} x {video.width}"
        return LeftOut("its puppet masks are of a frame of another shape", details)
    known, planes = np.zeros(video.frames, bool), np.zeros((video.frames, len(GROUPS), GRID, GRID), np.uint8)
    for number, puppet in enumerate(puppets[:: video.stride][: video.frames]):
        known[number] = True
        planes[number] = planes_of(place_masks([(puppet, 1.0, GROUP)]))
    return Masks(known, planes)
