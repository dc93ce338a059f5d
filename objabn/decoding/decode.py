"""Decode every registered video once, in order, into the frame store; what fails is a row of its table."""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from objabn.config.schema import Decode
from objabn.decoding import one_video
from objabn.decoding.unfinished_store import Resume, UnfinishedStore
from objabn.decoding.workers import Lost, in_processes
from objabn.progress import progress
from objabn.stores.array import StoreWriter
from objabn.stores.table import read_table
from objabn.system.files import write_text
from objabn.system.locks import one_at_a_time
from objabn.video.libraries import LIBRARIES
from objabn.video.read import read_video

FRAMES_PER_CHUNK = 8
_PACKAGES = ("av", "decord", "imagecodecs", "numpy", "opencv-python-headless", "zarr")


def decode_videos(
    index: pd.DataFrame,
    videos: Path,
    store: Path,
    decode: Decode,
    *,
    workers: int | None = None,
    timeout_sec: float = 600.0,
    code: str = "",
    read: Callable[..., Any] = read_video,
) -> pd.DataFrame:
    """The table of videos, one row for each row of the index; makes the store, or a table alone (`decode.store` false).

    Columns: those of the index, status, error, decoder, container_frames, fps, height, width (pixels of the original,
    as displayed), offset, frames. status is "ok", "truncated" (fewer frames than the container claims; those there
    are used) or "failed" (no frame; `error` says why).

    `store` appears whole or not at all. What an interrupted run has done is used when everything is as it was then, and
    so is what another process finishes while this one waits for it.

    Args:
        workers: processes; None takes one a core.
        timeout_sec: seconds; a video that takes longer has failed.
        code: digest of the code that decodes (`files.code_digest`); what was begun with another one is not used.
        read: as `read_video`; has a module of its own, since other processes import it.
    """
    key, done = _key(index, videos, decode, code), store.with_name(f".{store.name}.key")
    with one_at_a_time(store.parent) as waited:
        if waited and store.is_dir() and done.is_file() and done.read_text() == key:
            return read_table(store)
        done.unlink(missing_ok=True)
        unfinished = UnfinishedStore(store, key, partial(make_writer, decode) if decode.store else None)
        if unfinished.rows:
            print(f"{store}: {len(unfinished.rows)} videos were decoded by a run that was interrupted", flush=True)
        _decode_rest(unfinished, index.to_dict("records"), videos, decode, read, workers or num_cores(), timeout_sec)
        table = unfinished.finish()
        write_text(done, key)
    return table


def _decode_rest(
    unfinished: UnfinishedStore,
    rows: list[Any],
    videos: Path,
    decode: Decode,
    read: Callable[..., Any],
    workers: int,
    timeout_sec: float,
) -> None:
    """Appends the videos that are not in the store yet, in the order of the index whoever is done first."""
    left = rows[len(unfinished.rows) :]
    size = (decode.height, decode.width)
    results = in_processes(
        partial(one_video.in_worker, size=size, keep=decode.store, read=read),
        [(videos / row["path"], row["digest"]) for row in left],
        workers=min(workers, max(len(left), 1)),
        timeout_sec=timeout_sec,
        preload=(*LIBRARIES, one_video.__name__),
    )
    bar = progress(left, desc="decode", unit="video", initial=len(unfinished.rows), total=len(rows))
    with closing(results):
        for row, (_, result) in zip(bar, results, strict=True):
            if isinstance(result, Lost):
                reason = result.reason if result.reason.startswith("took") else f"the decoder {result.reason}"
                result = one_video.no_frames(size), 0, one_video.failed(reason)
            frames, num_frames, outcome = result
            unfinished.append(frames, num_frames, **row, **outcome)


def make_writer(decode: Decode, path: Path, resume: Resume | None = None) -> StoreWriter:
    """Writer of the frame store that the parameters ask for."""
    return StoreWriter(
        path,
        (decode.height, decode.width, 3),
        codec=decode.codec,
        quality=decode.quality,
        frames_per_chunk=FRAMES_PER_CHUNK,
        frames_per_shard=decode.frames_per_shard,
        resume=resume,
    )


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _key(index: pd.DataFrame, videos: Path, decode: Decode, code: str) -> str:
    """Digest everything that the table and the frames depend on, the code and the libraries included."""
    versions = {each.name: each.version for each in metadata.distributions() if each.name in _PACKAGES}
    parts = [index.to_dict("records"), str(videos), decode.model_dump(), versions, code]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode()).hexdigest()
