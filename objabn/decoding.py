"""Decodes every registered video once, in order, into the frame store; what fails is a row of its table."""

from pathlib import Path

import numpy as np
import pandas as pd

from objabn.params import Decode
from objabn.progress import progress
from objabn.stores import TABLE, StoreWriter
from objabn.video import VideoError, file_digest, read_video

FRAMES_PER_CHUNK = 8


def decode_videos(index: pd.DataFrame, videos: Path, store: Path, decode: Decode) -> pd.DataFrame:
    """The table of videos, one row for each row of the index; writes the store unless `decode.store` is false.

    Columns: those of the index, status, error, decoder, container_frames, fps, height, width (pixels of the original,
    as displayed), offset, frames. status is "ok", "truncated" (fewer frames than the container claims; those there
    are used) or "failed" (no frame; `error` says why).
    """
    writer = StoreWriter(
        store,
        (decode.height, decode.width, 3),
        codec=decode.codec,
        quality=decode.quality,
        frames_per_chunk=FRAMES_PER_CHUNK,
        frames_per_shard=decode.frames_per_shard,
    ) if decode.store else None  # fmt: skip
    rows = []
    for row in progress(index.to_dict("records"), desc="decode", unit="video"):
        frames, outcome = _decode_one(videos / row["path"], row["digest"], decode)
        row = {**row, **outcome}
        if writer is not None:
            writer.append(frames, **row)
        rows.append({**row, "frames": len(frames)})
    if writer is not None:
        return writer.close()
    table = pd.DataFrame(rows)
    table.insert(len(table.columns) - 1, "offset", table["frames"].cumsum() - table["frames"])
    table.to_csv(store / TABLE, index=False, lineterminator="\n")
    return table


def _decode_one(path: Path, digest: str, decode: Decode) -> tuple[np.ndarray, dict]:
    size = (decode.height, decode.width)
    outcome: dict = {"status": "failed", "error": "", "decoder": "", "container_frames": None, "fps": None}
    outcome |= {"height": 0, "width": 0}
    try:
        if not path.is_file():
            raise VideoError("no such file")
        if file_digest(path) != digest:
            raise VideoError("its content is not what index.csv registered; run `python -m objabn index` again")
        frames, info = read_video(path, size=size)
    except Exception as error:  # whatever one video does to a decoder, it costs a row and not the run
        reason = str(error) if isinstance(error, VideoError) else f"{type(error).__name__}: {error}"
        return np.zeros((0, *size, 3), np.uint8), {**outcome, "error": " ".join(reason.split())}
    outcome |= {
        "status": "ok",
        "decoder": info.decoder,
        "container_frames": info.container_frames,
        "fps": info.fps,
        "height": info.height,
        "width": info.width,
    }
    if info.container_frames is not None and len(frames) < info.container_frames:
        outcome |= {"status": "truncated", "error": f"{len(frames)} of {info.container_frames} frames could be decoded"}
    return frames, outcome


def describe_losses(table: pd.DataFrame) -> list[str]:
    """One line for each video that is not ok: id, status, reason."""
    lost = table[table["status"] != "ok"]
    return [f"  {row.video}: {row.status}: {row.error}" for row in lost.itertuples()]


def check_missing(table: pd.DataFrame, max_failed: float) -> None:
    """Raises: ValueError with the list of failed videos when they are more than `max_failed` of a split."""
    for split, rows in table.groupby("split"):
        failed = rows[rows["status"] == "failed"]
        if len(failed) > max_failed * len(rows):
            raise ValueError(
                f"{len(failed)} of {len(rows)} {split} videos failed to decode "
                f"({len(failed) / len(rows):.1%}), expected at most decode.max_failed {max_failed:.1%}:\n"
                + "\n".join(describe_losses(failed))
            )
