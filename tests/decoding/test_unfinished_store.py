"""Whatever the moment at which a process is killed, the next one ends with the same bytes."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objabn.config.schema import Decode
from objabn.decoding import decode, unfinished_store
from objabn.decoding.unfinished_store import UnfinishedStore
from objabn.stores.array import StoreReader

DECODE = Decode(height=16, width=16, codec="zstd", quality=95, store=True, stride=1, frames_per_shard=16)
KINDS = {
    "zstd": DECODE,
    "jpeg": DECODE.model_copy(update={"codec": "jpeg"}),
    "table": DECODE.model_copy(update={"store": False}),
}
LENGTHS = {"a": 5, "b": 40, "none": 0, "c": 7, "d": 12, "e": 9, "f": 3}  # whole shards at 32 and 64 frames


def frames_of(video: str) -> np.ndarray:
    return np.random.default_rng(ord(video[0])).integers(0, 256, (LENGTHS[video], 16, 16, 3), dtype=np.uint8)


def write(place: Path, settings: Decode, videos: list[str], moment: Callable[[], None] = lambda: None) -> int:
    """Appends what is not there yet and finishes; how many videos were there."""
    make = partial(decode.make_writer, settings) if settings.store else None
    store = UnfinishedStore(place / "store", "key", make)
    there = len(store.rows)
    done = {row["video"] for row in store.rows}
    for video in videos:
        if video not in done:
            moment()
            store.append(decode.packing(settings)(frames_of(video)), LENGTHS[video], video=video)
    moment()
    store.keep()  # as a refused run does, in the middle of a shard
    moment()
    store.finish(list(LENGTHS))
    return there


def content(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_at_any_moment_costs_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A copy of the directory before each call that has the disk hold something is what a kill leaves."""
    monkeypatch.setattr(unfinished_store, "_ROWS_AT_ONCE", 3)
    late = ["a", "none", "c", "d", "e", "f", "b"]  # one comes last and has to move
    place, copies = tmp_path / "place", list[Path]()
    place.mkdir()

    def moment() -> None:
        copies.append(tmp_path / f"copy-{len(copies)}")
        shutil.copytree(place, copies[-1])

    def watched(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        moment()
        return call(*arguments, **options)

    with monkeypatch.context() as patched:
        for name in ("fsync", "replace", "rename"):
            patched.setattr(os, name, partial(watched, getattr(os, name)))
        write(place, KINDS[kind], late, moment)
    expected = content(place)
    assert {path.split("/")[0] for path in expected} == {"store"}
    if kind == "zstd":
        reader = StoreReader(place / "store")
        for video in LENGTHS:
            np.testing.assert_array_equal(reader.read_all(video), frames_of(video))
    kept = [write(copy, KINDS[kind], late) for copy in copies]  # all of them are from before the last rename
    assert {0, len(LENGTHS)} < set(kept)  # in between, too
    assert kept == sorted(kept)  # what was kept once is kept
    for copy in copies:
        assert content(copy) == expected, copy


def test_a_shard_that_is_not_whole_is_kept_when_a_run_is_refused(tmp_path: Path) -> None:
    """Also by a second run that goes on and is refused, too."""
    write(tmp_path, KINDS["jpeg"], list(LENGTHS))
    expected = content(tmp_path)
    shutil.rmtree(tmp_path / "store")
    for number, video in enumerate(LENGTHS):
        store = UnfinishedStore(tmp_path / "store", "key", partial(decode.make_writer, KINDS["jpeg"]))
        assert len(store.rows) == number
        store.append(decode.packing(KINDS["jpeg"])(frames_of(video)), LENGTHS[video], video=video)
        store.keep()
    store.finish(list(LENGTHS))
    assert content(tmp_path) == expected
