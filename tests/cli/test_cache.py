"""`python -m objabn cache`: what the side cache holds, and what `prune` frees of it."""

import os
import shutil
import socket
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.__main__ import main
from objabn.config.file import load_params
from objabn.segmentation.units import output_key, unit_names
from objabn.stores.array import StoreWriter
from objabn.system.cache import Cache, unit_key

ROOT = Path(__file__).parents[2]
UNUSED, FINISHED = unit_key(what="of no store"), unit_key(what="of a finished store, with parameters of then")
NO_PROCESS = 999_999_999


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """A checkout with a data set decoded and another segmented; its cache has units of both, and one of neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OBJABN_CACHE", raising=False)
    shutil.copy2(ROOT / "params.yaml", tmp_path)
    frames = tmp_path / "data/ucf101/frames"
    frames.mkdir(parents=True)
    writer = StoreWriter(frames, (4, 4, 3), frames_per_shard=16)
    for video, length in (("a", 2), ("failed", 0), ("b", 3)):
        writer.append(np.zeros((length, 4, 4, 3), np.uint8), video=video, digest=f"digest of {video}")
    table = writer.close()
    cache = Cache()
    started = unit_names(table, output_key(load_params().datasets["ucf101"]))
    assert (len(started), started[1]) == (3, "")
    for key in (started[0], FINISHED, UNUSED):
        cache.store("masks", key, b"x" * 84)  # 100 bytes with their digest
    (tmp_path / "results/own").mkdir(parents=True)
    record = pd.DataFrame({"video": ["v", "broken"], "frames": [9, 0], "unit": [FINISHED, ""]})
    record.to_csv(tmp_path / "results/own/segment.csv", index=False)
    return cache


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> str:
        assert main(["cache", *arguments]) == 0
        return capsys.readouterr().out

    return run


def keys(cache: Cache, kind: str = "masks") -> set[str]:
    return {unit.key for unit in cache.units() if unit.kind == kind}


def test_what_it_holds(cache: Cache, printed) -> None:
    cache.store("other", UNUSED, b"y" * 34)
    assert printed().splitlines() == [
        "side cache .cache: 4 units, 350 bytes",
        "  masks: 3 units, 300 bytes; needed here: 2 units, 200 bytes",
        "  other: 1 unit, 50 bytes; needed here: 1 unit, 50 bytes",
    ]


def test_an_empty_one(cache: Cache, printed) -> None:
    shutil.rmtree(cache.root)
    assert printed() == "side cache .cache: 0 units, 0 bytes\n"
    assert printed("prune").startswith("side cache .cache: freed 0 units, 0 bytes")


def test_prune_frees_what_no_store_needs(cache: Cache, printed) -> None:
    before = keys(cache)
    would = "side cache .cache: would free 1 unit, 100 bytes and 0 temporary files, 0 bytes; kept 2 units, 200 bytes\n"
    assert printed("prune", "--dry-run") == would
    assert keys(cache) == before
    assert printed("prune") == would.replace("would free", "freed")
    assert keys(cache) == before - {UNUSED}
    assert FINISHED in keys(cache)
    assert printed("prune").startswith("side cache .cache: freed 0 units, 0 bytes")


def test_without_its_stores_nothing_is_needed(cache: Cache, printed) -> None:
    shutil.rmtree("results")
    shutil.rmtree("data")
    printed("prune")
    assert keys(cache) == set()


def test_units_of_a_kind_it_does_not_know_stay(cache: Cache, printed) -> None:
    cache.store("other", UNUSED, b"y")
    printed("prune")
    assert keys(cache, "other") == {UNUSED}
    assert printed("prune", "--all").startswith("side cache .cache: freed 3 units, 217 bytes")
    assert list(cache.units()) == []


@pytest.mark.parametrize("kind", ["training", "run", "motion"])
def test_what_trainings_keep_stays_for_a_week(cache: Cache, printed, kind: str) -> None:
    for key, days in ((FINISHED, 6.9), (UNUSED, 7.1)):
        cache.store(kind, key, b"y" * 34)
        then = time.time() - days * 24 * 3600
        os.utime(cache.path(kind, key), (then, then))
    assert printed().splitlines()[-1] == f"  {kind}: 2 units, 100 bytes; needed here: 1 unit, 50 bytes"
    printed("prune")
    assert keys(cache, kind) == {FINISHED}
    printed("prune", "--all")
    assert keys(cache, kind) == set()


def test_other_files_stay(cache: Cache, printed, tmp_path: Path) -> None:
    """Whatever does not stand where a unit would, also when the variable names a directory of somebody else's."""
    unit = cache.path("masks", UNUSED)
    others = [
        cache.root / "notes.txt",
        cache.root / "masks" / UNUSED,
        unit.with_name("README"),
        unit.with_name(UNUSED[:-1]),
        unit.with_name(UNUSED + "0"),
        unit.with_name(UNUSED.upper()),
        unit.parent / "deeper" / UNUSED,
        cache.root / "masks" / ("0" + UNUSED[1:2] if UNUSED[0] != "0" else "ff") / UNUSED,
        unit.with_name(f".{UNUSED}.partial"),
        unit.with_name(f".notes.partial-{socket.gethostname()}-{NO_PROCESS}"),
    ]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not ours")
        os.utime(path, (0, 0))
    elsewhere = tmp_path / "elsewhere" / UNUSED[:2]
    elsewhere.mkdir(parents=True)
    (elsewhere / UNUSED).write_text("behind a link")
    (cache.root / "linked").symlink_to(elsewhere.parent)
    link = unit.with_name(UNUSED[:-1] + ("0" if UNUSED[-1] != "0" else "1"))
    link.symlink_to(elsewhere / UNUSED)
    printed("prune", "--all")
    assert list(cache.units()) == []
    assert all(path.is_file() for path in [*others, elsewhere / UNUSED])
    assert link.is_symlink()


def test_temporary_files_of_killed_writers_go_and_those_of_living_ones_stay(cache: Cache, printed) -> None:
    unit = cache.path("masks", UNUSED)
    here = socket.gethostname()
    old, young = time.time() - 7200, time.time() - 60
    files = {
        f"{here}-{NO_PROCESS}": (young, False),
        f"{here}-{os.getpid()}": (young, True),
        f"{here}-{os.getpid()}0000000000": (young, False),  # no process's number
        "elsewhere-1": (young, True),
        "else-where-7": (old, False),
    }
    for name, (written, _) in files.items():
        path = unit.with_name(f".{UNUSED}.partial-{name}")
        path.write_bytes(b"z" * 10)
        os.utime(path, (written, written))
    assert printed().splitlines()[-1] == "  left by killed writers: 3 temporary files, 30 bytes"
    assert "and 3 temporary files, 30 bytes; kept 2 units" in printed("prune")
    left = {path.name.partition(".partial-")[2] for path in unit.parent.iterdir()}
    assert left == {name for name, (_, stays) in files.items() if stays}


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda: Path("params.yaml").unlink(), "params.yaml"),
        (lambda: Path("results/own/segment.csv").write_text("video\nv\n"), "own/segment.csv: expected a column `unit`"),
    ],
)
def test_what_it_cannot_judge_it_does_not_remove(cache: Cache, capsys, break_it, message: str) -> None:
    before = keys(cache)
    break_it()
    for arguments in ([], ["prune"], ["prune", "--dry-run"]):
        assert main(["cache", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert keys(cache) == before
