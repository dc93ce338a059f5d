"""`objabn explain --model`: a user's own file from the command line, what it says, and what is wrong in a line."""

import json
from pathlib import Path

import numpy as np
import pytest

import objabn
from objabn.__main__ import main
from objabn.config.schema import Dataset
from objabn.video.write import write_video
from tests.helpers.runs import parameters, write_run
from tests.helpers.videos import moving_bar

# An Adapter, and a module for clips of 16 frames and 112 pixels.
MINE = """
from torch import nn
from objabn.networks.adapter import Adapter


def small():
    return nn.Sequential(nn.Conv3d(3, 4, (2, 8, 8), stride=(2, 8, 8)), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
                         nn.Linear(4, 3))


def adapted():
    return Adapter(small(), num_frames=4, size=32, layer="0", class_names=("sit", "run", "a\\nb"))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a video and the user's file."""
    monkeypatch.chdir(tmp_path)
    write_video(Path("e.mp4"), moving_bar(13))
    Path("mine.py").write_text(MINE)
    return tmp_path


def test_a_users_own_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "e.mp4", "--model", "mine.py:adapted", "--method", "layer-cam", "--device", "cpu"]) == 0
    output, errors = capsys.readouterr()
    model, answer, done = output.splitlines()
    sees = "It sees clips of 4 frames, 32 x 32 pixels, frame_stride 2; layer 0"
    assert (model, errors) == (f"model: mine.py:adapted, 3 classes. {sees}", "")
    assert answer.startswith("e.mp4: ")
    assert "a\\nb" in answer
    assert done == "explained 1 of 1 video in explained/"
    said = json.loads(Path("explained/e/explanation.json").read_text())
    assert (said["network"], said["method"], said["layer"]) == ("mine.py:adapted", "layer-cam", "0")
    assert set(said["digests"]) == {"file", "state"}
    model_in_python = objabn.explain("e.mp4", model="mine.py:adapted", method="layer-cam", device="cpu")
    with np.load("explained/e/maps.npz") as command:
        for name, array in command.items():
            np.testing.assert_array_equal(model_in_python.arrays()[name], array)


def test_other_clips(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--frames", "2", "--size", "48", "--stride", "3", "--layer", "1", "--method", "grad-cam"]
    assert main(["explain", "e.mp4", "--model", "mine.py:small", *given]) == 0
    assert "clips of 2 frames, 48 x 48 pixels, frame_stride 3; layer 1" in capsys.readouterr().out
    with np.load("explained/e/maps.npz") as arrays:
        assert arrays["maps"].shape == (1, 5, 6, 6)
        assert arrays["frames"].tolist() == [0, 3, 6, 9, 12]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["--model", "mine.py:small", "--run", "runs/x"],
         "explain: expected --run or --model, got both, runs/x and mine.py:small"),
        (["--layer", "layer4"], "--layer: expected --model beside it, got a run, which sees clips as it was trained"),
        (["--weights", "a.pth", "--run", "x"],
         "--weights: expected --model beside it, got a run, which sees clips as it was trained"),
        (["--model", "mine.py:adapted", "--map", "o"],
         "map: expected one of g, the maps of mine.py:adapted (plain), got o"),
        (["--model", "mine.py:adapted", "--map", "g", "--method", "motion"],
         "map: expected none beside the method motion, got g"),
        (["--model", "mine.py:adapted", "--stride", "0"], "frame_stride: expected at least 1, got 0"),
        (["--model", "other.py:load"], "other.py:load: expected a Python file, got no such file"),
        (["--model", "mine.py:adapted", "--frames", "8"],
         "mine.py:adapted: num_frames, expected 4, which its Adapter says, got 8"),
        (["--model", "mine.py:small", "--size", "4"],
         "mine.py:small: expected to take a clip (1, 3, 16, 4, 4), got RuntimeError: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_before_any_video(
    place: Path, capsys: pytest.CaptureFixture[str], given: list[str], line: str
) -> None:
    assert main(["explain", "e.mp4", *given]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.count("\n") == 1
    assert errors.startswith(line), errors
    assert not Path("explained").exists()


def test_a_run_by_a_method(place: Path, synthetic: Dataset) -> None:
    write_run(place / "run", parameters(synthetic), "mask")
    assert main(["explain", "e.mp4", "--run", "run", "--method", "centre", "--device", "cpu"]) == 0
    with np.load("explained/e/maps.npz") as arrays:
        assert arrays["map_names"].tolist() == ["c"]
