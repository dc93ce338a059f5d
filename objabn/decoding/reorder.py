"""Bring the videos of a store into another order: the same bytes as if they had been appended in that order."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from objabn.stores.array import StoreReader, StoreWriter, open_layout
from objabn.stores.shards import Shards, write_shard
from objabn.stores.table import ARRAY, CHECKSUM, DESCRIPTION, write_table


def write_in_order(source: Path, target: Path, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Write a finished store anew, its videos in the order of `rows`; return the new table.

    Args:
        target: an empty directory.
        rows: those of the old table: `offset` and `frames` say where a video is in the source.
    """
    layout = open_layout(source)
    (target / ARRAY).mkdir()
    shutil.copyfile(source / ARRAY / DESCRIPTION, target / ARRAY / DESCRIPTION)
    if layout.per_chunk == 1:
        _copy_chunks(source, target, rows)
        ends = np.cumsum([row["frames"] for row in rows]).tolist()
        table = pd.DataFrame([{**row, "offset": end - row["frames"]} for row, end in zip(rows, ends, strict=True)])
        open_layout(target, "r+").array.update_attributes(write_table(target, table))
        return table
    nothing = np.zeros((0, *layout.item_shape), np.uint8)
    reader = StoreReader(source)
    writer = StoreWriter(target, layout.item_shape, frames_per_shard=layout.per_shard, resume=([], nothing))
    for row in rows:
        known = {name: value for name, value in row.items() if name not in ("offset", "frames", CHECKSUM)}
        writer.append(reader.read_all(row["video"]) if row["frames"] else nothing, **known)
    return writer.close()


def _copy_chunks(source: Path, target: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Copy chunks of one frame each as they are: a jpeg that is decoded and encoded again has other pixels."""
    layout = open_layout(source)
    shards = Shards(source, layout.shard_file, layout.per_shard, has_checksums=layout.has_checksums)
    places = np.concatenate([np.arange(row["offset"], row["offset"] + row["frames"]) for row in rows])
    for first in range(0, len(places), layout.per_shard):
        chunks = []
        for place in places[first : first + layout.per_shard].tolist():
            shard, chunk = divmod(place, layout.per_shard)
            chunks += [content for _, content in shards.read(shard, np.array([chunk]))]
        name = layout.shard_file(first // layout.per_shard).name
        write_shard(target / ARRAY / name, chunks, layout.per_shard)
