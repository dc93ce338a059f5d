"""Clips that an exported file is checked on: of videos of the user's, of the run's data set, or drawn.

Shapes: T frames, H/W frame, S pixels.
"""

import csv
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from objabn.clips.geometry import resample_clips
from objabn.evaluation.trained import TrainedRun
from objabn.explanation.clip_stream import end_to_end
from objabn.explanation.frame_stream import stream_video
from objabn.explanation.models import framing
from objabn.index.names import printable

VIDEOS = 3  # that a file is checked on where none are named
_A_VIDEO = 2  # clips at most


def clips_of(run: TrainedRun, videos: Sequence[Path]) -> tuple[list[list[Tensor]], str]:
    """Cut clips from videos, and say whose they are.

    Args:
        videos: files; none: three of the run's data set where it lies beside the run, those of them that can be read;
            else three drawn ones.

    Returns:
        Each video's first clips, one or two, normalised float32 (3, T, S, S); and words.

    Raises:
        ValueError: a named video has no frames.
    """
    if videos:
        return [_of_video(run, path) for path in videos], ", ".join(path.name for path in videos)
    found = []
    for path in own_videos(run):
        with suppress(ValueError):  # a broken one, which nobody has asked for
            found.append((_of_video(run, path), path.name))
    if found:
        return [clips for clips, _ in found], ", ".join(name for _, name in found)
    from objabn.synthetic.scenes import ACTIONS, make_scene, render_video

    scenes = [make_scene(action, seed=0, split="export", number=at) for at, action in enumerate(ACTIONS[:VIDEOS])]
    drawn = [render_video(scene)[0] for scene in scenes]
    return [_cut(run, frames, frames.shape[1], frames.shape[2], 1.0) for frames in drawn], f"{VIDEOS} drawn videos"


def own_videos(run: TrainedRun) -> list[Path]:
    """Find three test videos of a run's data set, for a run below `<root>/runs/<ds>`.

    They are of `<root>/data/<ds>/index.csv`, far apart in it. None where there is no index, or where one of them is not
    there.
    """
    parts = run.directory.absolute().parts
    for at in reversed([at for at in range(len(parts) - 1) if parts[at] == "runs"]):
        root = Path(*parts[:at])
        index = root / "data" / parts[at + 1] / "index.csv"
        if index.is_file():
            with index.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            rows = [row for row in rows if row.get("split") == "test"] or rows
            found = [root / run.params.videos / row["path"] for row in rows[:: max(len(rows) // VIDEOS, 1)][:VIDEOS]]
            return found if all(path.is_file() for path in found) else []
    return []


def _of_video(run: TrainedRun, path: Path) -> list[Tensor]:
    try:
        stream = stream_video(path)
    except ValueError as error:
        raise ValueError(f"{printable(str(path))}: {error}") from error
    info = stream.info
    return _cut(run, stream, info.height, info.width, info.pixel_aspect)


def _cut(run: TrainedRun, frames: Iterable[np.ndarray], height: int, width: int, pixel_aspect: float) -> list[Tensor]:
    """The first clips of a video's frames, uint8 (H, W, 3)."""
    data = run.params.data
    stored, box = framing(run, height, width, pixel_aspect)
    kept = islice(frames, 0, None, run.params.decode.stride)
    placed = [clip.frames for clip in islice(end_to_end(kept, data, stored, (1, 1)), _A_VIDEO)]
    boxes = torch.from_numpy(box).expand(len(placed), 4)
    return list(
        resample_clips(torch.from_numpy(np.stack(placed)), boxes, torch.zeros(len(placed), dtype=torch.bool), data.crop)
    )
