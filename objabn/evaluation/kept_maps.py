"""A row's file of attention maps: what the report's gallery shows of some test videos.

V videos, M maps, T frames, h/w grid of the maps.
"""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from objabn.clips.batches import Batch
from objabn.clips.dataset import ClipDataset
from objabn.config.rows import map_names
from objabn.system.files import replace_file


class KeptMaps(NamedTuple):
    """Maps of some test videos: of the first view of the first seed."""

    videos: np.ndarray  # str (V,): ids
    map_names: np.ndarray  # str (M,): letters u, o, b or g, as in the results' columns
    maps: np.ndarray  # uint8 (V, M, T, h, w): round(255 * M)
    frames: np.ndarray  # int64 (V, T): the clip's frames, numbers within the video
    boxes: np.ndarray  # float32 (V, 4): the crop that the network saw: x0 y0 x1 y1 in [0, 1] of the frame


MOST = 512  # videos of a row whose maps are kept
_KINDS = {"videos": ("U", 1), "map_names": ("U", 1), "maps": ("u1", 5), "frames": ("i8", 2), "boxes": ("f4", 2)}


def _fault(kept: KeptMaps) -> str | None:
    """The first thing that is not as in `KeptMaps`."""
    for name, (kind, num_axes) in _KINDS.items():
        array = getattr(kept, name)
        if not array.dtype.str[1:].startswith(kind) or array.ndim != num_axes:
            return f"{name}: expected {kind} of {num_axes} axes, got {array.dtype.str[1:]} of {array.ndim}"
    num_videos, num_maps, num_frames = kept.maps.shape[:3]
    shapes = {"videos": (num_videos,), "map_names": (num_maps,), "frames": (num_videos, num_frames)}
    for name, shape in (shapes | {"boxes": (num_videos, 4)}).items():
        if (actual := getattr(kept, name).shape) != shape:
            return f"{name}: expected {shape} beside maps {kept.maps.shape}, got {actual}"
    return None


def write_maps(path: Path, kept: KeptMaps) -> None:
    """Write kept maps as an npz file, whole or not at all.

    The same maps give the same bytes in any environment. numpy's `savez` does not: its zip headers differ from one
    Python to the next. The file is not compressed, since versions of zlib differ, too.
    """
    fault = _fault(kept)
    assert fault is None, fault
    with replace_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, array in kept._asdict().items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())  # dated 1980


def read_maps(path: Path) -> KeptMaps:
    """Read what `write_maps` wrote.

    Raises:
        ValueError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise ValueError(f"{path}: expected the row's attention maps, got no file; `dvc repro` evaluates the row again")
    try:
        with np.load(path, allow_pickle=False) as content:
            kept = KeptMaps(**{name: content[name] for name in _KINDS})
    except (ValueError, EOFError, KeyError, OSError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: expected a row's attention maps, got another or a broken file ({reason})") from error
    if fault := _fault(kept):
        raise ValueError(f"{path}: not a row's attention maps: {fault}")
    return kept


def together(kept: Sequence[KeptMaps]) -> KeptMaps:
    """Join maps of the same letters, grid and number of frames, of different videos."""
    first = kept[0]
    arrays = {name: np.concatenate([getattr(each, name) for each in kept]) for name in _KINDS if name != "map_names"}
    return KeptMaps(map_names=first.map_names, **arrays)


class MapKeeper:
    """Keep the maps of some test videos, of each the first view.

    `evaluate_run` calls a keeper with each batch. Which videos are kept depends on the data set alone: all where there
    are no more than `most`, else so many spread over it.
    """

    def __init__(self, dataset: ClipDataset, attention: str, most: int = MOST) -> None:
        videos = dataset.table["video"]
        self._chosen = np.unique(np.linspace(0, len(videos) - 1, min(most, len(videos))).round().astype(int))
        self._videos = videos.iloc[self._chosen].to_numpy(dtype=str)
        self._map_names, self._views = np.array(map_names(attention)), dataset.views
        self._seen = 0  # clips
        self._arrays: dict[str, list[np.ndarray]] = {"maps": [], "frames": [], "boxes": []}

    def __call__(self, batch: Batch, maps: np.ndarray) -> None:
        """Take the next batch of clips and its maps, float32 (B, M, T, h, w) in [0, 1]."""
        clips = np.arange(self._seen, self._seen + len(maps))
        self._seen += len(maps)
        chosen = (clips % self._views == 0) & np.isin(clips // self._views, self._chosen)
        self._arrays["maps"].append((255 * maps[chosen]).round().astype(np.uint8))
        self._arrays["frames"].append(batch["frame_numbers"].cpu().numpy()[chosen])
        self._arrays["boxes"].append(batch["box"].cpu().numpy()[chosen])

    def kept(self) -> KeptMaps:
        """Return the kept maps, once all batches were there."""
        arrays = {name: np.concatenate(parts) for name, parts in self._arrays.items()}
        return KeptMaps(videos=self._videos, map_names=self._map_names, **arrays)
