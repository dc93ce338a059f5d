"""Networks of controls that are not trained here: found, fit for our clips and labels, or a line each."""

from pathlib import Path

import pytest

from objabn.config.selection import trained_table
from objabn.preflight.networks import network_findings
from objabn.preflight.rows import stages_done, table_rows
from tests.helpers.preflight import given, write_index

MINE = """
from tests.helpers.foreign import small_module
from objabn.networks.adapter import Adapter


def load():
    return Adapter(small_module(), num_frames=8, size=112, layer="block", class_names=("a", "b", "c"))
"""
BLOCK = "controls.mine={{network: '{network}', weights: {weights}, labels: {labels}, layer: null, set: {set}}}"


def rows_of(network: str = "mine.py:load", weights: str = "null", labels: str = "null", changes: str = "{}"):
    block = BLOCK.format(network=network, weights=weights, labels=labels, set=changes)
    params = given(block, "table.controls=[mine, plain]", "table.seeds=[0]")
    return params, table_rows("synthetic", params)


@pytest.fixture(autouse=True)
def mine(place: Path) -> None:
    Path("mine.py").write_text(MINE)


def test_one_that_fits_is_said_with_its_layer() -> None:
    _, rows = rows_of()
    [found] = network_findings(rows, ["a", "c"])
    assert (found.stage, found.level) == ("train", "ok")
    assert found.line == "controls.mine: mine.py:load takes clips of 8 frames, 112 x 112 pixels; Grad-CAM at block"
    assert [row.network is None for row in rows][-2:] == [False, True]
    assert not network_findings(rows[-1:], ["a"])


@pytest.mark.parametrize(
    ("block", "labels", "line"),
    [
        ({"network": "other.py:load"}, ["a"], "other.py:load: expected a Python file, got no such file"),
        ({"weights": "w.pth"}, ["a"], "w.pth: expected a file of weights: "),
        ({}, ["a", "jump"], "mine.py:load: expected a class for each label, got none for 'jump'"),
        ({"labels": "labels.csv"}, ["a"], "labels.csv: expected a csv with the columns class,label, got no such file"),
        ({"changes": "{data.num_frames: 16}"}, ["a"], "mine.py:load: num_frames, expected 8, which its Adapter says"),
    ],
)
def test_what_does_not_fit_is_a_fault_of_training(block: dict[str, str], labels: list[str], line: str) -> None:
    [found] = network_findings(rows_of(**block)[1], labels)
    assert (found.stage, found.level) == ("train", "fault")
    assert found.line.startswith(f"controls.mine: {line}")
    assert "\n" not in found.line


def test_labels_are_not_asked_for_before_they_are_known() -> None:
    [found] = network_findings(rows_of(labels="labels.csv")[1], None)
    assert found.level == "ok"


def test_its_run_is_made_without_weights() -> None:
    params, rows = rows_of()
    write_index("synthetic")
    for row in rows:
        run = Path("runs/synthetic", row.folder, "seed-0")
        run.mkdir(parents=True)
        (run / ("run.json" if row.network else "model.safetensors")).touch()
    assert "train" in stages_done("synthetic", params)
    (Path("runs/synthetic") / "controls/mine/seed-0/run.json").unlink()
    assert "train" not in stages_done("synthetic", params)


def test_it_is_no_training_of_the_table() -> None:
    params, _ = rows_of()
    assert params.table.controls == ["mine", "plain"]
    assert trained_table(params).controls == ["plain"]
