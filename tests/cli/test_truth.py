"""`python -m objabn truth`: what it writes, what it says, and what it needs first."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from objabn.__main__ import main
from objabn.config.file import load_params
from objabn.config.schema import Truth
from objabn.stores.array import StoreWriter
from objabn.stores.table import read_table
from objabn.stores.truth import open_truth
from tests.helpers.ucf101_24 import entry, tube, write_pickle


@pytest.fixture(autouse=True)
def _checkout(place: Path) -> None:
    """A checkout with the shipped parameters and two decoded videos of each data set, `d/b` for tests."""
    (place / "dvc.yaml").write_text("stages: {}\n")
    for name in ("ucf101", "ssv2"):
        frames = place / "data" / name / "frames"
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


def test_with_folds_every_video_is_a_test_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = tmp_path / "data/ucf101/frames/videos.csv"
    table = pd.read_csv(frames).drop(columns="checksum", errors="ignore")
    table.assign(split=["fold-1", "fold-2"]).to_csv(frames, index=False)
    write_pickle(tmp_path / "pyannot.pkl", {name: entry(5, tube(1, [[1, 1, 160, 240]])) for name in ("d/a", "d/b")})
    assert run("ucf101-24", "--annotations", "pyannot.pkl") == 0
    assert "of 2 frames of 2 videos, 2 of them test videos; ucf101 has 2 videos" in capsys.readouterr().out


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
        (
            ["--dataset", "nothing"],
            "truth: --dataset, expected one of folder, jhmdb, quick, ssv2, synthetic, ucf101, got",
        ),
        (["--dataset", "synthetic"], "truth: --dataset, expected a data set of videos, got 'synthetic', which makes"),
        (["--dataset", "quick"], "data/quick/frames/videos.csv: expected the table of the decoded videos, found none;"),
        (["b"], "truth ucf101-24: --annotations, expected one path, got 2"),
        ([], "a: expected a folder of xgtf files or pyannot.pkl, got no such file"),
        (
            ["--out", "data/ucf101/frames"],
            "data/ucf101/frames: expected a truth store (with annotated.parquet) to replace, or nothing, got another",
        ),
        (["--out", "params.yaml"], "params.yaml: expected a truth store (with annotated.parquet) to replace, or"),
    ],
)
def test_what_is_missing_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], line: str) -> None:
    assert run("ucf101-24", "--annotations", "a", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(line)
    assert error.count("\n") == 1
    assert not Path("data/ucf101/truth").exists()
    assert Path("data/ucf101/frames/videos.csv").is_file()


def test_a_store_is_replaced_and_an_empty_directory_filled(capsys: pytest.CaptureFixture[str]) -> None:
    stale = (
        "results that were made with the old mine are stale, and DVC does not see it: rename the directory, and name"
    )
    Path("mine").mkdir()
    for end, is_stale in ((3, False), (4, True)):
        write_pickle(Path("pyannot.pkl"), {"d/b": entry(5, tube(0, [[1, 1, 160, 240]] * end))})
        assert run("ucf101-24", "--annotations", "pyannot.pkl", "--out", "mine") == 0
        out = capsys.readouterr().out
        assert f"wrote mine: annotations of {end} frames of 1 videos" in out
        assert [line.startswith(stale) for line in out.splitlines()].count(True) == is_stale


def test_a_reason_is_one_line_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    videos = {"d/b": entry(5, tube(0, [[1, 1, 8, 8]])), "d/a": entry(99), "a": entry(98), "x": entry(5)}
    write_pickle(Path("pyannot.pkl"), videos)
    assert run("ucf101-24", "--annotations", "pyannot.pkl") == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")] == [
        "left out 2 annotated videos, such as d/a, a: its boxes are of a video of another length "
        "(of d/a: they say 99 frames, it has 5)",
        "left out 1 annotated videos, such as x: not among the data set's decoded videos",
    ]


@pytest.mark.parametrize(
    ("categories", "arguments", "groups"),
    [
        (["Person"], [], ["person"]),
        (["dog", "cat"], [], ["other"]),
        (["dog", "person"], [], ["person", "other"]),
        ([], [], ["person"]),
        ([], ["--class-name", "dog"], ["other"]),
        (["person", None], ["--class-name", "dog"], ["person", "other"]),  # an annotation without a category
    ],
)
def test_a_json_annotates_the_groups_of_its_categories(
    capsys: pytest.CaptureFixture[str], categories: list[str | None], arguments: list[str], groups: list[str]
) -> None:
    annotation = {"id": 1, "image_id": 1, "category_id": 0 if categories else None, "bbox": [0, 0, 4, 8]}
    content = {
        "images": [{"id": 1, "file_name": "d/b/0.jpg", "height": 8, "width": 8}],
        "annotations": [annotation, *([annotation | {"category_id": None}] if None in categories else [])],
        "categories": [{"id": at, "name": name} for at, name in enumerate(categories) if name],
    }
    Path("a.json").write_text(json.dumps(content))
    assert run("coco", "--annotations", "a.json", "--dataset", "ucf101", *arguments) == 0
    assert capsys.readouterr().out.partition("groups:\n")[2].split() == [f for each in groups for f in ("-", each)]
    for group in ("person", "other"):
        truth = Truth(store="data/ucf101/truth", score_threshold=0.5, groups=[group])
        if group in groups:
            assert open_truth(truth, read_table(Path("data/ucf101/frames")), 1).annotated_groups == tuple(groups)
        else:
            with pytest.raises(ValueError, match=f"expected truth.groups that it annotates .*, got {group}$"):
                open_truth(truth, read_table(Path("data/ucf101/frames")), 1)


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
