"""Segmentation survives: kills at any moment, two writers, damaged units, a full disk. The real stage as a process."""

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.config.file import load_params
from objabn.index.table import build, write_index
from objabn.segmentation.units import output_key, unit_names
from objabn.stores.table import read_table
from objabn.system.cache import Cache
from objabn.video.write import write_video
from tests.helpers.checkout import STORE, Checkout, Process, counted, runs, use_motion, wait_for, write_frames
from tests.helpers.clones import edit_params, environment, make_clone, run_dvc

NUM_VIDEOS = 12


def wait_for_units(checkout: Checkout, process: Process, number: int) -> None:
    wait_for(lambda: len(checkout.units()) >= number or process.poll() is not None)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """Outputs of a run that nobody disturbs, and how long it took."""
    checkout = Checkout(tmp_path_factory.mktemp("undisturbed")).frames(range(NUM_VIDEOS))
    began = time.monotonic()
    assert checkout.run() == (NUM_VIDEOS, 0)
    assert not checkout.strays()
    return checkout.content(), time.monotonic() - began


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout").frames(range(NUM_VIDEOS))


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_at_random_moments_cost_the_unit_in_flight_only(
    checkout: Checkout, undisturbed: tuple[dict[str, bytes], float], rounds: int
) -> None:
    """Three kills a round, each round from an empty cache to the end."""
    expected, seconds = undisturbed
    rng = random.Random(rounds)
    moments = []
    for _ in range(rounds):
        checkout.forget()
        for _ in range(3):
            present, process = len(checkout.units()), checkout.start()
            if rng.random() < 0.7:  # about a unit: most of a real run is that
                wait_for_units(checkout, process, rng.randint(present, NUM_VIDEOS))
                time.sleep(rng.uniform(0, 2 * seconds / NUM_VIDEOS / 3))
            else:
                time.sleep(rng.uniform(0, seconds))
            process.kill()
            process.communicate()
            finished = len(checkout.units())
            moments.append((process.returncode, finished))
            assert finished >= present
        finished = len(checkout.units())
        assert checkout.run() == (NUM_VIDEOS - finished, finished)
        assert checkout.content() == expected
        assert not checkout.strays()
        assert sum(path.is_file() for path in (checkout.folder / STORE).rglob("*")) <= 1000
    print(f"killed at (exit status, finished videos): {moments}")
    assert sum(code == -signal.SIGKILL for code, _ in moments) > len(moments) / 2


def test_a_kill_while_a_unit_is_written_leaves_nothing_for_good(checkout: Checkout) -> None:
    """What a killed writer left of a unit goes when that unit is made; the others' leftovers go with `cache prune`."""
    table = read_table(checkout.folder / "data/synthetic/frames")
    dataset = load_params(checkout.folder / "params.yaml").datasets["synthetic"]
    unit = checkout.cache.path("masks", unit_names(table, output_key(dataset))[3])
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    unit.parent.mkdir(parents=True)
    left = unit.with_name(f".{unit.name}.partial-{os.uname().nodename}-{dead.pid}")
    living = unit.with_name(f".{unit.name}.partial-{os.uname().nodename}-{os.getpid()}")
    for path in (left, living):
        path.write_bytes(b"half")
    assert checkout.run() == (NUM_VIDEOS, 0)
    assert checkout.strays() == {living}


def test_damaged_units_are_made_again(checkout: Checkout, undisturbed: tuple[dict[str, bytes], float]) -> None:
    """One with a flipped bit, one cut off, and an empty one."""
    checkout.run()
    units = checkout.units()[:3]
    contents = [unit.read_bytes() for unit in units]
    flipped = contents[0][:99] + bytes([contents[0][99] ^ 4]) + contents[0][100:]
    for unit, damaged in zip(units, (flipped, contents[1][:-7], b""), strict=True):
        unit.write_bytes(damaged)
    assert checkout.run() == (3, NUM_VIDEOS - 3)
    assert [unit.read_bytes() for unit in units] == contents
    assert checkout.content() == undisturbed[0]


def test_five_more_videos_cost_five(tmp_path: Path) -> None:
    """The store is then as if all had been there from the beginning."""
    checkout = Checkout(tmp_path / "grows").frames(range(100), 3)
    assert checkout.run() == (100, 0)
    assert checkout.frames(range(105), 3).run() == (5, 100)
    at_once = Checkout(tmp_path / "at once").frames(range(105), 3)
    assert at_once.run() == (105, 0)
    assert checkout.content() == at_once.content()


def test_two_runs_in_one_checkout_take_turns(checkout: Checkout, undisturbed: tuple[dict[str, bytes], float]) -> None:
    first = checkout.start()
    wait_for(checkout.units)
    second = checkout.start()
    counts = [counted(process) for process in (first, second)]
    assert counts == [(NUM_VIDEOS, 0), (0, NUM_VIDEOS)]
    assert checkout.content() == undisturbed[0]
    assert not checkout.strays()


def test_two_checkouts_share_a_cache_at_once(tmp_path: Path, undisturbed: tuple[dict[str, bytes], float]) -> None:
    pair = [Checkout(tmp_path / name, tmp_path / "shared").frames(range(NUM_VIDEOS)) for name in ("one", "other")]
    counts = [counted(process) for process in [each.start() for each in pair]]
    assert all(sum(each) == NUM_VIDEOS for each in counts)
    for each in pair:
        assert each.content() == undisturbed[0]
        assert not each.strays()


def test_a_prune_does_not_break_a_running_segmentation(
    checkout: Checkout, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    checkout.run()
    for unit in checkout.units()[::2]:
        unit.unlink()
    process = checkout.start()
    while process.poll() is None:
        out, err = checkout.start("objabn", "cache", "prune", "--all").communicate()
        assert out.startswith("side cache"), err
    assert sum(counted(process)) == NUM_VIDEOS
    assert checkout.content() == undisturbed[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    path = tmp_path / "small"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", path], capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.mark.parametrize("full", ["cache", "outputs"])
def test_a_full_disk_is_one_line_and_the_previous_output_stays(
    checkout: Checkout, small_disk: Path, full: str, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    checkout.run()
    before, data = checkout.content(), checkout.folder / "data/synthetic"
    if full == "cache":
        checkout.cache = Cache(small_disk)
    else:  # the store lies on the small disk, with an older, shorter content
        Checkout(checkout.folder).frames(range(2)).run()
        before = checkout.content()
        shutil.move(data / "masks", small_disk / "masks")
        checkout.frames(range(NUM_VIDEOS))
        shutil.move(data / "frames", checkout.folder / "frames")
        data.rmdir()
        data.symlink_to(small_disk)
        (data / "frames").symlink_to(checkout.folder / "frames")
    (small_disk / "ballast").write_bytes(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize - 8192))
    process = checkout.start()
    out, err = process.communicate()
    lines = [line for line in err.splitlines() if line and "frame/s" not in line]
    assert (process.returncode, out) == (2, ""), err
    assert len(lines) == 1, err
    where = rf" \(writing {re.escape(str(small_disk))}/masks/.+\)" if full == "cache" else ""
    assert re.fullmatch(rf"segment: no space left on the disk{where}; make room and run it again", lines[0])
    assert checkout.content() == before
    assert not checkout.strays()
    (small_disk / "ballast").unlink()
    if full == "outputs":
        subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    assert sum(checkout.run()) == NUM_VIDEOS
    assert checkout.content() == undisturbed[0]


def test_a_full_disk_without_one(checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    """The same in this process, where no file system can be mounted."""
    from stages import segment
    from stages.entry import run_stage

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    checkout.run()
    before = checkout.content()
    monkeypatch.chdir(checkout.folder)
    monkeypatch.setenv("OBJABN_CACHE", str(checkout.folder / "another"))
    monkeypatch.setattr(sys, "argv", ["stages/segment.py", "synthetic"])
    monkeypatch.setattr("objabn.system.files.os.fsync", full)
    with pytest.raises(SystemExit) as error:
        run_stage(segment.main)
    assert error.value.code == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith("segment: no space left on the disk")
    assert checkout.content() == before
    assert not checkout.strays()


def noisy_videos(checkout: Checkout) -> Checkout:
    """40 registered videos, decoded enlarged into shards of three and a bit."""
    sizes = {"height": 240, "width": 320, "frames_per_shard": 64}
    edit_params(checkout.folder, lambda values: values["datasets"]["synthetic"]["decode"].update(sizes))
    videos = checkout.folder / "data/synthetic/videos"
    rng = np.random.default_rng(0)
    for number in range(40):
        write_video(videos / f"{number:02}.mp4", rng.integers(0, 256, (20, 48, 64, 3), dtype=np.uint8))
    names = [f"{number:02}" for number in range(40)]
    listed = [{"video": name, "path": f"{name}.mp4", "label": "a", "split": "train"} for name in names]
    write_index(build(pd.DataFrame(listed), videos)[0], videos.with_name("index.csv"))
    return checkout


def decoded(checkout: Checkout) -> tuple[str, dict[Path, bytes]]:
    """Runs the stage to the end: what it printed, and the store."""
    out, err = checkout.start("stages.decode").communicate(timeout=300)
    assert out.splitlines()[-1:] == ["40 videos: 40 ok, 0 truncated, 0 failed"], err
    frames = checkout.folder / "data/synthetic/frames"
    return out, {path.relative_to(frames): path.read_bytes() for path in frames.rglob("*") if path.is_file()}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds a process's children in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_decode_goes_on_where_it_stopped(tmp_path: Path, how: signal.Signals) -> None:
    """Its workers end with it; the store is then that of a run that nobody disturbed."""
    checkout = noisy_videos(Checkout(tmp_path / "killed"))
    process = checkout.start("stages.decode")
    wait_for(lambda: list(checkout.folder.rglob("state.npz")) or process.poll() is not None)
    workers = children(process.pid)
    process.send_signal(how)
    process.communicate()
    assert process.returncode != 0
    assert len(workers) >= 3  # two, and who forks them
    wait_for(lambda: not any(map(runs, workers)))
    out, content = decoded(checkout)
    assert "were decoded by a run that was interrupted" in out
    out, expected = decoded(noisy_videos(Checkout(tmp_path / "undisturbed")))
    assert "interrupted" not in out
    assert content == expected


def children(process: int) -> list[int]:
    """The processes that one has started, and theirs."""
    direct = []
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # it has ended
            direct += [int(child) for child in thread.read_text().split()]
    return direct + [each for child in direct for each in children(child)]


def stages_below(process: int) -> list[int]:
    found = [(child, Path(f"/proc/{child}/cmdline")) for child in children(process)]
    return [child for child, line in found if line.exists() and b"stages.segment" in line.read_bytes()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds a process's children in /proc")
def test_a_killed_dvc_leaves_a_writer_that_does_no_harm(tmp_path: Path) -> None:
    """Its stage goes on; the next `dvc repro` waits for that one and finds all that it has done."""
    clone = make_clone(tmp_path / "clone", use_motion)
    store = clone / "data/synthetic"
    edit_params(clone, lambda values: values["datasets"]["synthetic"]["decode"].update(height=48, width=64))
    # In place of the stages above: DVC is told that their outputs are what they made.
    write_frames(store / "frames", range(40), 20)
    (store / "index.csv").write_text("made by the test")
    (store / "videos").mkdir()
    (store / "truth").mkdir()
    run_dvc(clone, tmp_path / "side", "commit", "-f", "synthesize", "decode@synthetic")
    cache = Cache(tmp_path / "side")
    command = [sys.executable, "-m", "dvc", "repro", "segment@synthetic"]
    unheard = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    first = subprocess.Popen(command, cwd=clone, env=environment(cache.root), **unheard)
    wait_for(lambda: len(list(cache.units())) >= 2)
    orphans = stages_below(first.pid)
    first.kill()
    first.wait()
    assert len(list(cache.units())) < 40
    assert any(map(runs, orphans))
    for orphan in orphans:
        os.kill(orphan, signal.SIGSTOP)  # held until the second one waits, however slow the machine
    said = tmp_path / "said"
    with said.open("w") as file:
        second = subprocess.Popen(command, cwd=clone, env=environment(cache.root), stdout=file, stderr=file)
    try:
        waiting = "data/synthetic: another process is at work here; waiting for it to end"
        wait_for(lambda: waiting in said.read_text())
    finally:
        for orphan in orphans:
            os.kill(orphan, signal.SIGCONT)
    assert second.wait() == 0
    assert "0 videos segmented, 40 found in the side cache" in said.read_text()
    wait_for(lambda: not any(map(runs, orphans)))
    assert "up to date" in run_dvc(clone, cache.root, "status", "segment@synthetic").stdout
    alone = Checkout(tmp_path / "alone").frames(range(40))
    edit_params(alone.folder, lambda values: values["datasets"]["synthetic"]["decode"].update(height=48, width=64))
    assert alone.run() == (40, 0)
    for path in (path for path in (clone / STORE).rglob("*") if path.is_file()):
        assert path.read_bytes() == (alone.folder / STORE / path.relative_to(clone / STORE)).read_bytes(), path
    assert not [path for path in tmp_path.rglob("*") if ".partial-" in path.name]
