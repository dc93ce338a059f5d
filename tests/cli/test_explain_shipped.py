"""`objabn explain VIDEO` with the run that comes with the package, where only the core's packages are installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import objabn
from objabn.evaluation.trained import SHIPPED
from objabn.synthetic.scenes import ACTIONS, make_scene, render_video
from objabn.video.write import write_video
from tests.helpers.core_only import HIDE

ROOT = Path(__file__).parents[2]


def test_it_needs_the_core_alone_and_says_what_it_knows(tmp_path: Path) -> None:
    frames = render_video(make_scene("jumping_jacks", seed=7, split="shipped", number=0))[0]
    write_video(tmp_path / "clip.mp4", frames)
    code = f"{HIDE}\nfrom objabn.__main__ import main; sys.exit(main(['explain', 'clip.mp4', '--device', 'cpu']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    said, answer, _ = done.stdout.splitlines()
    assert said.startswith("run: the one that comes with objabn. It knows 8 drawn actions (clap, jump, ")
    assert answer.startswith("clip.mp4: jumping_jacks ")
    with np.load(tmp_path / "explained/clip/maps.npz") as content:
        assert content["map_names"].tolist() == ["o"]
        assert content["class_names"].tolist() == sorted(ACTIONS)
    assert {path.name for path in (tmp_path / "explained/clip").iterdir()} == {
        "overlay.mp4", "strip.png", "maps.npz", "explanation.json",
    }  # fmt: skip


def test_it_knows_the_eight_actions_and_its_map_lies_on_the_figure(tmp_path: Path) -> None:
    """Of a clip of each action that no data set holds; its recipe says how good it is."""
    run = objabn.load(device="cpu")
    assert run.directory == SHIPPED
    right, inside = [], []
    for number, action in enumerate(ACTIONS):
        frames, person, _ = render_video(make_scene(action, seed=7, split="shipped", number=number))
        write_video(tmp_path / f"{action}.mp4", frames)
        explanation = objabn.explain(tmp_path / f"{action}.mp4", run)
        right.append(explanation.top(1)[0][0] == action)
        x0, y0, x1, y1 = explanation.box
        for frame, attention in zip(explanation.frames, explanation.maps["o"], strict=True):
            row, column = np.unravel_index(attention.argmax(), attention.shape)
            side = attention.shape[0]
            height, width = person.shape[1:]
            rows = slice(
                int((y0 + (y1 - y0) * row / side) * height), int((y0 + (y1 - y0) * (row + 1) / side) * height) + 1
            )
            left, end = (x0 + (x1 - x0) * (column + step) / side for step in (0, 1))
            inside.append(bool(person[frame][rows, int(left * width) : int(end * width) + 1].any()))
    assert sum(right) >= 7
    assert np.mean(inside) > 0.85
    recipe = json.loads((SHIPPED / "recipe.json").read_text())
    assert (recipe["test_top1"], recipe["pointing_truth"]) == (93.75, 95.7)
