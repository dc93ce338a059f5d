"""The plan: hand-computed costs from given rates, counts from whatever there is, and the command on a tiny data set."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from objabn.__main__ import main
from objabn.cli import plan
from objabn.config.file import ParamsError, load_params, parse_params
from objabn.config.schema import Dataset, Params
from objabn.config.yaml12 import read_yaml
from objabn.index.table import COLUMNS
from objabn.plan import counts as counts_module
from objabn.plan.costs import (
    COMPARE_SEC,
    DVC_SEC,
    EVALUATE_SEC,
    ClipRate,
    Cost,
    Counts,
    FrameRate,
    Rates,
    SegmentRate,
    clip_seconds,
    costs,
    duration,
    first_row,
    frame_seconds,
    size,
    total,
)

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "params.yaml").read_text()
START = 6.0 + DVC_SEC
COUNTS = Counts(train=100, test=50, frames=10_000, classes=4, origin="here")
ROW = ClipRate(train_sec=0.2, eval_sec=0.1, start_sec=1.0, weights_bytes=1_000_000)
RATES = Rates(
    device="CPU",
    start_sec=6.0,
    synthesize=None,
    decode=FrameRate(0.003, 18_000, ""),
    segment=SegmentRate(0.5, 200.0, "", 3.0, 250.0),
    segmenters=1,
    rows={"abn": ROW, "mask": replace(ROW, train_sec=0.3), "mha": replace(ROW, train_sec=0.4), "plain": ROW},
    rows_basis="",
)


def given(*overrides: str) -> Params:
    return parse_params(TEXT, overrides=overrides)


def lines_of(*overrides: str, counts: Counts = COUNTS, rates: Rates = RATES) -> dict[str, Cost]:
    params = given("dataset=ucf101", "datasets.ucf101.train.epochs=2", *overrides)
    found = costs(params.datasets["ucf101"], params.table, counts, rates)
    return {line.stage: line for line in [*found, total(found)]}


@pytest.mark.parametrize(
    ("stage", "sec", "num_bytes", "files"),
    [
        ("decode", START + 30, 180_000_000, 3 + 2),  # 10,000 frames in shards of 4096
        ("segment", START + 3 + 5000, 2_000_000 + 2_000_000 + 15_000, 1 + 2 + 4),  # one shard of 10,000
        ("  side cache", None, 2_500_000, 150),
        # 96 clips an epoch (six batches of 16) and 50 validated, two epochs: pc false and true, one seed
        ("train abn, 2 runs", 2 * (START + 1 + 2 * (19.2 + 5)), 2 * 1_010_000, 8),
        ("train mask, 2 runs", 2 * (START + 1 + 2 * (28.8 + 5)), 2 * 1_010_000, 8),
        ("train mha, 2 runs", 2 * (START + 1 + 2 * (38.4 + 5)), 2 * 1_010_000, 8),
        ("train plain, 1 run", START + 1 + 2 * (19.2 + 5), 1_010_000, 4),
        ("evaluate, 7 rows", 7 * (START + EVALUATE_SEC + 1 + 5), 7 * 3_005_000, 35),
        ("study, compare", 2 * START + COMPARE_SEC, 8_000_000, 7),
    ],
)
def test_costs_by_hand(stage: str, sec: float | None, num_bytes: int, files: int) -> None:
    line = lines_of()[stage]
    assert line.sec == (None if sec is None else pytest.approx(sec))
    assert (line.num_bytes, line.files) == (num_bytes, files)
    assert line.in_cache == (stage == "  side cache")


def test_the_total_is_the_sum_and_a_synthesized_set_is_made_first() -> None:
    lines = list(lines_of(rates=replace(RATES, synthesize=FrameRate(0.01, 1000, ""))).values())
    assert lines[0] == Cost("synthesize", START + 100, 10_000_000, 150 + 10 + 2 + 1, "10 ms, 1.0 kB a frame")
    assert lines[-1].sec == pytest.approx(sum(line.sec or 0 for line in lines[:-1]))
    assert lines[-1].num_bytes == sum(line.num_bytes for line in lines[:-1])
    assert lines[-1].files == sum(line.files for line in lines[:-1])


def test_epochs_seeds_and_rows_scale_what_they_are_of() -> None:
    once, fixed = lines_of()["train abn, 2 runs"], 2 * (START + 1)
    twice = lines_of("datasets.ucf101.train.epochs=4")["train abn, 2 runs"]
    assert twice.sec - fixed == pytest.approx(2 * (once.sec - fixed))
    assert twice.num_bytes == once.num_bytes
    seeds = lines_of("table.seeds=[0,1,2]", "table.pc=[false]")
    assert seeds["train abn, 3 runs"].sec == pytest.approx(1.5 * once.sec)
    assert seeds["evaluate, 4 rows"].sec == pytest.approx(4 * (START + EVALUATE_SEC + 3 * (1 + 5)))
    assert seeds["decode"] == lines_of()["decode"]
    views = lines_of("datasets.ucf101.eval.views=10")["evaluate, 7 rows"]
    assert views.sec == pytest.approx(7 * (START + EVALUATE_SEC + 1 + 50))


def test_few_videos_are_one_short_batch() -> None:
    counts = replace(COUNTS, train=10)
    assert lines_of(counts=counts)["train plain, 1 run"].sec == pytest.approx(START + 1 + 2 * (2 + 5))


def test_no_frames_are_stored_without_decode_store() -> None:
    rates = replace(RATES, decode=FrameRate(0.002, 0.0, ""))
    line = lines_of("datasets.ucf101.decode.store=false", rates=rates)["decode"]
    assert (line.num_bytes, line.files) == (0, 1)


def test_segmenters_share_the_frames() -> None:
    assert lines_of(rates=replace(RATES, segmenters=4))["segment"].sec == pytest.approx(START + 3 + 1250)


def test_the_stores_have_hundreds_of_files_at_most() -> None:
    ssv2 = counts_module.PUBLISHED["ssv2"]
    params = given("dataset=ssv2")
    lines = {line.stage: line for line in costs(params.datasets["ssv2"], params.table, ssv2, RATES)}
    assert (lines["decode"].files, lines["segment"].files) == (918 + 2, 574 + 2 + 4)
    assert lines["  side cache"].files == 193_690


def test_the_first_row_takes_the_data_and_one_run() -> None:
    params = given("dataset=ucf101", "datasets.ucf101.train.epochs=2")
    data = (START + 30) + (START + 3 + 5000)
    row = (START + 1 + 2 * (19.2 + 5)) + (START + EVALUATE_SEC + 1 + 5)
    found = first_row(params.datasets["ucf101"], params.table, COUNTS, RATES)
    assert found == pytest.approx(data + row + 2 * START + COMPARE_SEC)


@pytest.mark.parametrize(
    ("workers", "cores", "on_cpu", "expected"),
    [
        (0, 16, False, 0.5),  # one after the other
        (8, 16, False, 0.1),  # hidden behind the GPU's steps
        (2, 16, False, 0.2),  # loading is what holds up
        (8, 2, False, 0.2),  # more loaders than cores do not help
        (8, 2, True, 0.5),
    ],
)
def test_what_a_clip_costs_with_its_loading(workers: int, cores: int, on_cpu: bool, expected: float) -> None:
    assert clip_seconds(0.1, 0.4, workers=workers, cores=cores, on_cpu=on_cpu) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("workers", "cores", "expected"),
    [(1, 2, 0.4), (2, 2, 0.25), (8, 8, 0.1), (4, 2, 0.25), (3, 8, 0.4 / 3)],
)
def test_frames_are_stored_while_others_are_decoded(workers: int, cores: int, expected: float) -> None:
    assert frame_seconds(0.4, 0.1, workers=workers, cores=cores) == pytest.approx(expected)


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


def test_overrides_are_yaml_and_reach_any_depth() -> None:
    params = given(
        "dataset=ssv2", "table.attention=[abn, mha]", "datasets.ssv2.train.lr=1e-3", "datasets.ssv2.truth=null",
        "datasets.ssv2.decode.store=false", "datasets.ssv2.videos=/a/b=c",
    )  # fmt: skip
    block = params.datasets["ssv2"]
    assert (params.dataset, params.table.attention, block.train.lr) == ("ssv2", ["abn", "mha"], 1e-3)
    assert (block.truth, block.decode.store, block.videos) == (None, False, "/a/b=c")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("dataset", "-S: expected key=value such as dataset=ucf101, got 'dataset'"),
        ("=3", "-S: expected key=value such as dataset=ucf101, got '=3'"),
        ("datasets..epochs=3", "-S: expected key=value such as dataset=ucf101, got 'datasets..epochs=3'"),
        ("datasets.kinetics.train.epochs=3",
         "-S datasets.kinetics.train.epochs=3: datasets.kinetics: not a known block of parameters"),
        ("dataset.train=3", "-S dataset.train=3: dataset: not a known block of parameters"),
        ("table.seeds=[0", "-S table.seeds=[0: table.seeds: expected a YAML value, got '[0'"),
        ("datasets.ucf101.train.epoks=3", "params.yaml: datasets.ucf101.train.epoks: not a known parameter"),
        ("datasets.ucf101.train.epochs=many",
         "params.yaml: datasets.ucf101.train.epochs: expected integer, got 'many'"),
        ("dataset=kinetics",
         "params.yaml: dataset: expected one of folder, quick, ssv2, synthetic, ucf101, got 'kinetics'"),
    ],
)  # fmt: skip
def test_faults_of_overrides(override: str, line: str, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ParamsError) as error:
        given(override)
    assert str(error.value) == line
    monkeypatch.chdir(ROOT)
    assert main(["plan", "-S", override]) == 2
    assert capsys.readouterr() == ("", f"{line}\n")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without data, the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OBJABN_CACHE", raising=False)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def write_index(place: Path, name: str, videos: int) -> pd.DataFrame:
    """An index of `videos` videos in two classes, every fourth for testing."""
    names = [f"{'ab'[number % 2]}/v{number}" for number in range(videos)]
    rows = {"video": names, "path": [f"{name}.mp4" for name in names], "label": [name[0] for name in names]}
    rows["split"] = ["test" if number % 4 == 3 else "train" for number in range(videos)]
    rows |= {"bytes": ["10"] * videos, "digest": [f"{number:032x}" for number in range(videos)]}
    index = pd.DataFrame(rows)[COLUMNS]
    (place / "data" / name).mkdir(parents=True)
    index.to_csv(place / "data" / name / "index.csv", index=False)
    return index


def block(name: str) -> Dataset:
    return given().datasets[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ucf101", (9_537, 3_783, 2_480_000, 101)),
        ("ssv2", (168_913, 24_777, 9_400_000, 174)),
        ("synthetic", (320, 128, 448 * 36, 8)),
    ],
)
def test_counts_without_any_file(place: Path, name: str, expected: tuple) -> None:
    counts, own = counts_module.count(name, block(name))
    assert (counts.train, counts.test, counts.frames, counts.classes) == expected
    assert counts.origin.startswith("the block synthesize" if name == "synthetic" else "published figures")
    assert own.empty


def test_counts_of_a_decoded_index(place: Path) -> None:
    index = write_index(place, "folder", 8)
    store = place / "data/folder/frames"
    store.mkdir()
    index.assign(frames=[10] * 7 + [0]).to_csv(store / "videos.csv", index=False)
    counts, own = counts_module.count("folder", block("folder"))
    assert (counts.train, counts.test, counts.frames, counts.classes) == (6, 2, 70, 2)
    assert counts.origin == "data/folder/index.csv and its decoded frames"
    assert own.empty


def test_counts_by_the_headers_of_the_videos_that_are_there(place: Path) -> None:
    from objabn.video.read import write_video

    index = write_index(place, "folder", 8)
    for number, frames in ((0, 10), (5, 20)):
        write_video(place / "data/folder/videos" / index["path"][number], np.zeros((frames, 32, 32, 3), np.uint8))
    counts, own = counts_module.count("folder", block("folder"))
    assert counts.frames == 8 * 15
    assert counts.origin == "data/folder/index.csv and the headers of 2 videos"
    assert own["frames"].tolist() == [10, 20]


def test_counts_of_an_index_whose_videos_are_elsewhere(place: Path) -> None:
    write_index(place, "ucf101", 8)
    counts, own = counts_module.count("ucf101", block("ucf101"))
    assert (counts.train, counts.test, counts.frames) == (6, 2, round(8 * 2_480_000 / 13_320))
    assert "published figures" in counts.origin
    assert own.empty
    write_index(place, "folder", 8)
    with pytest.raises(ValueError, match=r"^data/folder/videos: expected videos of data/folder/index.csv, found none"):
        counts_module.count("folder", block("folder"))


def test_nothing_is_known_of_a_data_set(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "-S", "dataset=folder"]) == 2
    assert capsys.readouterr().err == (
        "data/folder/index.csv: no such file, expected an index (`python -m objabn index`); "
        "without one the figures of ucf101 and ssv2 alone are known\n"
    )


def tiny(place: Path) -> None:
    """Parameters of an embedded data set of eight small videos, in the working directory."""
    values = read_yaml(TEXT)
    data = values["datasets"]["synthetic"]
    data["synthesize"] |= {"train_videos": 6, "test_videos": 2, "min_frames": 8, "max_frames": 8}
    data["synthesize"] |= {"height": 48, "width": 64}
    data["decode"] |= {"height": 48, "width": 64}
    data["segment"] = {"backend": "motion", "engine": "local", "workers": None, "threshold": 25.0, "min_area": 0.002}
    data["data"] |= {"num_frames": 4, "crop": 32, "short_side_min": 32, "short_side_max": 40, "short_side_eval": 32}
    data["mask"]["groups"] = ["person", "other"]
    data["train"] |= {"epochs": 2, "batch_size": 2}
    (place / "params.yaml").write_text(yaml.safe_dump(values))


def test_the_command_on_a_tiny_data_set(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny(place)
    rows = ["-S", "table.attention=[abn, mha]", "-S", "table.pc=[false]", "-S", "table.controls=[plain, mha-default]"]
    assert main(["plan", *rows]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "synthetic: 6 train and 2 test videos, 64 frames, 8 classes"
    assert lines[1].startswith("on: ")
    stages = [line.split("  ")[0] for line in lines[4:12] if line[0] != " "]
    trained = [f"train {name}, 1 run" for name in ("abn", "mha", "plain", "mha-default")]
    assert stages == ["synthesize", "decode", "segment", *trained]
    costs_of = {line.split(",")[0]: line.split("run")[1].split() for line in lines if line.startswith("train ")}
    assert costs_of["train mha-default"] == costs_of["train mha"]  # a control costs what its attention does
    assert any(line.startswith("total") for line in lines)
    assert "decode: measured on its first 8 videos" in lines
    assert any(line.startswith("disk: outputs and side cache (.cache) need ") for line in lines)
    assert sorted(path.name for path in place.iterdir()) == ["params.yaml"]  # nothing is left behind


def test_the_same_as_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny(place)
    rows = ["-S", "table.attention=[abn]", "-S", "table.pc=[false]", "-S", "table.controls=[]"]
    assert main(["plan", "--json", *rows]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["dataset"], plan["counts"]["frames"]) == ("synthetic", 64)
    assert [each["stage"] for each in plan["stages"]][-4:] == [
        "train abn, 1 run", "evaluate, 1 row", "study, compare", "total",
    ]  # fmt: skip
    sums = plan["stages"][-1]
    assert sums["sec"] == pytest.approx(sum(each["sec"] or 0 for each in plan["stages"][:-1]))
    assert plan["rates"]["rows"]["abn"]["train_sec"] > 0
    assert plan["rates"]["decode"]["num_bytes"] > 100


def test_videos_that_are_there_are_what_is_measured(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from objabn.video.read import write_video

    tiny(place)
    values = read_yaml((place / "params.yaml").read_text())
    own = values["datasets"]["synthetic"] | {"videos": "videos", "truth": None}
    del own["synthesize"]
    own["decode"]["store"] = False
    values["datasets"]["own"] = own
    (place / "params.yaml").write_text(yaml.safe_dump(values))
    noise = np.random.default_rng(0).integers(0, 256, (8, 12, 48, 64, 3)).astype(np.uint8)
    for number, frames in enumerate(noise):
        write_video(place / "videos" / "ab"[number % 2] / f"v_{number}.mp4", frames[: 5 + number])
    assert main(["index", "folder", "--videos", "videos", "--dataset", "own", "--test-share", "0.5"]) == 0
    capsys.readouterr()
    rows = ["-S", "table.attention=[abn]", "-S", "table.pc=[false]", "-S", "table.controls=[]"]
    assert main(["plan", "-S", "dataset=own", *rows]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "own: 4 train and 4 test videos, 68 frames, 2 classes"
    assert lines[4].startswith("decode ")  # nothing is synthesized
    assert lines[4].split()[3:6] == ["0", "B", "1"]  # nor stored
    assert "videos: data/own/index.csv and the headers of 8 videos" in lines
    assert "decode: measured on 3 of its videos" in lines
    (place / "videos/a/v_0.mp4").write_bytes(noise.tobytes())  # another content than the index has
    shutil.rmtree(place / "videos/b")
    for number in (2, 4, 6):
        (place / f"videos/a/v_{number}.mp4").unlink()
    assert main(["plan", "-S", "dataset=own", *rows]) == 2
    assert (
        capsys.readouterr().err
        == "videos: expected videos of data/own/index.csv, found none; see datasets.own.videos\n"
    )


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (10**9, ["disk: outputs and side cache (.cache) need 3.0 kB, 1.0 GB are free there"]),
        (
            1_000,
            [
                "disk: outputs and side cache (.cache) need 3.0 kB, 1.0 kB are free there",
                "WARNING: outputs and side cache (.cache) do not fit: 2.0 kB more are needed",
            ],
        ),
    ],
)
def test_what_does_not_fit_is_said(place: Path, monkeypatch, free: int, expected: list[str]) -> None:
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    lines = [Cost("decode", 1.0, 2_000, 1, ""), Cost("  side cache", None, 1_000, 1, "", in_cache=True)]
    assert plan._disk(lines) == expected


def test_a_busy_machine_is_said() -> None:
    assert plan._warn_of_others(0.19) == []
    (line,) = plan._warn_of_others(0.4)
    assert line == "WARNING: other processes used 40% of this machine meanwhile: the times may be far too long"


def test_what_other_processes_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from objabn.plan import clock

    ticks = clock.os.sysconf("SC_CLK_TCK")
    stat = tmp_path / "stat"
    stat.write_text(f"cpu  {3 * ticks} {ticks} {2 * ticks} {99 * ticks} {50 * ticks} 0 0 {ticks} 0 0\ncpu0 1 2\n")
    assert clock._used(stat)[0] == 7  # user, nice, system, stolen; neither idle nor waiting
    assert clock._used(tmp_path / "none")[:2] == (0.0, 0.0)
    moments = iter([(100.0, 10.0, 0.0), (115.0, 19.0, 10.0)])  # 15 s busy, 9 of them ours, of 10 s
    monkeypatch.setattr(clock, "_used", lambda: next(moments))
    monkeypatch.setattr(clock.os, "cpu_count", lambda: 2)
    with clock.Others() as others:
        pass
    assert others.share == pytest.approx(0.3)


@pytest.mark.slow
def test_a_stand_in_finds_instances(synthetic: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from objabn.plan import stand_in_segmenter

    frames = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3)).astype(np.uint8)
    segmenter, instead = stand_in_segmenter.segmenter_to_measure(synthetic, tmp_path)
    assert instead == ""  # the shipped weights are there
    monkeypatch.setattr(stand_in_segmenter.importlib.util, "find_spec", lambda name: None)
    small = block("ucf101").model_copy(
        update={"segment": block("ucf101").segment.model_copy(update={"short_edge": 128, "batch_size": 2})}
    )
    segmenter, instead = stand_in_segmenter.segmenter_to_measure(small, tmp_path)
    assert instead.startswith("torchvision's R50-FPN stands in for detectron2, which is not installed")
    assert [len(found.scores) for found in segmenter(frames, "")] == [stand_in_segmenter.INSTANCES] * 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.detectron2
@pytest.mark.slow
def test_detectron2_with_random_weights_finds_instances(tmp_path: Path) -> None:
    from objabn.plan import stand_in_segmenter

    frames = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3)).astype(np.uint8)
    small = block("ucf101").model_copy(
        update={"segment": block("ucf101").segment.model_copy(update={"short_edge": 128, "batch_size": 2})}
    )
    segmenter, instead = stand_in_segmenter.segmenter_to_measure(small, tmp_path)
    assert instead.startswith("random weights")
    assert [len(found.scores) for found in segmenter(frames, "")] == [stand_in_segmenter.INSTANCES] * 2


def test_parameters_of_the_shipped_file_are_what_load_gives() -> None:
    assert load_params(ROOT / "params.yaml", ["dataset=ucf101"]) == given("dataset=ucf101")
