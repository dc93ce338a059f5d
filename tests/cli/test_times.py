"""`python -m objabn times`: which stages count, what is added up, and how the table looks."""

import itertools
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from objabn.__main__ import main
from objabn.cli.stages import all_stages
from objabn.config.file import load_params
from objabn.system.times import FOLDER, Time
from tests.helpers.clones import edit_params

ROOT = Path(__file__).parents[2]
BEGAN = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def checkout(place: Path) -> Path:
    """Two rows of two seeds, and a control."""

    def change(values: dict) -> None:
        values["table"].update(attention=["abn", "mask"], pc=[False], controls=["plain"], seeds=[0, 1], audits=["rows"])

    edit_params(place, change)
    FOLDER.mkdir(parents=True)
    return place


def keep(name: str, began: float, seconds: float, is_finished: bool = True) -> None:
    """Keeps a time that begins so many seconds after the command."""
    kept = Time(name, BEGAN + began, seconds, is_finished)
    (FOLDER / f"{name}.json").write_text(json.dumps(kept._asdict()))


def date(after: float) -> str:
    return datetime.fromtimestamp(BEGAN + after).strftime("%Y-%m-%d %H:%M")


def resolved(text: Any, values: dict) -> Any:
    """A `${key}` of dvc.yaml with what params.yaml says."""
    if not (match := re.fullmatch(r"\$\{([\w.]+)\}", str(text))):
        return text
    for part in match[1].split("."):
        values = values[part]
    return values


def test_names_are_dvcs_in_its_order(checkout: Path) -> None:
    values = yaml.safe_load((checkout / "params.yaml").read_text())
    expected: dict[str, list[str]] = {}
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items():
        axes = []
        for axis in stage.get("matrix", {}).values():
            axis = resolved(axis, values)
            axes.append([str(resolved(each, values)) for each in axis])
        names = ["-".join(each) for each in itertools.product(*axes)]
        kind = expected.setdefault(name.removesuffix("-control"), [])
        kind += [f"{name}@{each}" for each in names] if axes else [name]
    found = all_stages(load_params())
    assert list(found) == list(expected)
    assert {kind: sorted(names) for kind, names in found.items()} == {
        kind: sorted(names) for kind, names in expected.items()
    }


def test_the_table(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep("repro", 0, 1250)
    keep("synthesize", -2 * DAY, 60)
    keep("decode@synthetic", 10, 20.25)
    keep("train@synthetic-abn-False-0", 50, 700)  # two side by side, and a third beside an evaluation
    keep("train@synthetic-mask-False-0", 50, 500)
    keep("train@synthetic-abn-False-1", 600, 500)
    keep("train-control@synthetic-plain-0", -DAY, 300)
    keep("train-control@synthetic-plain-1", 1000, 33, is_finished=False)
    keep("train@synthetic-abn-False-7", 100, 9999)  # of a seed that is no longer in the table
    keep("evaluate@synthetic-abn-False", 1100, 50)
    keep("evaluate@synthetic-mask-False", 1090, 20)
    assert main(["times"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "stage       runs   sum, s  wall, s  share  outside  sum, s             ended",
        f"synthesize                                       1    60.0  {date(60 - 2 * DAY)}",
        "decode         1     20.2     20.2     2%",
        "segment",
        "networks",
        f"train          3  1,700.0  1,050.0    84%        1   300.0  {date(300 - DAY)}",
        "evaluate       2     70.0     60.0     5%",
        "study",
        "compare",
        "audit",
        "audits",
        "all            6  1,790.2  1,120.2    90%",
        f"objabn repro of {date(0)} took 1,250.0 s; in 129.8 s of them no stage ran (DVC, starting processes)",
        "not finished when they last ran: train-control@synthetic-plain-1",
        "no time, from DVC's cache or never run here: segment, networks, train (1 of 6), evaluate (1 of 3), study, "
        "compare, audit, audits",
    ]


def test_without_the_command_all_count(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep("decode@synthetic", 0, 20)
    keep("segment@synthetic", DAY, 60)
    assert main(["times"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in (lines[2], lines[3], lines[11])] == [
        ["decode", "1", "20.0", "20.0", "25%"], ["segment", "1", "60.0", "60.0", "75%"],
        ["all", "2", "80.0", "80.0", "100%"],
    ]  # fmt: skip


def test_json(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep("repro", 0, 100, is_finished=False)
    keep("decode@synthetic", 10, 20)
    assert main(["times", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["command"] == {"began": BEGAN, "seconds": 100, "done": False}
    assert (found["wall_sec"], found["busy_sec"]) == (100, 20)
    decode = found["stages"]["decode"]
    assert (decode["runs"], decode["sum_sec"], decode["each"]) == (1, 20, {"decode@synthetic": 20.0})


def test_nothing_has_run(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep("repro", 0, 100)
    assert main(["times"]) == 2
    expected = "times: expected stages that DVC has run in this checkout, found none; run `objabn repro`\n"
    assert capsys.readouterr().err == expected
