"""Read the table of videos of a store (videos.csv).

The table says where the entries of each video are, and which videos were lost.
"""

import json
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pandas as pd

from objabn.system.files import file_digest

TABLE = "videos.csv"
ARRAY, DESCRIPTION = "array.zarr", "zarr.json"  # the array beside the table, and the file in it that describes it
CHECKSUM = "checksum"  # column: CRC-32 of a video's entries, as the writer saw them
REMEDY = "make it again: `dvc repro -f -s STAGE`"
_ATTRIBUTE = "videos_csv"  # of the array: the table's number of columns and CRC-32C
_MOST_LISTED = 50  # videos in a message
_NUMBERS = ("offset", "frames")  # where a video is


def write_table(path: Path, table: pd.DataFrame) -> dict[str, Any]:
    """Write the table of videos of a store.

    Returns the attribute that the store's array has to get: it tells damage of the table.
    """
    content = table.to_csv(index=False, lineterminator="\n").encode()
    (path / TABLE).write_bytes(content)
    return {_ATTRIBUTE: {"columns": len(table.columns), "crc32c": f"{google_crc32c.value(content):08x}"}}


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read the table of videos of a store, or only these columns of the table.

    Raises:
        ValueError: when there is no such table, or it is damaged.
    """
    if not (path / TABLE).is_file():
        raise ValueError(f"{path / TABLE}: expected a store's table of videos, found none")
    text = dict.fromkeys(("video", "path", "label", "split", "status", "error", "decoder", "digest", CHECKSUM), str)
    missing = {"fps": [""], "container_frames": [""]}
    try:
        table = pd.read_csv(path / TABLE, usecols=columns, dtype=text, keep_default_na=False, na_values=missing)
        if {"video", *_NUMBERS} <= set(table):
            _check_places(table)
    except OSError as error:
        raise ValueError(f"{path / TABLE}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # pandas raises half a dozen types for a file that is no such table
        raise ValueError(f"{path / TABLE}: is damaged; {REMEDY}") from error
    _check_sum(path)
    return table


def _check_places(table: pd.DataFrame) -> None:
    """Check that the videos lie one behind the other. Raises: ValueError."""
    offsets, frames = (table[name].astype(np.int64).to_numpy() for name in _NUMBERS)
    if not table["video"].is_unique or (frames < 0).any() or (offsets != frames.cumsum() - frames).any():
        raise ValueError("videos overlap or leave gaps")


def _check_sum(path: Path) -> None:
    """Check the table of videos by its checksum, which the array's description holds. Raises: ValueError.

    A store that was made before there were checksums, and a table without an array, have none.
    """
    attributes = _attributes(path)
    try:
        expected = attributes.get(_ATTRIBUTE, {"columns": 0, "crc32c": None})
        num_columns, checksum = expected["columns"], expected["crc32c"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: {ARRAY}/{DESCRIPTION} is damaged; {REMEDY}") from error
    if checksum is None:
        return
    content = (path / TABLE).read_bytes()
    header = content.partition(b"\n")[0]
    # Neither the columns nor their number: a table that somebody put in the place of the writer's.
    is_writers = CHECKSUM.encode() in header or header.count(b",") + 1 == num_columns
    if is_writers and f"{google_crc32c.value(content):08x}" != checksum:
        raise ValueError(f"{path / TABLE}: is damaged; {REMEDY}")


def _attributes(path: Path) -> dict[str, Any]:
    """Read the attributes of a store's array; none where there is no array. Raises: ValueError."""
    description = path / ARRAY / DESCRIPTION
    if not description.is_file():
        return {}
    try:
        return dict(json.loads(description.read_bytes())["attributes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: {ARRAY}/{DESCRIPTION} is damaged; {REMEDY}") from error


def store_digest(store: Path) -> list[Any]:
    """Digest a store's content without reading its shards.

    The digest is a list of JSON-serialisable values. The table of videos holds a checksum of each video's entries. Of a
    store that was written without checksums, the names and sizes of all files stand for the content. Shards are
    compressed, so another content most often has another size. Attributes of the array, such as the names of a mask
    store's groups, count where there are any.
    """
    if (store / TABLE).is_file() and CHECKSUM in pd.read_csv(store / TABLE, nrows=0).columns:
        named = {key: value for key, value in _attributes(store).items() if key != _ATTRIBUTE}
        return [file_digest(store / TABLE), *([named] if named else [])]
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return [(path.relative_to(store).as_posix(), path.stat().st_size) for path in files]


class RowNumbers:
    """Find the row of a video in a table by the video's id.

    The ids are kept in one sorted array. A dict of SSv2's ids would take 20 MB in every worker that looks up an id,
    since counting references copies the pages that a fork shares.
    """

    def __init__(self, videos: pd.Series) -> None:
        ids = np.array([video.encode() for video in videos], dtype=bytes)
        self._rows = np.argsort(ids, kind="stable").astype(np.int32)
        self._ids = ids[self._rows]

    def find(self, video: str) -> int | None:
        """Return the row of a video, or None for a video that is not in the table."""
        wanted = video.encode()
        at = int(self._ids.searchsorted(wanted))
        return int(self._rows[at]) if at < len(self._ids) and self._ids[at] == wanted else None


def describe_losses(table: pd.DataFrame) -> list[str]:
    """Write one line for each video that is not ok: id, status, reason."""
    lost = table[table["status"] != "ok"]
    return [f"  {row.video}: {row.status}: {row.error}" for row in lost.itertuples()]


def check_missing(table: pd.DataFrame, max_failed: float) -> None:
    """Check that not too many videos failed to decode.

    Raises:
        ValueError: the failed videos are more than the share `max_failed` of a split, or all of it; the message lists
            the first of them.
    """
    for split, rows in table.groupby("split"):
        failed = rows[rows["status"] == "failed"]
        if len(failed) > max_failed * len(rows) or len(failed) == len(rows):
            lines = describe_losses(failed.head(_MOST_LISTED))
            if len(failed) > _MOST_LISTED:
                lines.append(f"  and {len(failed) - _MOST_LISTED} more")
            raise ValueError(
                f"{len(failed)} of {len(rows)} {split} videos failed to decode "
                f"({len(failed) / len(rows):.1%}), expected at most machine.max_failed {max_failed:.1%}:\n"
                + "\n".join(lines)
            )
