"""Read the clips of a row's kept maps again, for pictures of both."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from objabn.clips.geometry import resample_clips, to_pixels
from objabn.evaluation.kept_maps import KeptMaps
from objabn.report.strips import VideoMaps
from objabn.segmentation.titles import shortened
from objabn.stores.frames import Reader

_LETTERS = 60  # of a name in a title, which has three


def seen_clip(kept: KeptMaps, at: int, frames: Reader, size: int) -> Tensor:
    """Read a kept clip again as the network saw it: float32 (3, T, size, size) in [0, 255].

    Args:
        at: position of the video in `kept`.
    """
    stored = torch.from_numpy(frames.read(str(kept.videos[at]), kept.frames[at]))[None]
    boxes, flips = torch.from_numpy(kept.boxes[at])[None], torch.zeros(1, dtype=torch.bool)
    return to_pixels(resample_clips(stored, boxes, flips, size))[0]


def kept_pictures(
    kept: KeptMaps, results: pd.DataFrame, frames: Reader, size: int, *, num_videos: int = 4
) -> list[VideoMaps]:
    """Prepare kept maps for `draw_maps`: of the first video of `num_videos` classes, spread over the classes.

    Args:
        results: of the seed whose maps were kept, a line a video: video, label, predicted.
        frames: of the data set.
        size: S, pixels.
    """
    lines = results.set_index("video").loc[kept.videos.tolist()].reset_index()
    first = lines.drop_duplicates("label").sort_values("label").index.to_numpy()
    pictures = []
    for at in first[np.linspace(0, len(first) - 1, min(num_videos, len(first))).round().astype(int)].tolist():
        line = lines.loc[at]
        pixels = seen_clip(kept, at, frames, size).round().byte().permute(1, 2, 3, 0).numpy()
        maps = {str(name): kept.maps[at, number] / 255 for number, name in enumerate(kept.map_names)}
        label, predicted, video = (shortened(line[name], _LETTERS) for name in ("label", "predicted", "video"))
        title = f"{label}: predicted {predicted} ({video})"
        pictures.append(VideoMaps(title, pixels, maps))
    return pictures
