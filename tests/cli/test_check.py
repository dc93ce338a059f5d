"""`python -m objabn check`: what it prints where, its exit status, and that it stays light."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from objabn.__main__ import main
from tests.helpers.preflight import take_everything_away

ROOT = Path(__file__).parents[2]
UCF101 = ["check", "-S", "dataset=ucf101"]


def check(*arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "objabn", "check", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_fault_of_the_file_is_alone_on_stderr(place: Path) -> None:
    path = place / "params.yaml"
    path.write_text(path.read_text().replace("epochs", "epoks", 1))
    done = check(path)
    assert (done.returncode, done.stdout) == (2, "")
    key = f"{path}: datasets.synthetic.train"
    lines = [f"{key}.epochs: missing", f"{key}.epoks: not a known parameter"]
    assert sorted(done.stderr.splitlines()) == lines


def test_a_missing_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "none.yaml"]) == 2
    assert capsys.readouterr().err == (
        "none.yaml: expected a readable parameter file, got: No such file or directory\n"
    )


def test_the_shipped_file_needs_nothing_that_is_not_here() -> None:
    """And nothing heavy is imported for it."""
    code = "import sys; from objabn.__main__ import main; done = main(['check']); print(*sys.modules); sys.exit(done)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    *lines, modules = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0] == "params.yaml: ok (dataset synthetic, 6 rows, 1 control(s), 3 seed(s) each)"
    assert lines[1] == (
        "seeds: 21 trainings (7 rows x 3 seeds); one seed: 7, with -S 'table.seeds=[0]', "
        "but then no comparison gets a star"
    )
    assert {line.partition(":")[0] for line in lines[2:]} == {"ok"}
    assert not {"torch", "decord", "detectron2", "pytorchvideo", "ray"} & set(modules.split())


def test_all_that_is_missing_comes_out_together(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    take_everything_away(monkeypatch, place)
    monkeypatch.delenv("OBJABN_CHECK", raising=False)
    assert main(UCF101) == 2
    out, err = capsys.readouterr()
    assert out.startswith("params.yaml: ok (dataset ucf101, ")
    assert "\nwarning: datasets.ucf101.train.accelerator: expected a CUDA device for so much work, found none " in out
    lines = [line for line in err.splitlines() if "disk of" not in line]
    assert [line.split(": ")[1] for line in lines] == [
        "dataset",
        "datasets.ucf101.videos",
        "datasets.ucf101.segment.backend",
        "datasets.ucf101.segment.weights",
        "datasets.ucf101.model.pretrained",
    ]
    assert lines[0] == (
        "params.yaml: dataset: ucf101: expected data/ucf101/index.csv, found none; `python -m objabn index` writes it"
    )


def test_one_seed_gives_no_star(place: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    take_everything_away(monkeypatch, place)
    monkeypatch.setenv("OBJABN_CHECK", "off")
    assert main([*UCF101, "-S", "table.seeds=[4]"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "seeds: 7 trainings: one training of each row, so no comparison gets a star; it takes two seeds, and three are "
        "the least that tell much: -S 'table.seeds=[0,1,2]'"
    )


def test_off_says_it_all_and_lets_it_pass(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `make repro` asks first."""
    take_everything_away(monkeypatch, place)
    monkeypatch.setenv("OBJABN_CHECK", "off")
    assert main(UCF101) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "\nfault: params.yaml: datasets.ucf101.segment.weights: expected weights on the disk or a download" in out
    assert out.endswith("OBJABN_CHECK=off: none of them counts\n")
