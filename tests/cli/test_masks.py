"""`python -m objabn masks export`: what it writes and says, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from objabn.__main__ import main
from objabn.config.file import load_params
from objabn.stores.array import StoreWriter
from objabn.stores.masks import GRID

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout with the shipped parameters and a data set of two videos, and one that could not be decoded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    store("frames", (8, 8, 3))
    store("masks", (2, GRID, GRID))


def store(name: str, shape: tuple[int, ...]) -> None:
    folder = Path("data/folder") / name
    folder.mkdir(parents=True)
    writer = StoreWriter(folder, shape, frames_per_shard=16)
    for video, length in (("walk/a", 3), ("walk/b", 2), ("walk/c", 0)):
        items = np.full((length, *shape), 0 if name == "frames" else 150, np.uint8)
        more = {"height": 240, "width": 320, "fps": 25.0, "path": f"{video}.mp4", "digest": "0"}
        writer.append(items, video=video, **(more if name == "frames" else {}))
    writer.close()


def run(*arguments: str) -> int:
    return main(["masks", "export", "--dataset", "folder", *arguments])


@pytest.mark.parametrize("layout", ["coco", "youtube-vis"])
def test_a_json(layout: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", layout, "--out", "out/masks.json", "--threshold", "0.5") == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote out/masks.json: 10 masks of 5 frames of 2 videos, each the union of a group at score 0.5; scores and "
        "instances are not kept",
        "to bring them back: datasets.folder.segment={backend: import, masks: out/masks.json, format: "
        f"{layout}, class_name: person, sparse: none, images: null, groups: null}}",
    ]
    content = json.loads(Path("out/masks.json").read_text())
    assert len(content["annotations"]) == (10 if layout == "coco" else 4)


def test_the_block_that_brings_them_back_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "coco", "--out", "masks.json") == 0
    override = capsys.readouterr().out.splitlines()[-1].removeprefix("to bring them back: ")
    segment = load_params(overrides=[override]).datasets["folder"].segment
    assert (segment.backend, segment.masks) == ("import", "masks.json")


def test_some_videos_at_the_data_sets_score(capsys: pytest.CaptureFixture[str]) -> None:
    """Its mask.score_threshold is above the 150 / 255 that all cells have, so nothing is there."""
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("score_threshold: 0.5", "score_threshold: 0.6"))
    assert load_params().datasets["folder"].mask.score_threshold == 0.6
    assert run("--format", "coco", "--out", "masks.json", "--videos", "walk/b", "--size", "grid") == 0
    assert capsys.readouterr().out.startswith("wrote masks.json: 0 masks of 2 frames of 1 videos, each the union of a ")
    assert [each["height"] for each in json.loads(Path("masks.json").read_text())["images"]] == [GRID, GRID]


def test_videos_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "overlay", "--out", "looks", "--threshold", "0.5") == 0
    assert capsys.readouterr().out == "wrote 2 videos in looks/: the union of each group at score 0.5\n"
    assert sorted(path.as_posix() for path in Path("looks").rglob("*.mp4")) == ["looks/walk/a.mp4", "looks/walk/b.mp4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--threshold", "0"), "masks export: --threshold, expected a score in (0, 1], got 0"),
        (("--videos", "walk/x"), "--videos: expected ids of decoded videos such as walk/a, got walk/x"),
        (("--videos", "walk/c"), "--videos: expected videos with frames, got 1 that could not be decoded"),
        (("--out", "data"), "masks export: --out, expected a file to write, got the directory data"),
        (("--format", "overlay", "--out", "params.yaml"),
         "masks export: --out, expected a directory to write to, got the file params.yaml"),
        (("--dataset", "quick"), "data/quick/masks/videos.csv: expected a store's table of videos, found none"),
        (("--dataset", "no"),
         "masks export: --dataset, expected one of folder, jhmdb, quick, ssv2, synthetic, ucf101, got 'no'"),
    ],
)  # fmt: skip
def test_misuse(arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "coco", "--out", "masks.json", *arguments) == 2
    assert capsys.readouterr().err == f"{message}\n"
    assert not Path("masks.json").exists()
