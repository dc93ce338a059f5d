"""`machine.trackers` came late: old files lack it, no run's record has it, and a control keeps it."""

from pathlib import Path

import pytest
import yaml

from objabn.config.faults import ParamsError
from objabn.config.file import parse_params
from objabn.config.schema import Dataset
from objabn.config.selection import control_and_block
from objabn.model.run import Run, run_record

ROOT = Path(__file__).parents[2]


def shipped(**machine: object) -> str:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for block in values["datasets"].values():
        del block["machine"]["trackers"]
        block["machine"].update(machine)
    return yaml.safe_dump(values)


def test_a_file_without_the_key_has_no_trackers() -> None:
    params = parse_params(shipped())
    assert {tuple(block.machine.trackers) for block in params.datasets.values()} == {()}


def test_no_record_has_it() -> None:
    """So a run.json is the same with trackers and without, and as those before."""
    without, with_them = (parse_params(shipped(**machine)) for machine in ({}, {"trackers": ["wandb"]}))
    records = [run_record(Run(each.datasets["quick"], "abn", False, 0), ["a"], []) for each in (without, with_them)]
    assert records[0] == records[1]
    assert "trackers" not in records[1]["params"]["machine"]
    assert Dataset.model_validate(records[1]["params"]).machine.trackers == []


def test_a_control_keeps_it() -> None:
    params = parse_params(shipped(trackers=["tensorboard"]))
    _, block = control_and_block(params, params.datasets["synthetic"], "plain-half")
    assert (block.machine.trackers, block.train.share) == (["tensorboard"], 0.5)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (["wandb", "wandb"], "expected each value once, got ['wandb', 'wandb']"),
        (["mlflow"], "0: expected 'tensorboard' or 'wandb', got 'mlflow'"),
        ("wandb", "expected list, got 'wandb'"),
    ],
)
def test_a_fault_is_one_line(value: object, line: str) -> None:
    with pytest.raises(ParamsError) as found:
        parse_params(shipped(trackers=value))
    lines = [each for each in str(found.value).splitlines() if "quick" in each]
    assert len(lines) == 1
    assert lines[0].removeprefix("params.yaml: datasets.quick.machine.trackers").lstrip(".: ") == line.lstrip(".: ")
