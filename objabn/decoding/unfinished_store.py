"""A store that appears whole or not at all, and goes on where a killed process stopped: behind what it had kept last.

Videos come in any order and leave in the right one: what could not be had at first comes last.

Until `<name>` is whole, `.<name>.unfinished/` stands beside it (so that it only has to be renamed):

    store/       what there is of the store
    rows.jsonl   rows of its table
    state.npz    of what it is (`key`), how many rows count, and what the writer needs to go on (`Unfinished`)

Kept is what there is whenever a shard is whole, and when a run is refused.
"""

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from objabn.decoding.reorder import write_in_order
from objabn.stores.array import StoreWriter, Unfinished
from objabn.stores.chunks import EncodedFrames
from objabn.stores.table import TABLE
from objabn.system.files import move_dir, replace_file, write_bytes

_ROWS, _STATE = "rows.jsonl", "state.npz"
_ROWS_AT_ONCE = 64  # kept at a time where there is only a table


class UnfinishedStore:
    """Appends videos to a store at `path`.

    Args:
        path: the store; what is there stays until `finish`.
        key: of everything that determines the content. What was begun with another key is thrown away.
        make_writer: from directory and `StoreWriter`'s `resume`; None writes a table of videos only.
    """

    def __init__(
        self, path: Path, key: str, make_writer: Callable[[Path, Unfinished | None], StoreWriter] | None = None
    ) -> None:
        self._path, self._key = path, key
        self._work = path.with_name(f".{path.name}.unfinished")
        self._store = self._work / "store"
        self._writer: StoreWriter | None = None
        self.rows: list[dict[str, Any]] = []  # of the videos that are done, with offset and frames
        saved = self._saved()
        if saved is not None and make_writer is not None:
            try:
                self._writer = make_writer(self._store, saved)
            except ValueError:  # damaged
                saved = None
        if saved is None:
            shutil.rmtree(self._work, ignore_errors=True)
            self._store.mkdir(parents=True)
            self._writer = make_writer(self._store, None) if make_writer is not None else None
        else:
            self.rows = saved.rows
            write_bytes(self._work / _ROWS, _lines(self.rows))  # without those that do not count
        self._num_kept = len(self.rows)
        self._num_shards = self._writer.num_whole_shards if self._writer else 0  # that are kept

    def append(self, frames: np.ndarray | EncodedFrames, num_frames: int, **row: Any) -> None:
        """Add a video's frames, of which a table alone takes the number only, and its row."""
        if self._writer is None:
            offset = self.rows[-1]["offset"] + self.rows[-1]["frames"] if self.rows else 0
            self.rows.append({**row, "offset": offset, "frames": num_frames})
            is_due = len(self.rows) - self._num_kept >= _ROWS_AT_ONCE
        else:
            self._writer.append(frames, **row)
            self.rows.append(self._writer.rows[-1])
            is_due = self._writer.num_whole_shards > self._num_shards
        if is_due:
            self.keep()

    def finish(self, videos: Sequence[str]) -> pd.DataFrame:
        """Put the whole store in its place; its table.

        Args:
            videos: ids of all videos in their final order, in whichever order they were appended.
        """
        row_of = {row["video"]: row for row in self.rows}
        rows = [row_of[video] for video in videos]
        if self._writer is None:
            table = pd.DataFrame(rows)
            table["offset"] = table["frames"].cumsum() - table["frames"]
            table.to_csv(self._store / TABLE, index=False, lineterminator="\n")
        else:
            table = self._writer.close()
            if rows != self.rows:
                ordered = self._work / "ordered"
                shutil.rmtree(ordered, ignore_errors=True)
                ordered.mkdir()
                table, self._store = write_in_order(self._store, ordered, rows), ordered
        move_dir(self._store, self._path)
        shutil.rmtree(self._work)
        return table

    def keep(self) -> None:
        """From now on a killed process costs what comes after."""
        pending, sizes = np.zeros(0, np.uint8), np.zeros(0, np.int64)
        if self._writer is not None:
            _, pending, sizes = self._writer.keep()
            self._num_shards = self._writer.num_whole_shards
        with open(self._work / _ROWS, "ab") as file:
            file.write(_lines(self.rows[self._num_kept :]))
            file.flush()
            os.fsync(file.fileno())
        self._num_kept = len(self.rows)
        with replace_file(self._work / _STATE) as partial, open(partial, "wb") as file:
            key, num_rows = np.array(self._key), np.array(self._num_kept)
            np.savez(file, key=key, num_rows=num_rows, pending=pending, sizes=sizes)

    def _saved(self) -> Unfinished | None:
        """What an earlier process kept; None when there is nothing, or of another key, or damaged."""
        try:
            with np.load(self._work / _STATE, allow_pickle=False) as state:
                if str(state["key"]) != self._key:
                    return None
                num_rows, pending, sizes = int(state["num_rows"]), state["pending"], state["sizes"]
            if not self._store.is_dir():  # moved already
                return None
            lines = (self._work / _ROWS).read_bytes().split(b"\n")[:num_rows]
            return Unfinished([json.loads(line) for line in lines], pending, sizes)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return None


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
