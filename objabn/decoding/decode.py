"""Decode every registered video once, in order, into the frame store; what fails is a row of its table.

DVC keeps what a stage makes and does not see the videos. So what may be otherwise the next time becomes no result: too
many failures refuse the store, and a failure that is not in a file's content is tried again, in this run and the next.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from objabn.config.schema import Decode
from objabn.decoding import one_video
from objabn.decoding.presence import check_files, check_folder
from objabn.decoding.unfinished_store import UnfinishedStore
from objabn.progress import progress
from objabn.stores.array import StoreWriter, Unfinished
from objabn.stores.chunks import encode_frames
from objabn.stores.table import check_missing, read_table
from objabn.system.files import write_text
from objabn.system.locks import one_at_a_time
from objabn.system.workers import Lost, in_processes, num_cores
from objabn.video.libraries import LIBRARIES
from objabn.video.read import read_video

FRAMES_PER_CHUNK = 8
_TRIED_ALONE = 3  # videos that took too long: when none of them is quicker alone, it is not the machine
_PACKAGES = ("av", "decord", "imagecodecs", "numcodecs", "numpy", "opencv-python-headless", "zarr")


def decode_videos(
    index: pd.DataFrame,
    videos: Path,
    store: Path,
    decode: Decode,
    *,
    workers: int | None = None,
    timeout_sec: float = 600.0,
    code: str = "",
    max_failed: float | None = None,
    key: str = "videos",
    read: Callable[..., Any] = read_video,
) -> pd.DataFrame:
    """The table of videos, one row for each row of the index; makes the store, or a table alone (`decode.store` false).

    Columns: those of the index, status, error, decoder, container_frames, fps, height, width (pixels of the original,
    as displayed), offset, frames. status is "ok", "truncated" (fewer frames than the container claims; those there
    are used) or "failed" (no frame; `error` says why).

    `store` appears whole or not at all. What an interrupted or refused run has done is used when everything is as it
    was then, and so is what another process finishes while this one waits for it.

    A failure passes unless it was found in the file's registered content: no such file, other content, an error of the
    disk, too little memory or time, a crash. Such a video is tried again at the end, alone, and by the next run.

    Args:
        workers: processes; None takes one a core.
        timeout_sec: seconds; a video that takes longer has failed.
        code: digest of the code that decodes (`files.code_digest`); what was begun with another one is not used.
        max_failed: largest share of a split's videos that may fail, less than all of them; None does not check.
        key: of `videos` in params.yaml, for messages.
        read: as `read_video`; has a module of its own, since other processes import it.

    Raises:
        ValueError: the directory of the videos is not there, or more than `max_failed` failed.
    """
    content, done = _key(index, videos, decode, code), store.with_name(f".{store.name}.key")
    with one_at_a_time(store.parent) as waited:
        if waited and store.is_dir() and done.is_file() and done.read_text() == content:
            table = read_table(store)
            _check(table, max_failed)
            return table
        done.unlink(missing_ok=True)
        unfinished = UnfinishedStore(store, content, partial(make_writer, decode) if decode.store else None)
        if unfinished.rows:
            print(f"{store}: {len(unfinished.rows)} videos were decoded by a run that was interrupted", flush=True)
        if len(unfinished.rows) < len(index):
            check_folder(videos, key)
            if max_failed is not None:
                check_files(index, unfinished.rows, videos, key, max_failed)
        try:
            passing = _decode_rest(unfinished, index, videos, decode, read, workers or num_cores(), timeout_sec, key)
            _check(pd.DataFrame([*unfinished.rows, *passing]), max_failed)
        except ValueError as error:
            unfinished.keep()
            kept = f"{len(unfinished.rows)} of {len(index)} videos are done and kept for the next run"
            raise ValueError(f"{error}\n{kept}; mend the others, or raise machine.max_failed") from None
        for row in passing:
            unfinished.append(one_video.no_frames((decode.height, decode.width)), 0, **row)
        table = unfinished.finish(index["video"].tolist())
        if passing:
            again = "`dvc repro -f` of this stage decodes all again"
            print(f"{store}: {len(passing)} videos failed for a reason that may pass; when it has, {again}", flush=True)
        else:
            write_text(done, content)
    return table


def _check(table: pd.DataFrame, max_failed: float | None) -> None:
    if max_failed is not None:
        check_missing(table, max_failed)


def _decode_rest(
    unfinished: UnfinishedStore,
    index: pd.DataFrame,
    videos: Path,
    decode: Decode,
    read: Callable[..., Any],
    workers: int,
    timeout_sec: float,
    key: str,
) -> list[dict[str, Any]]:
    """Append the videos that are not in the store yet; return rows of those that failed for a reason that may pass.

    Raises: ValueError when the directory of the videos has gone meanwhile.
    """
    size, pack = (decode.height, decode.width), packing(decode)
    done = {row["video"] for row in unfinished.rows}
    left = [row for row in index.to_dict("records") if row["video"] not in done]

    def attempt(rows: list[Any], workers: int) -> list[dict[str, Any]]:
        """Append videos in the order of the rows whoever is done first; return the others' rows."""
        results = in_processes(
            partial(one_video.in_worker, size=size, stride=decode.stride, pack=pack, read=read),
            [(videos / row["path"], row["digest"]) for row in rows],
            workers=min(workers, max(len(rows), 1)),
            timeout_sec=timeout_sec,
            preload=(*LIBRARIES, "imagecodecs", one_video.__name__),
        )
        passing = []
        bar = progress(rows, desc="decode", unit="video", initial=len(unfinished.rows), total=len(index))
        with closing(results):
            for row, (_, result) in zip(bar, results, strict=True):
                if isinstance(result, Lost):
                    crashed = result.reason.startswith("crashed")
                    reason = f"the decoder {result.reason}" if crashed else result.reason
                    result = one_video.no_frames(size), 0, one_video.failed(reason, passing=True)
                frames, num_frames, outcome = result
                if outcome.pop("passing", False):
                    passing.append({**row, **outcome})
                    check_folder(videos, key)
                else:
                    unfinished.append(frames, num_frames, **{**row, **outcome})
        return passing

    passing = attempt(left, workers)
    slow = [row for row in passing if row["error"].startswith("took")]
    still = attempt([row for row in passing if row not in slow] + slow[:_TRIED_ALONE], 1) if passing else []
    rest = slow[_TRIED_ALONE:]
    if rest and any(row not in still for row in slow[:_TRIED_ALONE]):  # the machine was busy
        rest = attempt(rest, 1)
    return still + rest


def packing(decode: Decode) -> one_video.Pack:
    """What a decoding process hands over of its frames: jpegs, so that no other process has to encode them.

    Chunks of zstd hold frames of several videos, so they are encoded where the videos come together.
    """
    if not decode.store:
        return one_video.none_of
    return partial(encode_frames, quality=decode.quality) if decode.codec == "jpeg" else np.ascontiguousarray


def make_writer(decode: Decode, path: Path, resume: Unfinished | None = None) -> StoreWriter:
    """Writer of the frame store that the parameters ask for."""
    return StoreWriter(
        path,
        (decode.height, decode.width, 3),
        codec=decode.codec,
        quality=decode.quality,
        frames_per_chunk=FRAMES_PER_CHUNK,
        frames_per_shard=decode.frames_per_shard,
        threads=num_cores(),
        resume=resume,
    )


def _key(index: pd.DataFrame, videos: Path, decode: Decode, code: str) -> str:
    """Digest everything that the table and the frames depend on, the code and the libraries included."""
    versions = {each.name: each.version for each in metadata.distributions() if each.name in _PACKAGES}
    settings = decode.model_dump(exclude={"stride"} if decode.stride == 1 else None)
    parts = [index.to_dict("records"), str(videos), settings, versions, code]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode()).hexdigest()
