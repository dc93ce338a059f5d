"""Write a store of ground truth from the annotations of videos."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from objabn.progress import progress
from objabn.stores.array import StoreWriter
from objabn.stores.masks import GRID, GROUPS, shard_length
from objabn.stores.truth import frame_spans, write_annotated
from objabn.system.files import replace_dir
from objabn.truth.boxes import Boxes, draw_boxes
from objabn.truth.videos import Videos

ZSTD_LEVEL = 9  # as the mask store's


class Masks(NamedTuple):
    """The masks of a video's stored frames."""

    known: np.ndarray  # bool (frames,): those with an annotation
    planes: np.ndarray  # score planes, uint8 (frames, 2, 128, 128)


class LeftOut(NamedTuple):
    """Why a video's annotations are left out."""

    reason: str  # the same text for all videos of that fault: they are counted by it
    details: str = ""  # of this video


Annotation = Boxes | Masks
Read = Iterable[tuple[str, Annotation | LeftOut]]  # name of a video, and its annotation or why it has none
UNKNOWN = LeftOut("not among the data set's decoded videos")


class Written(NamedTuple):
    """What a truth store covers, and what it leaves out."""

    videos: list[str]  # ids
    frames: int  # with an annotation
    left_out: dict[str, list[str]]  # names of the annotations' videos by reason
    details: dict[str, str]  # of the first of these videos by reason, "" where the reason says all


def write_store(store: Path, videos: Videos, annotations: Read, groups: Sequence[str]) -> Written:
    """Write the annotations of a data set's videos as a truth store, whole or not at all.

    The store has those videos only of which a frame has an annotation.

    Args:
        store: takes the place of what is there.
        videos: those of the data set.
        annotations: video by video; `UNKNOWN` of those that `videos` does not find.
        groups: which of `GROUPS` are annotated.

    Raises:
        ValueError: none of the videos has an annotation; or what a reader raises.
    """
    num_frames = sum(video.frames for video in videos.by_id.values())
    spans, frames = list[tuple[str, int, int]](), 0
    left_out, details, written = dict[str, list[str]](), dict[str, str](), dict[str, None]()
    with replace_dir(store) as place:
        shape = (len(GROUPS), GRID, GRID)
        writer = StoreWriter(place, shape, level=ZSTD_LEVEL, frames_per_shard=shard_length(num_frames))
        for name, found in progress(annotations, desc="truth", unit="video"):
            video = videos.find(name)
            if not isinstance(found, LeftOut) and video is not None and video.id in written:
                found = LeftOut("annotated twice")
            elif not isinstance(found, LeftOut) and not found.known.any():
                found = LeftOut("no annotation of a stored frame")
            if isinstance(found, LeftOut) or video is None:
                why = found if isinstance(found, LeftOut) else UNKNOWN
                left_out.setdefault(why.reason, []).append(name)
                details.setdefault(why.reason, why.details)
                continue
            writer.append(draw_boxes(found) if isinstance(found, Boxes) else found.planes, video=video.id)
            written[video.id] = None
            spans += [(video.id, first, end) for first, end in frame_spans(found.known)]
            frames += int(found.known.sum())
        if not written:
            reason, names = next(iter(left_out.items()), ("no annotations", ["nothing"]))
            told = ": ".join(filter(None, (reason, details.get(reason))))
            expected = f"expected some of the {len(videos)} decoded videos, such as {next(iter(videos.by_id), 'none')}"
            raise ValueError(f"annotations: {expected}, got none of them; {names[0]}: {told}")
        writer.close()
        write_annotated(place, spans, groups)
    return Written(list(written), frames, left_out, details)
