"""Bring the videos of a store into another order: the same bytes as if they had been appended in that order."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from objabn.stores.array import StoreReader, StoreWriter, Unfinished
from objabn.stores.chunks import EncodedFrames, with_checksum
from objabn.stores.layout import open_layout
from objabn.stores.shards import Shards
from objabn.stores.table import ARRAY, CHECKSUM, DESCRIPTION


def write_in_order(source: Path, target: Path, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Write a finished store anew, its videos in the order of `rows`; return the new table.

    Args:
        target: an empty directory.
        rows: those of the old table: `offset` and `frames` say where a video is in the source.
    """
    layout = open_layout(source)
    (target / ARRAY).mkdir()
    shutil.copyfile(source / ARRAY / DESCRIPTION, target / ARRAY / DESCRIPTION)
    nothing = np.zeros((0, *layout.item_shape), np.uint8)
    writer = StoreWriter(target, resume=Unfinished([], nothing, np.zeros(0, np.int64)))
    num_chunks = layout.per_shard // layout.per_chunk
    shards = Shards(source, layout.shard_file, num_chunks, has_checksums=layout.has_checksums)
    reader = StoreReader(source)
    for row in rows:
        known = {name: value for name, value in row.items() if name not in ("offset", "frames", CHECKSUM)}
        if layout.quality is not None:
            writer.append(_encoded(shards, row, num_chunks), **known)
        else:
            writer.append(reader.read_all(row["video"]) if row["frames"] else nothing, **known)
    return writer.close()


def _encoded(shards: Shards, row: dict[str, Any], num_chunks: int) -> EncodedFrames:
    """A video's jpegs as they are: one that is decoded and encoded again has other pixels."""
    places = np.arange(row["offset"], row["offset"] + row["frames"])
    chunks: list[bytes] = []
    for shard in np.unique(places // num_chunks).tolist():
        inside = places[places // num_chunks == shard] % num_chunks
        chunks += [with_checksum(content) for _, content in shards.read(shard, inside)]
    return EncodedFrames(b"".join(chunks), np.array([len(chunk) for chunk in chunks], np.int64), row[CHECKSUM])
