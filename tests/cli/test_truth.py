"""`python -m objabn truth`: what it writes, what it says, and what it needs first."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objabn.__main__ import main
from objabn.config.file import load_params
from objabn.config.schema import Truth
from objabn.stores.array import StoreWriter
from objabn.stores.table import read_table
from objabn.stores.truth import open_truth
from tests.helpers.ucf101_24 import entry, tube, write_pickle

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout with the shipped parameters and two decoded videos of each data set, `d/b` for tests."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    for name in ("ucf101", "ssv2"):
        frames = tmp_path / "data" / name / "frames"
        frames.mkdir(parents=True)
        writer = StoreWriter(frames, (4, 4, 3), frames_per_shard=16)
        for video, split in (("d/a", "train"), ("d/b", "test")):
            row = {"split": split, "label": "d", "status": "ok", "fps": 12.0, "height": 240, "width": 320}
            writer.append(np.zeros((5, 4, 4, 3), np.uint8), video=video, **row)
        writer.close()


def run(*arguments: str) -> int:
    return main(["truth", *arguments])


def test_boxes_of_ucf101_24(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = [[1, 1, 160, 240]]
    write_pickle(tmp_path / "pyannot.pkl", {"d/b": entry(5, tube(1, box * 3)), "d/x": entry(5), "d/y": entry(5)})
    assert run("ucf101-24", "--annotations", "pyannot.pkl") == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote data/ucf101/truth: annotations of 3 frames of 1 videos, 1 of them test videos; ucf101 has 2 videos",
        "left out 2 annotated videos, such as d/x, d/y: not among the data set's decoded videos",
        "params.yaml: datasets.ucf101.truth has to be",
        "      store: data/ucf101/truth",
        "      score_threshold: 0.5",
        "      groups:",
        "        - person",
    ]
    truth = Truth(store="data/ucf101/truth", score_threshold=0.5, groups=["person"])
    reader = open_truth(truth, read_table(Path("data/ucf101/frames")), 1)
    assert reader.union("d/b", np.arange(5)).mean(axis=(1, 2)).tolist() == [0, 0.5, 0.5, 0.5, 0]
    assert load_params(overrides=["datasets.ucf101.truth={store: a, score_threshold: 0.5, groups: [person]}"])


def test_boxes_of_something_else_into_another_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = [{"box2d": {"x1": 0, "y1": 0, "x2": 320, "y2": 120}, "category": "cup", "standard_category": "0000"}]
    content = {"a": [{"name": "a/0002.jpg", "labels": labels}]}
    Path("part1.json").write_text(json.dumps(content))
    Path("part2.json").write_text(json.dumps({"b": [{"name": "b/0001.jpg", "labels": []}]}))
    assert run("something-else", "--annotations", "part1.json", "part2.json", "--out", "mine") == 0
    out = capsys.readouterr().out
    assert "wrote mine: annotations of 2 frames of 2 videos, 1 of them test videos; ssv2 has 2 videos" in out
    truth = Truth(store="mine", score_threshold=0.5, groups=["other"])
    reader = open_truth(truth, read_table(Path("data/ssv2/frames")), 1)
    assert reader.known("d/a", np.arange(5)).tolist() == [False, True, False, False, False]
    assert reader.union("d/a", np.array([1])).mean() == 0.5
    assert reader.known("d/b", np.arange(5)).tolist() == [True, False, False, False, False]
    assert not reader.read("d/b", np.arange(5)).any()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--dataset", "nothing"], "truth: --dataset, expected one of folder, quick, ssv2, synthetic, ucf101, got"),
        (["--dataset", "synthetic"], "truth: --dataset, expected a data set of videos, got 'synthetic', which makes"),
        (["--dataset", "quick"], "data/quick/frames/videos.csv: expected the table of the decoded videos, found none;"),
        (["b"], "truth ucf101-24: --annotations, expected one path, got 2"),
        ([], "a: expected a folder of xgtf files or pyannot.pkl, got no such file"),
    ],
)
def test_what_is_missing_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], line: str) -> None:
    assert run("ucf101-24", "--annotations", "a", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(line)
    assert error.count("\n") == 1
    assert not Path("data/ucf101/truth").exists()


def test_masks_of_some_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbered from 1: of d/b the second frame has an instance, and the fourth none."""
    folder = Path("masks/d/b")
    folder.mkdir(parents=True)
    for number, value in ((2, 255), (4, 0)):
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(folder / f"{number:05d}.png")
    given = ("png", "--annotations", "masks", "--dataset", "ucf101", "--first-frame", "1")
    assert run(*given) == 0
    out = capsys.readouterr().out
    assert "wrote data/ucf101/truth: annotations of 2 frames of 1 videos, 1 of them test videos" in out
    assert out.endswith("      groups:\n        - person\n")
    truth = Truth(store="data/ucf101/truth", score_threshold=0.5, groups=["person"])
    reader = open_truth(truth, read_table(Path("data/ucf101/frames")), 1)
    assert reader.known("d/b", np.arange(5)).tolist() == [False, True, False, True, False]
    assert reader.union("d/b", np.arange(5)).mean(axis=(1, 2)).tolist() == [0, 1, 0, 0, 0]
    assert run(*given, "--class-name", "dog") == 0
    assert capsys.readouterr().out.endswith("        - other\n")
    assert run("png", "--annotations", "masks") == 2
    assert capsys.readouterr().err == "truth png: --dataset, expected a block of params.yaml, got nothing\n"
