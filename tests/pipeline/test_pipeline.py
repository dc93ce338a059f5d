"""The whole DAG through DVC, on a tiny copy of the embedded data, and what re-runs after which change (minutes)."""

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.synthetic.scenes import make_scene, render_video
from objabn.video.write import write_video
from tests.helpers.clones import edit_params, git, make_clone, run_dvc
from tests.helpers.pipeline import make_tiny, ran, row_numbers, wide_table

ROWS = [(attention, pc) for attention in ("abn", "mask", "mha") for pc in ("false", "true")]
TRAIN, EVALUATE = {"train", "train-control"}, {"evaluate", "evaluate-control"}
COMPARE = {"compare"}  # its report shows the parameters
Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the pipeline consists of, committed in a git repository of its own, with the tiny profile."""
    return make_clone(tmp_path_factory.mktemp("clone") / "objabn", make_tiny)


@pytest.fixture(scope="module")
def dvc(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs DVC in the clone with an empty side cache; the stages' `python` is this one."""
    cache = tmp_path_factory.mktemp("cache")

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess:
        return run_dvc(clone, cache, *arguments, code=code)

    return run


@pytest.fixture(scope="module")
def repro(clone: Path, dvc: Run) -> str:
    """Output of the first `dvc repro`; its results are committed."""
    done = dvc("repro")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "results")
    return done.stdout


def stale(dvc: Run) -> set[str]:
    """Stages of the pipeline that `dvc status` finds changed, without the data set's and the row's part of the name."""
    return {name.split("@")[0] for name in json.loads(dvc("status", "--json").stdout)}


@pytest.mark.usefixtures("repro")
class TestAfterRepro:
    def test_every_stage_ran_once_a_row(self, repro: str) -> None:
        rows = {f"synthetic-{attention}-{pc}" for attention, pc in ROWS}
        assert {name.lower() for name in ran(repro)} == {
            "synthesize",
            "decode@synthetic",
            "segment@synthetic",
            "networks@synthetic",
            *(f"train@{row}-0" for row in rows),
            *(f"evaluate@{row}" for row in rows),
            "train-control@synthetic-plain-0",
            "evaluate-control@synthetic-plain",
            "study",
            "compare@synthetic",
        }

    def test_the_table_has_the_control_and_six_rows_with_their_maps(self, clone: Path) -> None:
        table = wide_table(clone / "tables/synthetic.csv")
        rows = list(zip(table["attention"], table["pc"].astype(str).str.lower(), strict=True))
        assert rows == [("plain", "false"), *ROWS]
        assert table["entropy_u"].notna().tolist() == [False, True, True, False, False, True, True]
        assert table["entropy_o"].notna().tolist() == [False, False, False, True, True, True, True]
        assert table["entropy_b"].notna().tolist() == [False] * 5 + [True] * 2
        assert table[["top1", "top5"]].notna().all(axis=None)
        assert table["entropy_g"].notna().all()
        assert table["within_even"].notna().tolist() == [False] + [True] * 6
        for kind in ("iou_fit", "iou_truth", "pointing", "energy", "iou_best"):
            assert table[f"{kind}_o"].iloc[3:].notna().all(), kind

    def test_the_table_has_differences_to_abn(self, clone: Path) -> None:
        table = wide_table(clone / "tables/synthetic.csv")
        assert table["top1_vs_abn"].notna().tolist() == [True, False] + [True] * 5
        for name in ("entropy_object", "pointing", "iou_truth"):  # of plain: Grad-CAM's
            assert table[f"{name}_vs_abn"].notna().tolist() == [True, False] + [True] * 5, name
        others = table.drop(index=1)
        assert others["top1_vs_abn"].tolist() == pytest.approx((others["top1"] - table["top1"][1]).tolist(), abs=1e-5)
        assert others[["top1_vs_abn_low", "top1_vs_abn_high"]].isna().all(axis=None)  # of one seed
        lines = (clone / "tables/synthetic.md").read_text().splitlines()
        starts = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
        every = ["| plain", "| abn", "| abn", "| mask", "| mask", "| mha", "| mha"]
        maps = [*every[:5], *["| mha"] * 6, "| segmenter's masks"]  # a line each
        methods = ["| plain"] * 6 + ["| abn"] * 7 + ["| mask"] * 7 + ["| mha"] * 8  # and the random ranking
        main, used, differences, against, sizes, classes = (
            every,
            every[1:],
            [*every[:1], *every[2:]],
            every[1:],
            every,
            every,
        )
        parts = [main, used, maps, differences, against, methods, sizes, classes]
        assert starts == [start for part in parts for start in ("| attention", *part)]
        words = lines[lines.index("In words:") + 2 :]
        assert words[0].startswith("- **Does the mask loss put the map on the object?** mask ")
        assert any(line.startswith("- **Are the maps sharper with the mask loss?** mask ") for line in words)
        assert any(line.startswith("- One seed: no star and no yes or no") for line in lines)
        assert lines[-1].startswith("Seeds: 0. Backbone: objabn/assets/x3d_figures.pyth. Masks: ")

    def test_pictures_are_there(self, clone: Path) -> None:
        folder, names = clone / "reports/synthetic", {f"{attention}-pc-{pc}.png" for attention, pc in ROWS}
        assert {path.name for path in folder.iterdir()} == {"masks.png", "index.html", "maps"}
        assert {path.name for path in (folder / "maps").iterdir()} == names | {
            "controls-plain.png",
            "groups.csv",
            "moving.gif",
        }
        for path in [clone / "tables/synthetic.png", folder / "masks.png", *(folder / "maps").glob("*.png")]:
            assert path.read_bytes().startswith(b"\x89PNG"), path
        assert (folder / "maps/moving.gif").read_bytes().startswith(b"GIF89a")

    def test_the_report_shows_every_row_and_the_parameters(self, clone: Path) -> None:
        page = (clone / "reports/synthetic/index.html").read_text()
        for row in ("plain", "abn", "abn + PC", "mask", "mask + PC", "mha", "mha + PC"):
            assert page.count(f'<th scope="row">{row}</th>') >= 2, row  # of the rows, and of each map
        assert "epochs: 2" in page
        assert "None: all 24 videos were decoded whole." in page
        assert len(page) < 4_000_000

    def test_a_run_directory_is_complete(self, clone: Path) -> None:
        directory = clone / "runs/synthetic/mask/pc-true/seed-0"
        assert {path.name for path in directory.iterdir()} == {"model.safetensors", "run.json", "curves.csv"}
        run = json.loads((directory / "run.json").read_text())
        assert (run["attention"], run["pc"], run["seed"], len(run["class_names"])) == ("mask", True, 0, 8)
        assert run["params"]["train"]["epochs"] == 2
        curves = pd.read_csv(directory / "curves.csv")
        assert curves["epoch"].tolist() == [1, 2]
        assert {"loss", "perception", "attention", "mask", "pc", "train_top1", "val_top1"} < set(curves)

    def test_the_control_is_an_x3d_alone(self, clone: Path) -> None:
        directory = clone / "runs/synthetic/controls/plain/seed-0"
        assert {path.name for path in directory.iterdir()} == {"model.safetensors", "run.json", "curves.csv"}
        run = json.loads((directory / "run.json").read_text())
        assert (run["attention"], run["pc"], run["seed"]) == ("plain", False, 0)
        curves = pd.read_csv(directory / "curves.csv")
        assert list(curves) == ["epoch", "loss", "perception", "train_top1", "val_top1"]
        row = row_numbers(clone / "results/synthetic/controls/plain.csv")
        letters = {name.rpartition("_")[2] for name in row if name.startswith("entropy_object_")}
        assert letters == {"g", "s", "l", "c", "m"}  # no map of its own
        kinds = ("entropy", "flat_share", "iou_fit", "iou_truth", "pointing", "energy", "iou_best", "insertion")
        assert {f"{kind}_{letter}" for kind in kinds for letter in letters} < set(row)
        assert {"top1", "top5", "ece", "truth_area", "truth_videos"} < set(row)
        assert not any(name.startswith("top1_") for name in row)  # there is no map to replace
        assert len(pd.read_parquet(clone / "results/synthetic/controls/plain.parquet")) == 8

    def test_results_of_each_video_give_the_rows_numbers(self, clone: Path) -> None:
        row = row_numbers(clone / "results/synthetic/mask/pc-false.csv")
        per_video = pd.read_parquet(clone / "results/synthetic/mask/pc-false.parquet")
        assert len(per_video) == 8
        assert row["top1"] == pytest.approx(100 * per_video["top1"].mean())
        for name in ("entropy_o", "flat_share_o", "iou_fit_o", "iou_truth_o", "pointing_o", "energy_o", "truth_area"):
            assert row[name] == pytest.approx(per_video[name].mean(), abs=1e-6)
        curve = np.nanmean(np.stack(per_video["iou_curve_o"]), axis=0)
        assert row["iou_best_o"] == pytest.approx(curve.max(), abs=1e-6)

    def test_metrics_are_those_of_the_row_under_study(self, clone: Path) -> None:
        row = row_numbers(clone / "results/synthetic/abn/pc-false.csv")
        metrics = json.loads((clone / "metrics.json").read_text())
        answers = {"top1", "top5", "top1_even", "ece"}
        assert set(metrics) - {"flat_share_u"} == answers | {
            "entropy_u",
            "entropy_object_u",
            "pointing_u",
            "iou_truth_u",
        }
        assert metrics.items() <= row.items()
        assert len(pd.read_csv(clone / "plots/confusion.csv")) == 8

    def test_the_videos_table_accounts_for_every_video(self, clone: Path) -> None:
        table = pd.read_csv(clone / "data/synthetic/frames/videos.csv")
        assert (len(table), set(table["status"])) == (24, {"ok"})
        assert table["frames"].between(20, 22).all()

    def test_stores_have_few_files(self, clone: Path) -> None:
        for store in ("frames", "masks", "truth"):
            assert sum(path.is_file() for path in (clone / f"data/synthetic/{store}").rglob("*")) < 10
        assert not list(clone.rglob("*.partial-*"))

    def test_a_second_repro_runs_nothing(self, dvc: Run) -> None:
        assert ran(dvc("repro").stdout) == set()

    @pytest.mark.parametrize(
        ("key", "value", "stages"),
        [
            ("mask.score_threshold", 0.7, TRAIN | EVALUATE | COMPARE),
            ("mask.resize", "area", TRAIN | EVALUATE | COMPARE),
            ("model.frozen", "stem", {"networks"} | TRAIN | COMPARE),
            ("model.pretrained", "kinetics400", {"networks"} | TRAIN | COMPARE),
            ("train.epochs", 3, TRAIN | COMPARE),
            ("train.schedule", "constant", TRAIN | COMPARE),
            ("train.new_layers_lr", None, TRAIN | COMPARE),
            ("segment.score_floor", 0.1, {"segment"} | COMPARE),
            ("decode.height", 100, {"decode", "segment"} | TRAIN | EVALUATE | COMPARE),
            ("machine.max_failed", 0.4, set()),
            ("eval.views", 3, EVALUATE | COMPARE),
            ("machine.loader_workers", 1, set()),
            ("machine.checkpoint_minutes", 1, set()),
        ],
    )
    def test_a_parameter_reruns_only_what_depends_on_it(
        self, clone: Path, dvc: Run, key: str, value: object, stages: set[str]
    ) -> None:
        block, name = key.split(".")
        edit_params(clone, lambda values: values["datasets"]["synthetic"][block].update({name: value}))
        try:
            assert stale(dvc) == stages
        finally:
            git(clone, "checkout", "-q", "params.yaml")

    @pytest.mark.parametrize(
        ("path", "stages"),
        [
            ("training/losses.py", TRAIN),
            ("evaluation/metrics.py", EVALUATE | {"study", "compare"}),
            ("clips/geometry.py", TRAIN | EVALUATE | {"compare"}),
            ("model/network.py", TRAIN | EVALUATE),
            ("networks/digests.py", {"networks"}),
            ("segmentation/segment.py", {"segment"}),
            ("segmentation/quality.py", {"segment", "compare"}),
            ("decoding/decode.py", {"decode"}),
            ("synthetic/figures.py", {"synthesize"}),
            ("report/colours.py", {"study", "compare"}),  # and audits, where there are some
            ("statistics/contrast.py", {"compare"}),
            ("index/groups.py", {"train", "train-control", "compare"}),
            ("index/table.py", {"synthesize", "decode"}),
            ("index/ssv2.py", set()),
            ("explanation/explain.py", set()),
            ("plan/costs.py", set()),
            ("pretrain/backbone.py", set()),
            ("cli/plan.py", set()),
            ("config/schema.py", set()),
        ],
    )
    def test_an_edit_makes_only_what_uses_it_stale(self, clone: Path, dvc: Run, path: str, stages: set[str]) -> None:
        file = clone / "objabn" / path
        text = file.read_text()
        file.write_text(text + "\n# edited\n")
        try:
            assert stale(dvc) == stages
        finally:
            file.write_text(text)

    def test_an_edit_of_adapters_reruns_no_row_of_an_x3d(self, clone: Path, dvc: Run) -> None:
        file = clone / "objabn/networks/digests.py"
        text = file.read_text()
        file.write_text(text + "\n# edited\n")
        try:
            assert ran(dvc("repro").stdout) == {"networks@synthetic"}
            assert stale(dvc) == set()
        finally:
            file.write_text(text)
            git(clone, "checkout", "-q", "dvc.lock")

    def test_recordings_that_become_known_reach_only_the_table(self, clone: Path, dvc: Run) -> None:
        """As after an upgrade, or `index` with a column `group`: nobody segments or trains again."""
        videos = pd.read_csv(clone / "data/synthetic/index.csv")["video"]
        groups = clone / "data/video-groups/synthetic.csv"
        groups.write_text("\n".join(["video,group", *(f"{video},{at // 2}" for at, video in enumerate(videos)), ""]))
        try:
            assert stale(dvc) == {"compare"}
            dvc("repro", "compare@synthetic")
            assert stale(dvc) == set()
        finally:
            groups.unlink()
            dvc("repro", "compare@synthetic")

    def test_what_editors_and_tools_leave_makes_nothing_stale(self, clone: Path, dvc: Run) -> None:
        names = (".losses.py.swp", "losses.py~", "#losses.py#", ".DS_Store", ".ipynb_checkpoints/losses.py",
                 ".mypy_cache/x.json", ".ruff_cache/x", "__pycache__/losses.pyc")  # fmt: skip
        strays = [clone / "objabn/training" / name for name in names]
        for stray in strays:
            stray.parent.mkdir(exist_ok=True)
            stray.write_text("x")
        try:
            assert stale(dvc) == set()
        finally:
            for stray in strays:
                stray.unlink()

    def test_without_controls_only_the_table_is_made_again(self, clone: Path, dvc: Run) -> None:
        edit_params(clone, lambda values: values["table"].update(controls=[]))
        try:
            assert stale(dvc) == {"networks", "compare"}  # of the others the notes stay as they are
        finally:
            git(clone, "checkout", "-q", "params.yaml")

    def test_studying_another_row_trains_nothing(self, clone: Path, dvc: Run) -> None:
        before = (clone / "metrics.json").read_text()
        done = dvc("exp", "run", "-S", "loss.attention=mask", "-S", "loss.pc=true")
        assert ran(done.stdout) == {"study"}
        row = row_numbers(clone / "results/synthetic/mask/pc-true.csv")
        assert json.loads((clone / "metrics.json").read_text()).items() <= row.items()
        assert (clone / "metrics.json").read_text() != before
        printed = dvc("metrics", "diff", "--all").stdout
        for name in ("top1", "top5", "entropy_u", "entropy_o"):
            assert name in printed
        git(clone, "checkout", "-q", "params.yaml", "dvc.lock", "metrics.json")

    def test_a_changed_threshold_trains_again_but_segments_nothing(self, dvc: Run, clone: Path) -> None:
        done = dvc("exp", "run", "study", "-S", "datasets.synthetic.mask.score_threshold=0.7")
        git(clone, "checkout", "-q", "params.yaml", "dvc.lock", "metrics.json")
        dvc("checkout")
        trained = {"train@synthetic-abn-false-0", "evaluate@synthetic-abn-false"}
        assert {name.lower() for name in ran(done.stdout)} - {"study"} == trained


@pytest.fixture(scope="module")
def own(clone: Path, repro: str) -> Path:
    """The clone with a data set of one's own: 12 videos, a 0-byte, a truncated and a non-video file."""
    videos = clone / "data/own/videos"
    for action in ("clap", "walk"):
        (videos / action).mkdir(parents=True)
        for number in range(6):
            frames, _, _ = render_video(make_scene(action, seed=1, split="own", number=number, min_frames=20))
            write_video(videos / action / f"{number}.mp4", frames)
    (videos / "clap/empty.mp4").touch()
    (videos / "walk/notes.mp4").write_text("not a video at all\n" * 50)
    whole = (videos / "walk/0.mp4").read_bytes()
    (videos / "walk/cut.mp4").write_bytes(whole[: len(whole) // 2])

    def add_block(values: dict) -> None:
        block = {**deepcopy(values["datasets"]["synthetic"]), "videos": "data/own/videos", "truth": None}
        del block["synthesize"]
        values["datasets"]["own"] = block
        values["dataset"] = "own"

    edit_params(clone, add_block)
    command = [sys.executable, "-m", "objabn", "index", "folder", "--videos", "data/own/videos"]
    subprocess.run([*command, "--dataset", "own", "--test-share", "0.34"], cwd=clone, check=True, capture_output=True)
    return clone


class TestBrokenVideos:
    """A data set of one's own with a 0-byte, a truncated and a non-video file."""

    def test_over_max_failed_it_stops_before_training_with_the_list(self, own: Path, dvc: Run) -> None:
        edit_params(own, lambda values: values["datasets"]["own"]["machine"].update(max_failed=0.0))
        done = dvc("repro", code=255)
        assert not {name.split("@")[0] for name in ran(done.stdout)} & TRAIN
        printed = done.stdout + done.stderr
        assert "videos failed to decode" in printed
        assert "clap/empty: failed: 0 bytes" in printed or "walk/notes: failed: not a video" in printed
        assert "Traceback" not in printed

    def test_below_max_failed_the_run_goes_on(self, own: Path, dvc: Run) -> None:
        edit_params(own, lambda values: values["datasets"]["own"]["machine"].update(max_failed=0.4))
        done = dvc("repro")
        names = {name.split("@")[0] for name in ran(done.stdout)}
        assert names == {"decode", "segment", "networks", "study", "compare"} | TRAIN | EVALUATE
        assert "frames: 15 videos were decoded by a run that was interrupted" in done.stdout  # and none again
        table = pd.read_csv(own / "data/own/frames/videos.csv", keep_default_na=False)
        assert len(table) == 15
        by_name = table.set_index("video")
        assert by_name.loc["clap/empty", "status"] == "failed"
        assert by_name.loc["clap/empty", "error"] == "0 bytes"
        assert by_name.loc["walk/notes", "status"] == "failed"
        assert by_name.loc["walk/notes", "error"].startswith("not a video")
        assert by_name.loc["walk/cut", "status"] in ("failed", "truncated")
        assert by_name.loc["walk/cut", "error"]
        assert (by_name["status"] == "ok").sum() == 12
        results = pd.read_parquet(own / "results/own/mask/pc-false.parquet")
        usable = table[(table["split"] == "test") & (table["status"] != "failed")]
        assert set(results["video"]) == set(usable["video"])

    def test_switching_the_data_set_and_back_runs_nothing(self, own: Path, dvc: Run) -> None:
        for dataset in ("synthetic", "own", "synthetic"):
            edit_params(own, lambda values, name=dataset: values.update(dataset=name))
            assert ran(dvc("repro").stdout) == set()
            row = row_numbers(own / f"results/{dataset}/abn/pc-false.csv")
            assert json.loads((own / "metrics.json").read_text()).items() <= row.items()


def test_pulled_masks_are_trained_on_without_segmenting(clone: Path, dvc: Run, tmp_path: Path) -> None:
    """One segments and pushes; another clones, pulls and trains, without the videos.

    As docs/experiments.md says, "Share masks in a lab".
    `--allow-missing` stands for what real data has not: a stage that makes the videos.
    """
    stages = ["synthesize", "decode@synthetic", "segment@synthetic", "networks@synthetic"]
    edit_params(clone, lambda values: values.update(dataset="synthetic"))
    dvc("repro", *stages)  # nothing to do after the tests above
    dvc("remote", "add", "--default", "--force", "lab", str(tmp_path / "lab"))
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "masks")
    dvc("push", *stages)
    num_files = sum(path.is_file() for path in (tmp_path / "lab").rglob("*"))

    git(tmp_path, "clone", "-q", str(clone), "colleague")
    colleague, cache = tmp_path / "colleague", tmp_path / "cache"
    assert not (colleague / "data/synthetic/masks").exists()
    run_dvc(colleague, cache, "pull", "decode@synthetic", "segment@synthetic", "networks@synthetic")
    run_dvc(colleague, cache, "pull", "data/synthetic/index.csv")  # in one command with the others DVC leaves one out
    edit_params(colleague, lambda values: values["datasets"]["synthetic"]["train"].update(epochs=1))
    done = run_dvc(colleague, cache, "repro", "--allow-missing", "train@synthetic-mask-False-0")
    assert not (colleague / "data/synthetic/videos").exists()
    assert {name.lower() for name in ran(done.stdout)} == {"train@synthetic-mask-false-0"}
    assert (colleague / "runs/synthetic/mask/pc-false/seed-0/model.safetensors").is_file()
    assert not [path for path in cache.rglob("*") if path.is_file()]  # nothing segmented, no checkpoint left
    for path in ("results/synthetic/segment.json", "results/synthetic/segment.csv", "reports/synthetic/masks.png"):
        assert (colleague / path).read_bytes() == (clone / path).read_bytes()
    assert num_files < 100
