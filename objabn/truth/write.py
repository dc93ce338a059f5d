"""Write a store of ground truth from the annotations of videos."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from objabn.progress import progress
from objabn.stores.array import StoreWriter
from objabn.stores.masks import GRID, GROUPS, shard_length
from objabn.stores.truth import frame_spans, write_annotated
from objabn.system.files import replace_dir
from objabn.truth.boxes import Annotation, Video, draw_boxes

ZSTD_LEVEL = 9  # as the mask store's

Read = Iterable[tuple[str, Annotation | str]]  # name of a video, and its annotation or why it has none


class Written(NamedTuple):
    """What a truth store covers, and what it leaves out."""

    videos: list[str]  # ids
    frames: int  # with an annotation
    left_out: dict[str, list[str]]  # names of the annotations' videos by reason


def videos_of(table: pd.DataFrame, stride: int) -> dict[str, Video]:
    """List the decoded videos by id.

    Args:
        table: the frame store's table of videos (columns video, frames, fps, height, width).
        stride: `decode.stride`.
    """
    rows = table[table["frames"] > 0]
    columns = (rows[name].tolist() for name in ("video", "frames", "fps", "height", "width"))
    return {
        video: Video(frames, stride, fps, height, width)
        for video, frames, fps, height, width in zip(*columns, strict=True)
    }


def write_store(store: Path, videos: Mapping[str, Video], annotations: Read, groups: list[str]) -> Written:
    """Write the annotations of a data set's videos as a truth store, whole or not at all.

    The store has those videos only of which a frame has an annotation.

    Args:
        store: takes the place of what is there.
        videos: those of the data set, by id.
        annotations: in the names of others: the last part of a video's id tells it, in any case.
        groups: which of `GROUPS` are annotated.

    Raises:
        ValueError: none of the videos has an annotation; or what a reader raises.
    """
    ids = {_last_part(video): video for video in videos}
    num_frames = sum(video.frames for video in videos.values())
    spans, frames = list[tuple[str, int, int]](), 0
    left_out, written = dict[str, list[str]](), dict[str, None]()
    with replace_dir(store) as place:
        shape = (len(GROUPS), GRID, GRID)
        writer = StoreWriter(place, shape, level=ZSTD_LEVEL, frames_per_shard=shard_length(num_frames))
        for name, found in progress(annotations, desc="truth", unit="video"):
            video = ids.get(_last_part(name))
            reason = "" if isinstance(found, Annotation) else found
            if video is None:
                reason = "not among the data set's decoded videos"
            elif video in written:
                reason = "annotated twice"
            elif isinstance(found, Annotation) and not found.known.any():
                reason = "no annotation of a stored frame"
            if reason or not isinstance(found, Annotation) or video is None:
                left_out.setdefault(reason, []).append(name)
                continue
            writer.append(draw_boxes(found), video=video)
            written[video] = None
            spans += [(video, first, end) for first, end in frame_spans(found.known)]
            frames += int(found.known.sum())
        if not written:
            reason, names = next(iter(left_out.items()), ("no annotations", ["nothing"]))
            expected = f"expected some of the {len(videos)} decoded videos, such as {next(iter(videos), 'none')}"
            raise ValueError(f"annotations: {expected}, got none of them; {names[0]}: {reason}")
        writer.close()
        write_annotated(place, spans, groups)
    return Written(list(written), frames, left_out)


def _last_part(name: str) -> str:
    return name.rpartition("/")[2].casefold()
