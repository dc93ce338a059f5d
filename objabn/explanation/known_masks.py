"""The masks of a video that is one of a run's data set, found from where the run lies.

They are a decoration: a store that is damaged costs the mask and a line, not the explanation.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from objabn.config.schema import Dataset, Mask
from objabn.explanation.inputs import complain
from objabn.stores.masks import group_names, union_mask

if TYPE_CHECKING:  # a store needs the packages of the pipeline, which a clip alone does not
    from objabn.stores.array import StoreReader

_AT_ONCE = 256  # frames whose masks are looked at together
_told: set[str] = set()  # what this process has said of damaged stores


class KnownMasks:
    """Masks of one video's frames, from the mask store."""

    def __init__(self, reader: "StoreReader", video: str, mask: Mask) -> None:
        self._reader, self._video, self._mask = reader, video, mask

    def check(self, num_frames: int) -> None:
        """Read all masks, once. Raises: ValueError when the store is damaged where they are, or has other groups."""
        for first in range(0, num_frames, _AT_ONCE):
            self.read(np.arange(first, min(first + _AT_ONCE, num_frames)))

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Union masks over the whole frame, bool (n, 128, 128), of frames int (n,)."""
        planes = self._reader.read(self._video, numbers)
        return union_mask(planes, self._mask.score_threshold, self._mask.groups, group_names(self._reader))


def find_masks(video: Path, num_frames: int, run: Path, params: Dataset) -> KnownMasks | None:
    """Masks of a video from `<root>/data/<ds>/masks`, for a run below `<root>/runs/<ds>`; None where not known.

    They are known where the data set's table has this very file with this number of frames. Where a store cannot be
    read, a line on stderr says so.

    Args:
        run: the run's directory.
        params: of the run; its `videos` is relative to the root.
    """
    directory = run.absolute()
    parts = directory.parts
    places = [at for at in range(len(parts) - 1) if parts[at] == "runs"]
    for at in reversed(places):
        root, dataset = Path(*parts[:at]), parts[at + 1]
        stores = root / "data" / dataset
        if not (stores / "masks").is_dir():
            continue
        try:
            from objabn.stores.array import StoreReader
            from objabn.stores.table import read_table

            table = read_table(stores / "frames", ["video", "path", "frames"])
            path = _relative(video, root / params.videos)
            row = table[(table["path"] == path) & (table["frames"] == num_frames)]
            if len(row):
                reader, name = StoreReader(stores / "masks"), row["video"].iloc[0]
                if reader.num_frames(name) == num_frames:
                    masks = KnownMasks(reader, name, params.mask)
                    masks.check(num_frames)
                    return masks
        except (OSError, ValueError, ModuleNotFoundError) as error:
            _say(f"{error}; explained without the mask")
    return None


def _say(line: str) -> None:
    """Say something once."""
    if line not in _told:
        _told.add(line)
        complain(line)


def _relative(video: Path, videos: Path) -> str | None:
    """The video's path below the data set's directory, however both were named; None when it is not there."""
    for resolve in (os.path.abspath, os.path.realpath):
        path, folder = Path(resolve(video)), Path(resolve(videos))
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return None
