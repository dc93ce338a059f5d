"""Write planned synthetic videos as mp4 files, and their exact masks as a store of ground truth."""

from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from objabn.progress import progress
from objabn.stores.array import StoreWriter
from objabn.stores.masks import GRID, GROUPS
from objabn.synthetic.scenes import Scene, render_video
from objabn.system.workers import Lost, in_processes, num_cores
from objabn.video.libraries import LIBRARIES, only_decode
from objabn.video.write import write_video


def on_grid(masks: np.ndarray) -> np.ndarray:
    """Masks bool (N, H, W) on the mask store's grid, bool (N, 128, 128): cells that are covered by half or more."""
    covered = [cv2.resize(mask.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_LINEAR) for mask in masks]
    return np.stack(covered) >= 0.5


def write_videos(
    scenes: list[tuple[str, str, str, Scene]], videos: Path, truth: Path, *, workers: int | None = None
) -> list[dict[str, str]]:
    """Rows of the index (video, path, label, split), after writing every scene.

    Args:
        scenes: video id, action, split and scene, as `scenes.plan` gives them.
        videos: directory for `<action>/<video id>.mp4`.
        truth: directory for a mask store whose planes are 255 where the figure (person) or a distractor (other) is.
        workers: processes; 1: this one; None: as many as there are cores.
    """
    writer = StoreWriter(truth, (len(GROUPS), GRID, GRID), frames_per_shard=1024)
    rows = []
    with closing(_written(scenes, videos, workers or min(num_cores(), len(scenes)))) as written:
        for (video, *_), done in progress(written, total=len(scenes), desc="synthesize", unit="video"):
            if isinstance(done, Exception):
                raise done
            if isinstance(done, Lost):
                raise ValueError(f"{video}: the process that was writing it {done.reason}")
            row, planes = done
            writer.append(planes, video=row["video"])
            rows.append(row)
    writer.close()
    return rows


def _written(scenes: list[tuple[str, str, str, Scene]], videos: Path, workers: int) -> Generator[tuple[Any, Any]]:
    """Each scene with what `_try_one` returns for it, or why its process was lost."""
    if workers == 1:
        yield from ((scene, _write_one(videos, scene)) for scene in scenes)
        return
    work, preload = partial(_try_one, videos), (*LIBRARIES, __name__)
    with closing(in_processes(work, scenes, workers=workers, timeout_sec=None, preload=preload)) as done:
        yield from done


def _try_one(videos: Path, listed: tuple[str, str, str, Scene]) -> tuple[dict[str, str], np.ndarray] | Exception:
    """As `_write_one`, in a process that does nothing else; the fault, where the disk is full or cannot be written."""
    only_decode()
    try:
        return _write_one(videos, listed)
    except (ValueError, OSError) as error:
        return error


def _write_one(videos: Path, listed: tuple[str, str, str, Scene]) -> tuple[dict[str, str], np.ndarray]:
    """Writes a scene's video; its row of the index, and its planes, uint8 (T, groups, GRID, GRID)."""
    video, action, split, scene = listed
    frames, person, other = render_video(scene)
    path = Path(action) / f"{video}.mp4"
    (videos / path).parent.mkdir(exist_ok=True)
    write_video(videos / path, frames)
    planes = np.stack([on_grid(person), on_grid(other)], axis=1).astype(np.uint8) * 255
    return {"video": path.with_suffix("").as_posix(), "path": path.as_posix(), "label": action, "split": split}, planes
