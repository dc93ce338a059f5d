"""Processes of this machine: the same store as one process, and clear words when one is lost or a unit has a fault."""

import filecmp
import os
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch

from objabn.segmentation.local_engine import fill
from objabn.segmentation.segment import segment_videos
from objabn.segmentation.units import KIND, Unit
from objabn.stores.array import StoreReader
from objabn.system.cache import Cache
from tests.helpers.masks import found, make_compute


def present(folder: Path, units: list[Unit]) -> list[str]:
    cache = Cache(folder / "cache")
    return [unit.video for unit in units if unit.name and cache.load(KIND, unit.name)]


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_processes_gives_the_same_store(tmp_path: Path, units: list[Unit], workers: int) -> None:
    reader, names = StoreReader(tmp_path / "frames"), [unit.name for unit in units]
    table = pd.DataFrame(units, columns=["video", "name", "frames"])
    for name in ("plain", "store"):
        (tmp_path / name).mkdir()
    plain = Cache(tmp_path / "another")
    counts = segment_videos(table, names, reader, tmp_path / "plain", make_segmenter=lambda: found, cache=plain)
    assert counts == (4, 0)
    by_processes = partial(fill, make=partial(make_compute, tmp_path), workers=workers)
    cache = Cache(tmp_path / "cache")
    more = {"cache": cache, "make_segmenter": lambda: pytest.fail("segmented here")}
    assert segment_videos(table, names, reader, tmp_path / "store", fill=by_processes, **more) == (4, 0)
    files = [path.relative_to(tmp_path / "plain") for path in (tmp_path / "plain").rglob("*") if path.is_file()]
    match, *others = filecmp.cmpfiles(tmp_path / "plain", tmp_path / "store", files, shallow=False)
    assert (len(match), others) == (len(files), [[], []])
    rows = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert {threads for *_, threads in rows} == {str(torch.get_num_threads())}
    assert (str(os.getpid()) in {pid for _, pid, _ in rows}) == (workers == 1)
    assert sorted(video for video, *_ in rows) == ["a", "c", "d", "e"]
    assert workers == 2 or [video for video, *_ in rows] == ["c", "e", "a", "d"]  # long ones first


def test_a_killed_process_is_replaced(tmp_path: Path, units: list[Unit]) -> None:
    some = [unit for unit in units if unit.frames]
    fill(some, partial(make_compute, tmp_path, "killed once"), workers=2)
    assert (tmp_path / "killed").exists()
    assert present(tmp_path, units) == ["a", "c", "d", "e"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("killed", r"^d: the process that segmented it crashed \(SIGKILL\); if memory was short, set "
                   r"machine.segment_workers to fewer than 2$"),
        ("fault", r"^weights.pth: no such file$"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_and_loses_nothing(tmp_path: Path, units: list[Unit], fault: str, message: str) -> None:
    some = [unit for unit in units if unit.frames]
    with pytest.raises(ValueError, match=message):
        fill(some, partial(make_compute, tmp_path, fault), workers=2)
    assert present(tmp_path, units) == ["a", "c", "e"]  # the shortest, d, comes last


def test_nothing_to_do_starts_nothing(tmp_path: Path) -> None:
    fill([], partial(pytest.fail, "made"), workers=2)
