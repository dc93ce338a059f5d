"""The stages' arguments and paths: how a row is named on the command line and where its files stand."""

import subprocess
import sys
from pathlib import Path

import pytest

from objabn.config.faults import ParamsError
from objabn.config.file import load_params
from stages.arguments import parse
from stages.paths import Paths, row_path

ROOT = Path(__file__).parents[2]
NEITHER = "error: expected --attention and --pc, or --control"


@pytest.mark.parametrize(
    ("attention", "pc", "expected"),
    [
        ("abn", False, "abn/pc-false"),
        ("mask", True, "mask/pc-true"),
        ("mha", False, "mha/pc-false"),
        ("plain", False, "controls/plain"),
        ("other-masks", False, "controls/other-masks"),
    ],
)
def test_row_path(attention: str, pc: bool, expected: str) -> None:
    assert row_path(attention, pc) == expected


@pytest.mark.parametrize(
    ("row", "flat"), [("mask/pc-true", "mask-pc-true"), ("controls/plain", "controls-plain")]
)  # fmt: skip
def test_where_a_rows_files_stand(row: str, flat: str) -> None:
    paths = Paths("own")
    assert paths.run(row, 3) == Path(f"runs/own/{row}/seed-3")
    assert paths.run(row, 3, "fold-2", "trackers") == Path(f"trackers/own/{row}/seed-3/fold-2")
    assert paths.timing(row, 3) == Path(f"runs/own/timing/{flat}-seed-3.json")
    assert paths.result(row) == Path(f"results/own/{row}.csv")
    assert paths.picture(row) == Path(f"reports/own/maps/{flat}.png")


def test_where_what_is_of_all_rows_stands() -> None:
    assert Paths("own").map_groups == Path("reports/own/maps/groups.csv")
    assert Paths("own").segment_report == Path("results/own/segment.json")
    assert Paths("own").mask_picture == Path("reports/own/masks.png")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch):
    """Parses a command line of a stage of one row and seed, in the repository's root."""
    monkeypatch.chdir(ROOT)

    def parsed(line: str):
        monkeypatch.setattr(sys, "argv", ["stage.py", *line.split()])
        return parse(None, row=True, seed=True)

    return parsed


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("--attention mask --pc true", ("mask", True, None, "own", "own", "mask/pc-true")),
        ("--pc False --attention mha", ("mha", False, None, "own", "own", "mha/pc-false")),  # as DVC writes it
        ("--control plain", ("plain", False, "plain", "own", "own", "controls/plain")),
        ("--control shifted-masks", ("mask", False, "shifted-masks", "shifted", "own", "controls/shifted-masks")),
        (
            "--control shuffled-labels",
            ("mask", False, "shuffled-labels", "own", "shuffled", "controls/shuffled-labels"),
        ),
    ],
)
def test_a_row_is_an_attention_with_pc_or_a_control(given, line: str, row: tuple) -> None:
    arguments, params, dataset = given(f"ucf101 {line} --seed 2")
    found = [getattr(arguments, name) for name in ("attention", "pc", "control", "masks", "labels", "row")]
    assert tuple(found) == row
    assert (arguments.dataset, arguments.seed) == ("ucf101", 2)
    assert dataset == params.datasets["ucf101"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", NEITHER),
        ("--attention mask", NEITHER),
        ("--pc true", NEITHER),
        ("--control plain --pc true", NEITHER),
        ("--control plain --pc false", NEITHER),
        ("--control plain --attention mask", NEITHER),
        ("--control plain --attention mask --pc false", NEITHER),
        ("--attention plain --pc false", "error: argument --attention: invalid choice: 'plain' (choose from "),
        ("--attention mask --pc maybe", "error: argument --pc: expected true or false, got 'maybe'"),
    ],
)
def test_misuse_of_a_row(given, capsys: pytest.CaptureFixture[str], line: str, message: str) -> None:
    with pytest.raises(SystemExit) as error:
        given(f"synthetic {line} --seed 0")
    assert error.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1].removeprefix("stage.py: ")
    assert last == message or (message.endswith(" ") and last.startswith(message))


def test_a_row_needs_its_seed_to_be_trained(given, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        given("synthetic --control plain")
    assert error.value.code == 2
    assert capsys.readouterr().err.endswith("error: the following arguments are required: --seed\n")


def test_a_controls_parameters_are_changed_for_its_row_only(given) -> None:
    arguments, params, dataset = given("synthetic --control mask-area --seed 0")
    assert (arguments.attention, arguments.row) == ("mask", "controls/mask-area")
    own = params.datasets["synthetic"]
    assert (own.mask.resize, dataset.mask.resize) == ("nearest", "area")
    assert dataset == own.model_copy(update={"mask": own.mask.model_copy(update={"resize": "area"})})


def test_an_unknown_control(given) -> None:
    known = ", ".join(sorted(load_params(ROOT / "params.yaml").controls))
    with pytest.raises(ParamsError, match=rf"^params.yaml: controls.abn: missing; known: {known}$"):
        given("synthetic --control abn --seed 0")


def test_an_unknown_data_set(given) -> None:
    message = r"^params.yaml: datasets.kinetics: missing; known: folder, jhmdb, quick, ssv2, synthetic, ucf101$"
    with pytest.raises(ParamsError, match=message):
        given("kinetics --control plain --seed 0")


@pytest.mark.parametrize(("stage", "line"), [("train", "--control plain --pc true --seed 0"), ("evaluate", "")])
def test_the_stages_exit_2_with_the_message(stage: str, line: str) -> None:
    command = [sys.executable, "-m", f"stages.{stage}", "synthetic", *line.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith(NEITHER)
    assert "Traceback" not in done.stderr
