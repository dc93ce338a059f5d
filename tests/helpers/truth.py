"""Ground truth for tests: its parameters, small stores, and a reader that knows all frames."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from objabn.config.schema import Truth
from objabn.stores.array import StoreWriter
from objabn.stores.frames import Reader
from objabn.stores.masks import GROUPS, union_mask
from objabn.stores.truth import write_annotated
from objabn.truth.videos import Video, Videos

Spans = Iterable[tuple[str, int, int]]


def truth_of(store: Path, groups: Iterable[str] = GROUPS, score_threshold: float = 0.5) -> Truth:
    return Truth(store=str(store), score_threshold=score_threshold, groups=list(groups))


def write_truth(
    store: Path, videos: dict[str, np.ndarray], spans: Spans | None = None, groups: Iterable[str] = GROUPS
) -> Truth:
    """A truth store of planes by video, and the spans that have an annotation (None: all); its parameters."""
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir(parents=True)
    writer = StoreWriter(store, next(iter(videos.values())).shape[1:], frames_per_shard=64)
    for video, planes in videos.items():
        writer.append(planes, video=video)
    writer.close()
    if spans is not None:
        write_annotated(store, spans, groups)
    return truth_of(store, groups)


class AllKnown:
    """Reads another reader's planes as truth of all frames."""

    def __init__(self, reader: Reader, groups: Iterable[str] = ("person",)) -> None:
        self.read, self._groups = reader.read, list(groups)

    def known(self, _video: str, indices: np.ndarray) -> np.ndarray:
        return np.ones(len(indices), bool)

    def union(self, video: str, indices: np.ndarray) -> np.ndarray:
        return union_mask(self.read(video, indices), 0.5, self._groups)


def videos_of(*videos: Video) -> Videos:
    """Decoded videos that annotations may be of; all of one stride."""
    table = pd.DataFrame([{**video._asdict(), "video": video.id} for video in videos])
    status = ["ok" if video.is_whole else "truncated" for video in videos]
    return Videos(table.assign(status=status), videos[0].stride)
