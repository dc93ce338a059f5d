"""Ray as an engine of segmentation: the same store, only what is missing, and clear words when it fails."""

import filecmp
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from objabn.config.schema import Dataset
from objabn.segmentation import ray_engine
from objabn.segmentation.ray_engine import _share, block_length, fill
from objabn.segmentation.segment import make_compute, segment_videos
from objabn.segmentation.segmenters.choice import build
from objabn.segmentation.units import KIND, Unit, output_key, unit_names
from objabn.stores.array import StoreWriter
from objabn.stores.frames import open_frames
from objabn.stores.table import read_table
from objabn.synthetic.scenes import ACTIONS, make_scene, render_frame
from objabn.system.cache import Cache
from tests.helpers.masks import make_compute as make_compute_found

NUM_FRAMES = 6
VIDEOS = 4


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a frame store of a few short videos, and an empty side cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OBJABN_CACHE", "cache")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    frames = tmp_path / "frames"
    frames.mkdir()
    writer = StoreWriter(frames, (120, 160, 3), frames_per_shard=64)
    for number in range(VIDEOS):
        scene = make_scene(ACTIONS[number], seed=3, split="ray", number=number)
        clip = np.stack([render_frame(scene, frame)[0] for frame in range(NUM_FRAMES)])
        row = {"label": "a", "split": "test", "height": 120, "width": 160, "digest": f"{number:032x}"}
        writer.append(clip, video=f"v{number}", **row)
    writer.close()
    return tmp_path


def figures(synthetic: Dataset) -> Dataset:
    """The profile's own segmenter, by a path that holds from any directory."""
    weights = Path(__file__).parents[2] / synthetic.segment.weights  # type: ignore[union-attr]
    return synthetic.model_copy(update={"segment": synthetic.segment.model_copy(update={"weights": str(weights)})})


def segment(checkout: Path, dataset: Dataset, name: str, cache: Path, **options: Any) -> tuple[int, int]:
    (checkout / name).mkdir()
    table = read_table(checkout / "frames")
    return segment_videos(
        table,
        unit_names(table, output_key(dataset)),
        open_frames(checkout / "frames", Path(dataset.videos), dataset.decode),
        checkout / name,
        make_segmenter=lambda: build(**dataset.segment.model_dump()),
        cache=Cache(cache),
        **options,
    )


def test_two_workers_give_the_same_store(checkout: Path, synthetic: Dataset) -> None:
    pytest.importorskip("ray")
    dataset = figures(synthetic)
    assert segment(checkout, dataset, "local", checkout / "other-cache") == (VIDEOS, 0)
    names = unit_names(read_table(checkout / "frames"), output_key(dataset))
    kept = Cache(checkout / "other-cache").load(KIND, names[1])
    assert kept is not None
    Cache(Path("cache")).store(KIND, names[1], kept)
    asked: list[list[str]] = []

    def by_ray(units: list[Unit]) -> None:
        asked.append([unit.video for unit in units])
        fill(units, partial(make_compute, Path("frames"), dataset), workers=2)
        assert all(Cache(Path("cache")).load(KIND, name) for name in names)

    assert segment(checkout, dataset, "ray", Path("cache"), fill=by_ray) == (VIDEOS - 1, 1)
    assert asked == [["v0", "v2", "v3"]]
    files = [path.relative_to(checkout / "local") for path in (checkout / "local").rglob("*") if path.is_file()]
    match, mismatch, errors = filecmp.cmpfiles(checkout / "local", checkout / "ray", files, shallow=False)
    assert (len(match), mismatch, errors) == (len(files), [], [])
    pd.testing.assert_frame_equal(read_table(checkout / "local"), read_table(checkout / "ray"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": "nowhere.pth"}, r"^machine.segment_engine: ray: nowhere.pth: no such file; expected .*$"),
        ({"video": "v9"}, r"^machine.segment_engine: ray: .*has no video v9$"),
    ],
    ids=["an actor that cannot start", "a unit that cannot be computed"],
)
def test_a_fault_in_an_actor_is_one_line(
    checkout: Path, synthetic: Dataset, change: dict[str, str], message: str
) -> None:
    pytest.importorskip("ray")
    dataset = figures(synthetic)
    if "weights" in change:
        dataset = dataset.model_copy(update={"segment": dataset.segment.model_copy(update=change)})
    unit = Unit(change.get("video", "v0"), "0" * 32, 1)
    with pytest.raises(ValueError, match=message):
        fill([unit], partial(make_compute, Path("frames"), dataset), workers=1)


@pytest.mark.slow
def test_a_lost_actor_costs_the_units_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, units: list[Unit]
) -> None:
    """It is killed at the last unit of its only block; another one finds the others in the side cache."""
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setattr(ray_engine, "block_length", lambda units, actors: units)
    some = [unit for unit in units if unit.frames]
    fill(some, partial(make_compute_found, tmp_path, "killed once"), workers=1)
    assert all(Cache(tmp_path / "cache").load(KIND, unit.name) for unit in some)
    rows = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert [video for video, *_ in rows] == ["c", "e", "a", "d", "d"]
    assert len({pid for _, pid, _ in rows}) == 2


def test_what_is_in_the_side_cache_is_not_computed_again(tmp_path: Path, units: list[Unit]) -> None:
    some = [unit for unit in units if unit.frames]
    assert list(make_compute_found(tmp_path)(some[:2])) == some[:2]
    assert list(make_compute_found(tmp_path, overlap=True)(some)) == some
    videos = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert videos == ["a", "c", "d", "e"]


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"ray is not installed; `pip install -r requirements-ray.txt`, or `local`"):
        fill([Unit("v", "n", 1)], dict, workers=None)


@pytest.mark.parametrize(
    ("actors", "gpus", "share"), [(8, 8, 1), (3, 8, 1), (16, 8, 0.5), (9, 8, 0.5), (24, 8, 1 / 3), (4, 0, 0)]
)
def test_more_actors_than_gpus_share_them(actors: int, gpus: int, share: float) -> None:
    assert _share(actors, gpus) == share


@pytest.mark.parametrize(
    ("units", "actors", "length"), [(220_000, 8, 64), (10_000, 2, 64), (448, 2, 56), (100, 8, 3), (3, 2, 1)]
)
def test_blocks_are_large_but_several_an_actor(units: int, actors: int, length: int) -> None:
    assert block_length(units, actors) == length
