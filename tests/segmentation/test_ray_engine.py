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
from objabn.segmentation.ray_engine import _share, fill
from objabn.segmentation.segment import make_compute, segment_videos
from objabn.segmentation.segmenters.choice import build
from objabn.segmentation.units import KIND, output_key, unit_names
from objabn.stores.array import StoreWriter
from objabn.stores.frames import open_frames
from objabn.stores.table import read_table
from objabn.synthetic.scenes import ACTIONS, make_scene, render_frame
from objabn.system.cache import Cache

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

    def by_ray(units: list[dict[str, Any]]) -> None:
        asked.append([unit["video"] for unit in units])
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
    unit = {"video": change.get("video", "v0"), "name": "0" * 32, "frames": 1}
    with pytest.raises(ValueError, match=message):
        fill([unit], partial(make_compute, Path("frames"), dataset), workers=1)


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"ray is not installed; `pip install -r requirements-ray.txt`, or `local`"):
        fill([{"video": "v", "name": "n", "frames": 1}], dict, workers=None)


@pytest.mark.parametrize(
    ("actors", "gpus", "share"), [(8, 8, 1), (3, 8, 1), (16, 8, 0.5), (9, 8, 0.5), (24, 8, 1 / 3), (4, 0, 0)]
)
def test_more_actors_than_gpus_share_them(actors: int, gpus: int, share: float) -> None:
    assert _share(actors, gpus) == share
