"""Controls and audits through DVC, on a tiny copy of the embedded data (minutes), and the command that ablates."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from objabn.__main__ import main
from objabn.cli import ablate
from objabn.cli.study import STUDIES
from objabn.config.file import load_params
from tests.helpers.clones import edit_params, environment, git, make_clone, run_dvc
from tests.helpers.pipeline import make_tiny, ran

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess]
DATA = {"synthesize", "decode@synthetic", "segment@synthetic", "networks@synthetic"}


def make_tiny_table(values: dict) -> None:
    """Two rows and one epoch, besides what the pipeline's tests take."""
    make_tiny(values)
    values["table"].update(attention=["abn", "mask"], pc=[False], controls=["plain"], audits=["rows"])
    values["datasets"]["synthetic"]["train"]["epochs"] = 1


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clone(tmp_path_factory.mktemp("clone") / "objabn", make_tiny_table)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def dvc(clone: Path, cache: Path) -> Run:
    """Runs DVC in the clone with a side cache of its own."""

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess:
        return run_dvc(clone, cache, *arguments, code=code)

    return run


@pytest.fixture(scope="module")
def audited(clone: Path, dvc: Run) -> set[str]:
    """The stages that the audits alone ran in a fresh checkout; its results are committed."""
    names = ran(dvc("repro", "audits@synthetic-rows").stdout)
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "audits")
    return {name.lower() for name in names}


def test_the_audits_make_what_they_need_and_no_more(audited: set[str]) -> None:
    audits = {"audit@synthetic-abn-rows", "audit@synthetic-mask-rows", "audit-control@synthetic-plain-rows"}
    trained = {"train@synthetic-abn-false-0", "train@synthetic-mask-false-0", "train-control@synthetic-plain-0"}
    assert audited == DATA | trained | audits | {"audits@synthetic-rows"}


def test_the_tables_have_all_rows(audited: set[str], clone: Path) -> None:
    table = pd.read_csv(clone / "tables/synthetic-audits.csv")
    assert table["row"].unique().tolist() == ["plain", "abn", "mask"]
    assert table["row"][table["measure"] == "top1_one"].tolist() == ["abn", "mask"]
    assert table["row"][table["measure"] == "swap_drop_truth"].tolist() == ["plain", "abn", "mask"]
    assert (clone / "tables/synthetic-audits.md").read_text().startswith("# synthetic: audits\n")
    assert (clone / "tables/synthetic-audits.png").read_bytes().startswith(b"\x89PNG")
    assert not (clone / "results/synthetic/abn").exists()  # no evaluation


def test_a_table_without_audits_runs_none_and_finds_what_they_made(audited: set[str], clone: Path, dvc: Run) -> None:
    edit_params(clone, lambda values: values["table"].update(audits=[]))
    names = {name.lower() for name in ran(dvc("repro").stdout)}
    rows = {"evaluate@synthetic-abn-false", "evaluate@synthetic-mask-false", "evaluate-control@synthetic-plain"}
    assert names == rows | {"study", "compare@synthetic"}
    assert dvc("status").stdout.startswith("Data and pipelines are up to date")
    dvc("checkout")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "results")


def test_another_control_costs_its_own_row(audited: set[str], clone: Path, dvc: Run) -> None:
    def name_it(values: dict) -> None:
        values["controls"]["other-masks"]["set"] = {"train.lr": 1.0e-3}
        values["table"]["controls"].append("other-masks")

    edit_params(clone, name_it)
    names = {name.lower() for name in ran(dvc("repro").stdout)}
    control = {"train-control@synthetic-other-masks-0", "evaluate-control@synthetic-other-masks"}
    assert names - {"study"} == control | {"networks@synthetic", "compare@synthetic"}
    run = load_run(clone / "runs/synthetic/controls/other-masks/seed-0")
    assert (run["control"], run["attention"], run["masks"]) == ("other-masks", "mask", "other")
    assert run["params"]["train"]["lr"] == 1.0e-3
    row = load_run(clone / "runs/synthetic/mask/pc-false/seed-0")
    assert (row["control"], row["masks"]) == (None, "own")
    table = pd.read_csv(clone / "tables/synthetic.csv")
    assert table["attention"].unique().tolist() == ["plain", "other-masks", "abn", "mask"]

    edit_params(clone, lambda values: values["controls"]["other-masks"].update(masks="shifted"))
    stale = dvc("status").stdout
    assert {line.split("@")[0] for line in stale.splitlines() if line and not line[0].isspace()} == {
        "networks",
        "train-control",
        "evaluate-control",
        "compare",
    }
    assert "plain" not in stale
    git(clone, "checkout", "-q", ".")
    dvc("checkout")


def load_run(directory: Path) -> dict:
    return json.loads((directory / "run.json").read_text())


def test_ablate_leaves_the_workspace_alone_and_copies_the_tables(audited: set[str], clone: Path, cache: Path) -> None:
    edit_params(clone, lambda values: values["table"].update(seeds=[7]))  # a user's change, not committed
    before = (clone / "params.yaml").read_text(), status(clone)
    command = [sys.executable, "-m", "objabn", "ablate", "controls", "-S", "table.seeds=[0]"]
    command += ["-S", "table.controls=[plain,shifted-masks]", "-S", "table.attention=[abn,mask]"]
    for _ in range(2):  # the second finds everything, and replaces the first's experiment
        done = subprocess.run(command, cwd=clone, env=environment(cache), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        folder = clone / "ablations/controls"
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            table for tables in ablate.TARGETS.values() for table in tables
        )
        audits = pd.read_csv(folder / "synthetic-audits.csv")
        assert audits["row"].unique().tolist() == ["plain", "shifted-masks", "abn", "mask"]
        compared = pd.read_csv(folder / "synthetic.csv")
        assert compared["attention"].unique().tolist() == ["plain", "shifted-masks", "abn", "mask"]
        assert ((clone / "params.yaml").read_text(), status(clone)) == before
    assert not (clone / "runs/synthetic/controls/shifted-masks").exists()
    git(clone, "checkout", "-q", "params.yaml")


def status(folder: Path) -> str:
    done = subprocess.run(["git", "status", "--short"], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize("name", ablate.RUNS)
def test_what_a_run_sets_is_valid(name: str) -> None:
    params = load_params(ROOT / "params.yaml", ablate.settings(name, []))
    assert (params.dataset, params.table.seeds) == ("synthetic", [0, 1, 2])
    assert params.table.pc == ([False, True] if name == "pc" else [False])
    assert params.table.attention == ["abn", "mask", "mha"]
    assert bool(params.table.audits) == (name in ("controls", "biased"))
    assert params.datasets["synthetic"].synthesize.bias == (0.9 if name == "biased" else 0.0)


def test_each_control_belongs_to_a_run() -> None:
    params = load_params(ROOT / "params.yaml")
    settings = [ablate.settings(name, []) for name in ablate.RUNS] + [list(each.settings) for each in STUDIES.values()]
    named = [load_params(ROOT / "params.yaml", each).table.controls for each in settings]
    assert {control for controls in named for control in controls} == set(params.controls)


def test_given_settings_win_and_stand_once() -> None:
    found = ablate.settings("biased", ["table.seeds=[5]", "dataset=synthetic"])
    keys = [each.partition("=")[0] for each in found]
    assert len(set(keys)) == len(keys)
    assert "table.seeds=[5]" in found
    assert "table.seeds=[0,1,2]" not in found


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ablate nothing", "ablate: expected controls, biased, pc, maps, got nothing"),
        ("ablate biased -S table.controls=[abn]", "params.yaml: table.controls.0: expected one of "),
        ("ablate -S table.seeds", "-S: expected key=value such as dataset=ucf101, got 'table.seeds'"),
    ],
)
def test_misuse_runs_nothing(line: str, message: str, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(ablate, "_dvc_run", lambda *_: pytest.fail("ran DVC"))
    assert main(line.split()) == 2
    assert capsys.readouterr().err.startswith(message)
