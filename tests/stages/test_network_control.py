"""A control with `network:`, from its block to its numbers; and `objabn audit`, which prints the same ones."""

import json
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from objabn.__main__ import main as objabn
from objabn.audits.methods import measure_methods
from objabn.audits.perturbation import perturbation_maps
from objabn.cli.audit import FILES
from objabn.config.schema import Dataset
from objabn.evaluation.numbers import read_numbers
from objabn.evaluation.trained import load_trained
from objabn.explanation.explain import explain, load
from objabn.stores.table import TABLE
from objabn.video.write import write_video
from stages import audit, audits, evaluate, train
from tests.helpers.clips import five_videos, parameters, write_stores
from tests.helpers.truth import truth_of
from tests.helpers.videos import moving_bar

ROOT = Path(__file__).parents[2]
MINE = """
from tests.helpers.foreign import small_module
from objabn.networks.adapter import Adapter


def load():
    return Adapter(small_module(), num_frames=4, size=32, layer="block", split="act", class_names=("sit", "run", "nap"))
"""
LABELS = "class,label\nrun,a\nsit,b\nnap,c\n"
RUNS = Path("runs/synthetic/controls/mine")


@pytest.fixture
def place(tmp_path: Path, synthetic: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory as the stages expect it, with two seeds and five test videos; the working directory."""
    monkeypatch.chdir(tmp_path)
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["table"].update(seeds=[0, 1], controls=["mine"])
    document["controls"]["mine"] = {"network": "mine.py:load", "weights": None, "labels": "labels.csv", "layer": None,
                                    "set": {}}  # fmt: skip
    truth = truth_of(Path("data/synthetic/masks"), ["person"])
    document["datasets"] = {"synthetic": parameters(synthetic).model_dump() | {"truth": truth.model_dump()}}
    Path("params.yaml").write_text(yaml.safe_dump(document))
    Path("mine.py").write_text(MINE)
    Path("labels.csv").write_text(LABELS)
    write_stores(tmp_path / "data/synthetic", five_videos())
    monkeypatch.setattr(perturbation_maps, "__kwdefaults__", {"num_masks": 4})  # of hundreds
    monkeypatch.setattr(measure_methods, "__kwdefaults__", {"shares": (0, 0.5, 1)})
    return tmp_path


@pytest.fixture
def stage(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a stage's main function with these arguments."""

    def run(module, line: str) -> None:
        monkeypatch.setattr(sys, "argv", [f"{module.__name__}.py", "synthetic", *line.split()])
        module.main()

    return run


def adopt_all(stage) -> None:
    for seed in (0, 1):
        stage(train, f"--control mine --seed {seed}")


def test_from_its_block_to_its_numbers_and_the_command_prints_them(stage, capsys: pytest.CaptureFixture[str]) -> None:
    adopt_all(stage)
    stage(evaluate, "--control mine")
    stage(audit, "--control mine")
    assert [path.name for path in (RUNS / "seed-1").iterdir()] == ["run.json"]  # no weights are copied
    found = {name: read_numbers(Path(f"{name}/synthetic/controls/mine.csv")) for name in ("results", "audits")}
    for table in found.values():
        one, other = (table[table["seed"] == seed].drop(columns="seed").reset_index(drop=True) for seed in (0, 1))
        known = one.merge(other, on=["map", "measure"], suffixes=("", "_other"))
        assert (known["value"] == known["value_other"]).all()  # the same network on the same clips
    measures = set(found["results"]["measure"])
    assert {"top1", "entropy", "pointing", "insertion", "iou_best"} <= measures
    letters = found["results"].groupby("measure")["map"].unique().map(set)
    assert letters["flicker"] == {"c", "m"}  # 2 steps for 4 frames
    assert letters["entropy"] == {"g", "s", "l", "c", "m"}
    notes = json.loads(Path("results/synthetic/controls/mine.training.json").read_text())
    assert (notes["curves"], notes["epochs"], notes["networks"]) == ({}, {}, 1)
    assert (notes["network"]["spec"], notes["network"]["layer"], notes["network"]["split"]) == (
        "mine.py:load", "block", "act",
    )  # fmt: skip
    sanity = pd.read_csv("audits/synthetic/controls/mine.sanity.csv")
    assert sanity["map"].unique().tolist() == ["g", "s", "l"]
    assert {"head", "stem"} < set(sanity["step"])

    for row in ("abn", "mask", "mha"):  # as if they were the trained rows'
        Path("audits/synthetic", row).mkdir()
        for path in Path("audits/synthetic/controls").glob("mine.*"):
            shutil.copy(path, f"audits/synthetic/{row}/{path.name.replace('mine', 'pc-false')}")
    stage(audits, "")
    told = Path("tables/synthetic-audits.md").read_text()
    assert " Not trained here, mine (mine.py:load): Grad-CAM at block, (split) at act. " in told
    assert told.endswith("so it has no ±.\n")

    capsys.readouterr()
    given = ["audit", "synthetic", "--model", "mine.py:load", "--labels", "labels.csv", "--out", "out"]
    assert objabn(given) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(
        "mine.py:load on 5 test videos of synthetic: clips of 4 frames, 32 x 32 pixels; Grad-CAM at block, (split) at "
        "act; 1,280 passes for RISE of 5 videos\n"
    )
    sides = {"results.csv": "results/synthetic/controls/mine.csv", "audit.csv": "audits/synthetic/controls/mine.csv"}
    sides |= {f"audit.{kind}.csv": f"audits/synthetic/controls/mine.{kind}.csv" for kind in ("curves", "sanity")}
    assert set(sides) == set(FILES)
    for own, of_stage in sides.items():
        lines = Path(of_stage).read_text().splitlines()
        seed = lines[0].split(",").index("seed")
        assert Path("out", own).read_text().splitlines() == [
            line for at, line in enumerate(lines) if at == 0 or line.split(",")[seed] == "0"
        ]
    assert_all_printed(printed, [*found.values()])


def assert_all_printed(text: str, tables: list[pd.DataFrame]) -> None:
    """Each number of the first seed stands in the row of its measure, with all its digits."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if "|" in line]
    printed = {(row[0], cell) for row in rows for cell in row[1:]}
    for table in tables:
        first = table[table["seed"] == 0]
        assert len(first) > 40
        for measure, value in zip(first["measure"], first["value"], strict=True):
            assert (measure, str(value)) in printed, (measure, value)


def test_only_some_videos_of_all_classes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["audit", "synthetic", "--model", "mine.py:load", "--labels", "labels.csv", "--videos", "3"]
    assert objabn([*given, "-S", "datasets.synthetic.eval.ranking_videos=0"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("mine.py:load on 3 test videos of synthetic: ")
    assert "0 passes for RISE of 0 videos" in out
    assert "| truth_videos | 3.0 |" in out
    assert "RISE |" not in out


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["nowhere", "--model", "mine.py:load"], "dataset: expected one of synthetic, got 'nowhere'"),
        (["synthetic", "--model", "mine.py:load", "--videos", "1"], "--videos: expected at least 2, got 1"),
        (["synthetic", "--model", "mine.py:load"],
         "mine.py:load: expected a class for each label, got none for 'a'; name a csv of class,label as labels"),
        (["synthetic", "--model", "mine.py:load", "--frames", "8"],
         "mine.py:load: num_frames, expected 4, which its Adapter says, got 8"),
        (["synthetic", "--model", "mine.py:load", "--size", "20"],
         "data.crop: expected greater than or equal to 32, got 20"),
        (["synthetic", "--model", "foo"],
         "--model: expected torchvision:NAME, hf:FOLDER, FILE.py:FUNCTION or package.module:function, got 'foo'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_anything_is_measured(
    place: Path, capsys: pytest.CaptureFixture[str], given: list[str], line: str
) -> None:
    assert objabn(["audit", *given]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors == f"{line}\n"


def test_what_its_run_says(stage, place: Path) -> None:
    adopt_all(stage)
    record = json.loads((RUNS / "seed-0/run.json").read_text())
    row = {name: record[name] for name in ("attention", "pc", "seed", "control", "masks", "labels", "fold")}
    assert row == {"attention": "plain", "pc": False, "seed": 0, "control": "mine", "masks": "own", "labels": "own",
                   "fold": None}  # fmt: skip
    assert record["class_names"] == ["a", "b", "c"]
    digests = record["network"].pop("digests")
    assert record["network"] == {"spec": "mine.py:load", "weights": None, "labels": "labels.csv", "layer": "block",
                                 "split": "act"}  # fmt: skip
    assert set(digests) >= {"file", "state", "labels"}
    run = load_trained(RUNS / "seed-0")
    assert (run.maps, run.class_names, run.params.gradcam.layer) == (("g",), ("a", "b", "c"), "block")
    write_video(place / "a.mp4", moving_bar(9))
    found = explain("a.mp4", load(RUNS, device="cpu"), out="explained")
    said = json.loads(Path("explained/explanation.json").read_text())
    assert (found.class_names, list(found.maps)) == (("a", "b", "c"), ["g"])
    assert (said["run"], said["network"], said["control"]) == (f"{RUNS}/seed-0", "mine.py:load", "mine")


@pytest.mark.parametrize(
    ("file", "text", "what"),
    [("mine.py", MINE + "# changed\n", "file"), ("labels.csv", "class,label\nsit,a\nrun,b\nnap,c\n", "labels"),
     ("mine.py", MINE.replace("small_module()", "small_module(1)"), "file"),
     ("mine.py", f"{MINE}open('has-run', 'w').close()\n", "file")],
)  # fmt: skip
def test_a_network_that_has_changed_says_which_stages_to_run(stage, file: str, text: str, what: str) -> None:
    adopt_all(stage)
    Path(file).write_text(text)
    line = (
        f"{RUNS}/seed-0: expected mine.py:load as it was when the row was made, got another {what}; make the row "
        "again: `dvc repro -f -s train-control@synthetic-mine-0 train-control@synthetic-mine-1`"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        stage(evaluate, "--control mine")
    assert not Path("has-run").exists()  # what has changed is not run
    adopt_all(stage)
    load_trained(RUNS / "seed-1")


def test_a_network_that_is_not_there_is_one_line(stage) -> None:
    adopt_all(stage)
    Path("mine.py").unlink()
    with pytest.raises(ValueError, match=f"^{RUNS}/seed-0: mine.py:load: expected a Python file, got no such file$"):
        load_trained(RUNS / "seed-0")
    with pytest.raises(ValueError, match=r"^controls\.mine: mine\.py:load: expected a Python file, got no such file$"):
        stage(train, "--control mine --seed 0")
    assert (RUNS / "seed-0/run.json").is_file()  # what was there stays


def test_of_folds_each_has_its_own_run(stage) -> None:
    table = Path("data/synthetic/frames") / TABLE
    videos = pd.read_csv(table, dtype=str, keep_default_na=False)
    dealt = videos.assign(split=["fold-1", "fold-2", "fold-1", "fold-2", "fold-1"])
    dealt.drop(columns="checksum").to_csv(table, index=False)  # as somebody's table, which has none
    adopt_all(stage)
    records = {path.parent.name: json.loads(path.read_text()) for path in (RUNS / "seed-0").glob("*/run.json")}
    assert {name: record["fold"] for name, record in records.items()} == {"fold-1": "fold-1", "fold-2": "fold-2"}
    stage(evaluate, "--control mine")
    assert sorted(pd.read_parquet("results/synthetic/controls/mine.parquet")["video"].unique()) == [
        f"v{number}" for number in range(5)
    ]
    assert json.loads(Path("results/synthetic/controls/mine.training.json").read_text())["networks"] == 2
