"""The costs of each stage, worked out by hand from given rates; durations and sizes as text."""

from dataclasses import replace
from pathlib import Path

import pytest

from objabn.config.file import parse_params
from objabn.config.schema import Params
from objabn.config.segmenters import Import
from objabn.plan.costs import (
    COMPARE_SEC,
    DVC_SEC,
    MASK_BYTES,
    REPORT_BYTES,
    UNIT_BYTES,
    Cost,
    Counts,
    FrameRate,
    Rates,
    RowRate,
    SegmentRate,
    costs,
    num_rows,
    segmented_frames,
    total,
)
from objabn.plan.units import duration, size

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text()
START = 6.0 + DVC_SEC
COUNTS = Counts(train=100, test=50, frames=10_000, classes=4, origin="here")
RATES = Rates(
    device="CPU",
    start_sec=6.0,
    synthesize=None,
    decode=FrameRate(0.003, 18_000, ""),
    segment=SegmentRate(0.5, 3.0, ""),
    row=RowRate(
        train_sec=0.2, val_sec=0.1, eval_sec=0.4, rank_sec=3.0, start_sec=1.0, weights_bytes=1_000_000, basis=""
    ),
)


def given(*overrides: str) -> Params:
    return parse_params(TEXT, overrides=overrides)


def lines_of(*overrides: str, counts: Counts = COUNTS, rates: Rates = RATES) -> dict[str, Cost]:
    params = given("dataset=ucf101", "datasets.ucf101.train.epochs=2", "table.seeds=[0]", *overrides)
    lines = costs(params.datasets["ucf101"], params.table, counts, rates)
    return {line.stage: line for line in [*lines, total(lines)]}


@pytest.mark.parametrize(
    ("stage", "sec", "num_bytes"),
    [
        ("decode", START + 30, 180_000_000),
        ("segment", START + 3 + 5000, 10_000 * MASK_BYTES),
        ("  side cache", None, 2_500_000),
        # 96 clips an epoch (six batches of 16) and 50 validated, two epochs: six rows and a control
        ("train, 7 runs", 7 * (START + 1 + 2 * (19.2 + 5)), 7_000_000),
        # 50 clips, and 32 of them that are ranked
        ("evaluate, 7 rows", 7 * (START + 1 + 20 + 96), 7 * 3_005_000),
        ("study, compare", 2 * START + COMPARE_SEC, REPORT_BYTES),
    ],
)
def test_costs_by_hand(stage: str, sec: float | None, num_bytes: int) -> None:
    line = lines_of()[stage]
    assert line.sec == (None if sec is None else pytest.approx(sec))
    assert line.num_bytes == num_bytes
    assert line.in_cache == (stage == "  side cache")


def test_a_run_of_folds_is_a_network_each_and_its_videos_are_tested_once() -> None:
    lines = lines_of(counts=replace(COUNTS, train=100, test=150, networks=3))
    train, evaluate = lines["train, 7 runs of 3 networks"], lines["evaluate, 7 rows"]
    assert train.sec == pytest.approx(7 * (START + 3 * (1 + 2 * (19.2 + 5))))  # each is watched on 50 videos
    assert train.num_bytes == 7 * 3 * 1_000_000
    assert evaluate.sec == pytest.approx(7 * (START + 3 + 60 + 96))


def test_a_share_of_the_videos_takes_a_share_of_the_time() -> None:
    line = lines_of("datasets.ucf101.train.share=0.5")["train, 7 runs"]
    assert line.sec == pytest.approx(7 * (START + 1 + 2 * (48 * 0.2 + 5)))  # 50 videos, three batches of 16


def test_the_total_is_the_sum_and_a_synthesized_set_is_made_first() -> None:
    lines = list(lines_of(rates=replace(RATES, synthesize=FrameRate(0.01, 1000, ""))).values())
    assert lines[0] == Cost("synthesize", START + 100, 10_000_000, "10 ms, 1.0 kB a frame")
    assert lines[-1].sec == pytest.approx(sum(line.sec or 0 for line in lines[:-1]))
    assert lines[-1].num_bytes == sum(line.num_bytes for line in lines[:-1])


def test_a_segmenter_that_could_not_be_measured_has_no_time() -> None:
    lines = lines_of(rates=replace(RATES, segment=SegmentRate(None, 0.0, "not here")))
    assert (lines["segment"].sec, lines["segment"].each) == (None, "not measured")
    assert lines["total"].sec == pytest.approx(lines_of()["total"].sec - (START + 3 + 5000))


def test_epochs_seeds_and_rows_scale_what_they_are_of() -> None:
    once, fixed = lines_of()["train, 7 runs"], 7 * (START + 1)
    twice = lines_of("datasets.ucf101.train.epochs=4")["train, 7 runs"]
    assert twice.sec - fixed == pytest.approx(2 * (once.sec - fixed))
    assert twice.num_bytes == once.num_bytes
    seeds = lines_of("table.seeds=[0,1,2]", "table.pc=[false]")
    assert seeds["train, 12 runs"].sec == pytest.approx(12 / 7 * once.sec)
    assert seeds["evaluate, 4 rows"].sec == pytest.approx(4 * (START + 3 * (1 + 20) + 96))  # ranked of one seed
    assert seeds["decode"] == lines_of()["decode"]
    views = lines_of("datasets.ucf101.eval.views=10")["evaluate, 7 rows"]
    assert views.sec == pytest.approx(7 * (START + 1 + 200 + 960))
    for number, ranked in (("0", 0), ("60", 50), ("null", 50)):
        line = lines_of(f"datasets.ucf101.eval.ranking_videos={number}")["evaluate, 7 rows"]
        assert line.sec == pytest.approx(7 * (START + 1 + 20 + 3 * ranked))
    every = lines_of("table.seeds=[0,1,2]", "table.pc=[false]", "datasets.ucf101.eval.ranking_seeds=all")
    assert every["evaluate, 4 rows"].sec == pytest.approx(4 * (START + 3 * (1 + 20) + 3 * 96))
    assert num_rows(given("table.controls=[]").table) == 6


def test_a_stride_leaves_frames_out_of_what_is_segmented() -> None:
    counts = replace(COUNTS, frames=10_001)
    all_of_them, lines = lines_of(counts=counts), lines_of("datasets.ucf101.segment.stride=2", counts=counts)
    assert lines["decode"] == all_of_them["decode"]
    assert lines["segment"].sec == pytest.approx(START + 3 + 5001 * 0.5)
    assert lines["segment"].num_bytes == all_of_them["segment"].num_bytes  # those between have masks, too
    assert lines["  side cache"].num_bytes == round(5001 * UNIT_BYTES)


def test_masks_that_are_read_are_those_of_all_stored_frames() -> None:
    params = given().datasets["ucf101"]
    masks = Import(
        backend="import", masks="m", format="coco", class_name="person", sparse="none", images=None, groups=None
    )
    assert segmented_frames(params.model_copy(update={"segment": masks}), 101) == 101


def test_few_videos_are_one_short_batch() -> None:
    lines = lines_of("table.attention=[abn]", "table.pc=[false]", "table.controls=[]", counts=replace(COUNTS, train=10))
    assert lines["train, 1 run"].sec == pytest.approx(START + 1 + 2 * (2 + 5))


def test_epochs_are_validated_on_val_where_there_is_one() -> None:
    counts = replace(COUNTS, val=30)
    assert counts.videos == 180
    lines, without = lines_of(counts=counts), lines_of()
    assert without["train, 7 runs"].sec - lines["train, 7 runs"].sec == pytest.approx(7 * 2 * 20 * 0.1)
    assert lines["evaluate, 7 rows"] == without["evaluate, 7 rows"]


@pytest.mark.parametrize(
    ("sec", "expected"),
    [(0.0031, "3.1 ms"), (0.25, "250 ms"), (1, "1.0 s"), (31.4, "31 s"), (64, "1.1 min"), (599, "10 min"),
     (3 * 3600, "3.0 h"), (47 * 3600, "47 h"), (86400 * 3.14, "3.1 days"), (86400 * 1234.5, "1,234 days")],
)  # fmt: skip
def test_durations(sec: float, expected: str) -> None:
    assert duration(sec) == expected


@pytest.mark.parametrize(
    ("num_bytes", "expected"),
    [(220, "220 B"), (18_500, "18 kB"), (2_500_000, "2.5 MB"), (46_400_000_000, "46 GB"), (1.25e12, "1.2 TB")],
)
def test_sizes(num_bytes: float, expected: str) -> None:
    assert size(num_bytes) == expected
