"""Bounds by hand from given work; what they scale with, and which rows share a line."""

from pathlib import Path

import pytest

from objabn.config.file import parse_params
from objabn.plan import roofline
from objabn.plan.costs import Counts
from objabn.plan.operations import Work
from objabn.plan.roofline import CARDS, Bounds, Card, bound_sec, bounds, figures, notes, table

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text()
COUNTS = Counts(train=160, test=100, frames=0, classes=4, origin="")
THREE_FOLDS = Counts(train=160, test=300, frames=0, classes=4, origin="", networks=3)
WORK = Work(
    parameters=3_000_000, forward_flops=10, step_flops=30, forward_floats=10**9, step_floats=3 * 10**9,
    step_others=1000, kept_floats=10**8,
)  # fmt: skip


@pytest.fixture(autouse=True)
def given_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "count_row", lambda params, attention, classes: WORK)
    monkeypatch.setattr(roofline, "segmenter_flops", lambda params: (355 * 10**9, 10**9))


def of(*overrides: str, counts: Counts = COUNTS) -> Bounds:
    few = ("dataset=ucf101", "table.attention=[abn]", "table.pc=[false]", "table.controls=[]", "table.seeds=[0]")
    return bounds(parse_params(TEXT, overrides=[*few, "datasets.ucf101.train.epochs=2", *overrides]), counts)


def test_the_longer_of_two_times() -> None:
    card = Card("any", bandwidth=100.0, peaks={"bf16-mixed": 1000.0, "32-true": 500.0})
    assert bound_sec(2000, 100, card, "bf16-mixed") == 2.0
    assert bound_sec(2000, 100, card, "32-true") == 4.0
    assert bound_sec(2000, 1000, card, "bf16-mixed") == 10.0


def test_a_training_by_hand_and_bytes_halve_in_bf16() -> None:
    (row,) = of().rows
    assert (row.precision, row.forward_bytes, row.step_bytes) == ("bf16-mixed", 2 * 10**9, 6 * 10**9 + 1000)
    assert row.kept_bytes == 16 * 2 * 10**8
    h100 = CARDS[0]
    assert row.sec["H100"] == pytest.approx(2 * (160 * row.step_bytes + 100 * row.forward_bytes) / h100.bandwidth)
    (full,) = of("datasets.ucf101.train.precision=32-true").rows
    assert (full.forward_bytes, full.kept_bytes) == (2 * row.forward_bytes, 2 * row.kept_bytes)
    assert full.step_bytes == 2 * row.step_bytes - 1000
    assert full.sec["A100"] == pytest.approx(2 * row.sec["A100"], rel=1e-6)


def test_hours_scale_with_epochs_and_videos() -> None:
    once = of().rows[0].sec["RTX 4090"]
    assert of("datasets.ucf101.train.epochs=10").rows[0].sec["RTX 4090"] == pytest.approx(5 * once)
    tenfold = Counts(train=1600, test=1000, frames=0, classes=4, origin="")
    assert of(counts=tenfold).rows[0].sec["RTX 4090"] == pytest.approx(10 * once)


def test_of_folds_each_network_is_bounded() -> None:
    once = of()
    folds = of(counts=THREE_FOLDS)
    assert folds.rows[0].runs == 3
    assert folds.rows[0].sec == once.rows[0].sec  # watched on a third of the 300
    assert folds.all_runs_sec["H100"] == pytest.approx(3 * once.all_runs_sec["H100"])
    text = "\n".join(notes(parse_params(TEXT).datasets["ucf101"], THREE_FOLDS, folds))
    assert "a run, one fold's network: 50 epochs of 160 clips, each with a forward pass of 100 for" in text


def test_rows_of_the_same_network_share_a_line() -> None:
    found = of(
        "table.attention=[abn, mha]", "table.pc=[false, true]", "table.seeds=[0, 1]",
        "table.controls=[plain, mha-default, mask-area, other-masks, wide]",
        "controls.wide={attention: mha, pc: false, masks: own, labels: own, set: {model.width_factor: 3.0}}",
    )  # fmt: skip
    assert [(row.name, row.runs) for row in found.rows] == [
        ("abn", 4), ("mha, mha-default", 6), ("plain", 2), ("mask-area, other-masks", 4), ("wide", 2),
    ]  # fmt: skip
    one = found.rows[0].sec["H100"]
    assert found.all_runs_sec["H100"] == pytest.approx(18 * one)
    assert figures(found)["all_runs_sec"] == found.all_runs_sec
    assert figures(found)["rows"][0]["work"]["step_flops"] == 30


def test_a_network_that_is_not_trained_here_has_no_line() -> None:
    block = "{network: 'torchvision:r3d_18', weights: random, labels: null, layer: null, set: {}}"
    computed = of(f"controls.r3d={block}", "table.controls=[r3d, plain]")
    assert [row.name for row in computed.rows] == ["abn", "plain"]


def test_the_table_and_what_it_says_of_itself() -> None:
    found = of("table.pc=[false, true]")
    lines = table(found).splitlines()
    assert lines[2].split()[:4] == ["abn", "2", "3.00", "M"]
    assert lines[2].split()[6:8] == ["2.00", "6.00"]  # GB
    assert lines[-1].split()[:3] == ["all", "runs", "2"]
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 110
    text = "\n".join(notes(parse_params(TEXT).datasets["ucf101"], COUNTS, found))
    assert "computed, not measured: what one card takes at least for one training in bf16-mixed" in text
    assert "50 epochs of 160 clips, each with a forward pass of 100 for validation" in text
    assert "segment: 355 GFLOP a frame and 1 an instance" in text
    assert "segment:" not in "\n".join(notes(parse_params(TEXT).datasets["ucf101"], COUNTS, Bounds(found.rows, None)))
