"""`python -m objabn plan`: what it measures and prints on tiny data sets, and what it warns of."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from objabn.__main__ import main
from objabn.cli import plan
from objabn.config.faults import ParamsError
from objabn.config.file import load_params, parse_params, read_yaml
from objabn.config.schema import Params
from objabn.model.device import make_fabric
from objabn.plan.costs import Cost, Counts
from objabn.preflight.side_by_side import Workers

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "params.yaml").read_text()


def given(*overrides: str) -> Params:
    return parse_params(TEXT, overrides=overrides)


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
         "params.yaml: dataset: expected one of folder, jhmdb, quick, ssv2, synthetic, ucf101, got 'kinetics'"),
    ],
)  # fmt: skip
def test_faults_of_overrides(override: str, line: str, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ParamsError) as error:
        given(override)
    assert str(error.value) == line
    monkeypatch.chdir(ROOT)
    assert main(["plan", "-S", override]) == 2
    assert capsys.readouterr() == ("", f"{line}\n")


def test_nothing_is_known_of_a_data_set(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "-S", "dataset=folder"]) == 2
    assert capsys.readouterr().err == (
        "data/folder/index.csv: no such file, expected an index (`python -m objabn index`); "
        "without one the numbers of ucf101 and ssv2 alone are known\n"
    )


def tiny(place: Path) -> None:
    """Parameters of an embedded data set of eight small videos, in the working directory."""
    values = read_yaml(TEXT)
    data = values["datasets"]["synthetic"]
    data["synthesize"] |= {"train_videos": 6, "test_videos": 2, "min_frames": 8, "max_frames": 8}
    data["synthesize"] |= {"height": 48, "width": 64}
    data["decode"] |= {"height": 48, "width": 64}
    data["segment"] = {"backend": "motion", "stride": 1, "threshold": 25.0, "min_area": 0.002}
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
    stages = [line.split("  ")[0] for line in lines[4:10] if line[0] != " "]
    assert stages == ["synthesize", "decode", "segment", "train, 12 runs", "evaluate, 4 rows"]
    (seeds,) = [line for line in lines if line.startswith("3 seeds: training and evaluation take ")]
    assert seeds.endswith(" (-S 'table.seeds=[0]'), but then no comparison gets a star")
    (together,) = [line for line in lines if line.startswith("side by side: `make repro` runs ")]
    assert together.endswith("the times above are for one after another") == (" trainings at a time " in together)
    assert any(line.startswith("total") for line in lines)
    assert "decode: measured on its first 8 videos" in lines
    assert any(line.startswith("disk: outputs and side cache (.cache) need ") for line in lines)
    assert sorted(path.name for path in place.iterdir()) == ["params.yaml"]  # nothing is left behind


def test_the_same_as_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny(place)
    rows = ["-S", "table.attention=[abn]", "-S", "table.pc=[false]", "-S", "table.controls=[]"]
    assert main(["plan", "--json", *rows, "-S", "table.seeds=[0]"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["notes"][0].startswith("seeds: one training of each row, so no comparison gets a star; ")
    assert (plan["dataset"], plan["counts"]["frames"]) == ("synthetic", 64)
    assert [each["stage"] for each in plan["stages"]][-4:] == [
        "train, 1 run", "evaluate, 1 row", "study, compare", "total",
    ]  # fmt: skip
    sums = plan["stages"][-1]
    assert sums["sec"] == pytest.approx(sum(each["sec"] or 0 for each in plan["stages"][:-1]))
    assert plan["rates"]["row"]["train_sec"] > 0
    assert plan["rates"]["decode"]["num_bytes"] > 100
    assert [(row["name"], row["runs"]) for row in plan["computed"]["rows"]] == [("abn", 1)]


def test_computed_costs_measure_nothing(place: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    from objabn.plan import measure

    tiny(place)
    monkeypatch.setattr(measure, "measure", None)
    rows = ["-S", "table.attention=[abn]", "-S", "table.controls=[]"]
    assert main(["plan", "--costs", *rows]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "synthetic: 6 train and 2 test videos, 64 frames, 8 classes"
    assert [line.split()[:2] for line in lines[5:8:2]] == [["abn", "6"], ["all", "runs"]]
    assert lines[9].startswith("computed, not measured: ")
    assert main(["plan", "--costs", "--json", *rows, "-S", "table.seeds=[0]"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["dataset"], figures["computed"]["rows"][0]["runs"]) == ("synthetic", 2)
    assert set(figures["computed"]["all_runs_sec"]) == {"H100", "A100", "RTX 4090"}


def test_videos_that_are_there_are_what_is_measured(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from objabn.video.write import write_video

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
    assert lines[4].split()[3:5] == ["0", "B"]  # nor stored
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
    lines = [Cost("decode", 1.0, 2_000, ""), Cost("  side cache", None, 1_000, "", in_cache=True)]
    assert plan._disk(lines) == expected


def test_folds_are_told_of_and_their_recordings_counted(place: Path) -> None:
    counts = Counts(train=4, test=6, frames=60, classes=2, origin="", networks=3)
    heading = "folder: 6 videos in 3 folds, a network for each, 60 frames, 2 classes"
    assert plan._heading("folder", counts, "CPU").splitlines()[0] == heading
    (place / "data/folder").mkdir(parents=True)
    rows = [
        f"v{at},{'ab'[at % 2]}/v_A_g0{at // 2}_c0{at}.avi,{'ab'[at % 2]},fold-{at // 2 + 1},1,{at}" for at in range(6)
    ]
    text = "\n".join(["video,path,label,split,bytes,digest", *rows]) + "\n"
    (place / "data/folder/index.csv").write_text(text.replace("b/v_A", "a/v_A"))
    assert plan._test_recordings("folder", given().datasets["folder"], counts) == (3, "test recordings")


def test_what_seeds_cost_is_of_training_and_evaluation() -> None:
    three = [
        Cost("segment", 7200.0, 0, ""),
        Cost("train, 9 runs", 5400.0, 0, ""),
        Cost("evaluate, 3 rows", 1800.0, 0, ""),
    ]
    one = [Cost("train, 3 runs", 1800.0, 0, ""), Cost("evaluate, 3 rows", 700.0, 0, "")]
    assert plan._seeds([2, 3, 4], three, one) == (
        "3 seeds: training and evaluation take 2.0 h, with one seed 42 min (-S 'table.seeds=[2]'), "
        "but then no comparison gets a star"
    )
    assert plan._seeds([2], one, one).startswith("seeds: one training of each row, so no comparison gets a star; ")


@pytest.mark.parametrize(
    ("workers", "line"),
    [
        (Workers(1, "why"), "side by side: `make repro` runs one training at a time: why"),
        (
            Workers(3, "why"),
            "side by side: `make repro` runs 3 trainings at a time (why); the times above are for one after another",
        ),
    ],
)
def test_how_many_run_side_by_side_is_said(workers: Workers, line: str) -> None:
    assert plan._side_by_side(workers) == line


def test_a_training_is_measured_with_its_own_threads(place: Path, monkeypatch) -> None:
    """A process that segments has one."""
    from objabn.plan import measure

    tiny(place)
    params, found = load_params(place / "params.yaml").datasets["synthetic"], {}
    own = params.model_copy(update={"train": params.train.model_copy(update={"threads": 1})})
    before = torch.get_num_threads()
    monkeypatch.setattr(measure, "_decoding", lambda *_: (None, None, None))
    monkeypatch.setattr(measure, "_segmentation", lambda *_: found.update(segment=torch.get_num_threads()))
    monkeypatch.setattr(measure, "_row", lambda params, *_: make_fabric(params))
    try:
        torch.set_num_threads(2)
        rates = measure.measure(own, None, None, pd.DataFrame({"frames": [1], "path": [""]}), place, 0.0)  # type: ignore[arg-type]
        assert (rates.device, found["segment"], torch.get_num_threads()) == ("CPU, 2 threads, 1 for a training", 1, 1)
    finally:
        torch.set_num_threads(before)


def test_a_busy_machine_is_said() -> None:
    assert plan._warn_of_others(0.19) == []
    (line,) = plan._warn_of_others(0.4)
    assert line == "WARNING: other processes used 40% of this machine: the times may be far too long"


def test_parameters_of_the_shipped_file_are_what_load_gives() -> None:
    assert load_params(ROOT / "params.yaml", ["dataset=ucf101"]) == given("dataset=ucf101")


def test_a_segmenter_whose_weights_are_not_here_is_not_measured(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is downloaded for a plan."""
    tiny(place)
    values = read_yaml((place / "params.yaml").read_text())
    values["datasets"]["synthetic"]["segment"] = values["datasets"]["folder"]["segment"]
    (place / "params.yaml").write_text(yaml.safe_dump(values))
    rows = ["-S", "table.attention=[abn]", "-S", "table.pc=[false]", "-S", "table.controls=[]"]
    assert main(["plan", *rows]) == 0
    out = capsys.readouterr().out
    assert "segment: not measured: segment.weights (zoo) is no file here" in out
    assert "WARNING: the total is without the time of segment" in out
