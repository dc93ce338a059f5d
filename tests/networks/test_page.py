"""The examples of docs/your-model.md: its commands and blocks work as written, its file is the one that is there."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from objabn.__main__ import main
from objabn.audits.methods import measure_methods
from objabn.audits.perturbation import perturbation_maps
from objabn.config.file import load_params
from objabn.config.rows import NetworkControl
from objabn.config.schema import Dataset
from objabn.model.run import Run, build_model
from objabn.synthetic.scenes import ACTIONS
from objabn.video.write import write_video
from tests.helpers.clips import FRAMES, SIZE, parameters, write_stores
from tests.helpers.videos import moving_bar

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/your-model.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)


def command(beginning: str) -> list[str]:
    """The words of the page's command that begins so, behind `objabn`."""
    [found] = [text for kind, text in BLOCKS if kind == "bash" and text.startswith(f"objabn {beginning}")]
    return shlex.split(found.replace("\\\n", ""))[1:]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the page's files and params.yaml; the working directory."""
    shutil.copytree(ROOT / "docs/models", tmp_path / "docs/models", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_file_of_at_most_twenty_lines_is_the_one_shown() -> None:
    [shown, _] = [text for kind, text in BLOCKS if kind == "python"]
    assert shown == (ROOT / "docs/models/own_model.py").read_text()
    assert len(shown.splitlines()) <= 20


def test_it_is_explained_by_the_command_and_in_python(place: Path) -> None:
    write_video(Path("my_video.mp4"), moving_bar(20))
    assert main(command("explain")) == 0
    written = {path.name for path in Path("explained/my_video").iterdir()}
    assert written == {"overlay.mp4", "strip.png", "maps.npz", "explanation.json"}
    assert json.loads(Path("explained/my_video/explanation.json").read_text())["layer"] == "body"
    names: dict = {}
    [_, example] = [text for kind, text in BLOCKS if kind == "python"]
    exec(compile(example, "docs/your-model.md", "exec"), names)
    assert len(names["found"].top(3)) == 3
    maps = names["found"].maps["l"]
    assert maps.shape[0] == len(names["found"].frames) == 10
    assert maps.max() == 1


def test_it_is_audited_by_the_command(
    place: Path, synthetic: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("objabn.__main__.enter_checkout", lambda _arguments: None)
    monkeypatch.setattr(perturbation_maps, "__kwdefaults__", {"num_masks": 4})  # of hundreds
    monkeypatch.setattr(measure_methods, "__kwdefaults__", {"shares": (0, 0.5, 1)})
    document = yaml.safe_load(Path("params.yaml").read_text())
    document["datasets"] = {"synthetic": parameters(synthetic).model_dump() | {"truth": None}}
    Path("params.yaml").write_text(yaml.safe_dump(document))
    labels = [line.partition(",")[2] for line in Path("docs/models/own_labels.csv").read_text().splitlines()[1:]]
    draw, cells = np.random.default_rng(0), np.zeros((FRAMES, 4, 4), bool)
    cells[:, 1:3, 1:3] = True
    videos = {name: (name, draw.integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8), cells) for name in labels}
    write_stores(place / "data/synthetic", videos)
    assert main(command("audit")) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("docs/models/own_model.py:load on 8 test videos of synthetic: clips of 4 frames")
    assert "Grad-CAM (split)" in printed


def test_the_embedded_labels_are_those_of_the_csv() -> None:
    lines = (ROOT / "docs/models/own_labels.csv").read_text().splitlines()[1:]
    assert [line.partition(",")[2] for line in lines] == sorted(ACTIONS)


def test_its_control_is_a_block_that_params_take(place: Path) -> None:
    [block] = [yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml" and text.startswith("table")]
    document = yaml.safe_load(Path("params.yaml").read_text())
    document["table"] |= block["table"]
    document["controls"] |= block["controls"]
    Path("params.yaml").write_text(yaml.safe_dump(document))
    control = load_params().controls["r2plus1d"]
    assert isinstance(control, NetworkControl)
    assert control.network == "torchvision:r2plus1d_18"


def test_its_backbone_carries_the_branch(place: Path) -> None:
    """By the block of the page and by the options of its command, which say the same."""
    given = command("repro")
    changes = load_params(overrides=[given[at + 1] for at, word in enumerate(given) if word == "-S"])
    [block] = [yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml" and text.startswith("    model")]
    params = changes.datasets["synthetic"]
    assert params.model.model_dump().items() >= block["model"].items()
    assert params.gradcam.layer == block["gradcam"]["layer"]
    assert (changes.table.attention, changes.table.pc, changes.table.controls) == (["abn", "mask"], [False], [])
    model = build_model(Run(params, "mask", False, 0), 8, pretrained=False).eval()
    with torch.no_grad():
        output = model(torch.randn(1, 3, params.data.num_frames, params.data.crop, params.data.crop))
    assert output.maps.shape == (1, 1, 4, 14, 14)
    pretrain = command("pretrain")
    assert pretrain[pretrain.index("--backbone") + 1] == params.model.backbone
    assert pretrain[pretrain.index("--out") + 1] == params.model.pretrained
