"""All needs together: what is said with nothing in place, what is done already, and how to go on regardless."""

import sys
from pathlib import Path

import pytest

from objabn.preflight import check, space
from objabn.preflight.check import check_needs, stop_unless_ready
from objabn.preflight.findings import Finding, settle
from stages import decode
from tests.helpers.preflight import deal, given, take_everything_away, write_index, write_videos

UCF101 = "dataset=ucf101"


@pytest.fixture
def bare(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    take_everything_away(monkeypatch, place / "home")
    monkeypatch.delenv("OBJABN_CHECK", raising=False)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: space.shutil._ntuple_diskusage(0, 0, 10**6))
    return place


def store_table(paths: list[str]) -> str:
    """A store's table of videos, as far as it is looked at."""
    rows = [f"{path.removesuffix('.mp4')},{path[2:-4]},30" for path in paths]
    return "\n".join(["video,digest,frames", *rows]) + "\n"


def keys(found: list[Finding], level: str) -> list[str]:
    return [each.line.partition(": ")[0] for each in found if each.level == level]


def test_with_nothing_in_place_all_is_listed_in_the_order_of_the_stages(bare: Path) -> None:
    found = check_needs("ucf101", given(UCF101))
    assert keys(found, "fault") == [
        "dataset",
        "datasets.ucf101.videos",
        f"disk of {bare} (outputs, side cache)",
        "datasets.ucf101.segment.backend",
        "datasets.ucf101.segment.weights",
        "datasets.ucf101.model.pretrained",
        "datasets.ucf101.machine.loader_workers",
    ]
    assert keys(found, "warning") == ["datasets.ucf101.train.accelerator"]
    assert not any("\n" in each.line for each in found)


def test_embedded_data_needs_what_the_checkout_has(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: space.shutil._ntuple_diskusage(0, 0, 10**10))
    found = check_needs("synthetic", given())
    missing = ["datasets.synthetic.segment.weights", "datasets.synthetic.model.pretrained"]
    assert keys(found, "fault") == missing  # the checkout of this test has no assets
    for name in ("figures_rcnn.pth", "figures_rcnn.json", "x3d_figures.pyth", "x3d_figures.json"):
        (bare / "objabn/assets").mkdir(parents=True, exist_ok=True)
        (bare / "objabn/assets" / name).symlink_to(Path(check.__file__).parents[1] / "assets" / name)
    assert {each.level for each in check_needs("synthetic", given())} == {"ok"}


def test_what_is_done_is_not_demanded(bare: Path) -> None:
    paths = write_index("ucf101")
    table = store_table(paths)
    for store, stage in (("frames", "decode"), ("masks", "segment")):
        (bare / f"data/ucf101/{store}").mkdir()
        (bare / f"data/ucf101/{store}/videos.csv").write_text(table)
        faults = {each.stage for each in check_needs("ucf101", given(UCF101)) if each.level == "fault"}
        assert stage not in faults
        assert "train" in faults
    found = check_needs("ucf101", given(UCF101))
    (line,) = [each.line for each in found if "segment.backend" in each.line]
    assert line.endswith(" (needed only if segment runs again: data/ucf101/masks is there)")
    (bare / "data/ucf101/masks/videos.csv").write_text(store_table(paths[1:]))  # the index has one video more
    assert "datasets.ucf101.segment.backend" in keys(check_needs("ucf101", given(UCF101)), "fault")


def test_a_stage_that_runs_is_not_done(bare: Path) -> None:
    paths = write_index("ucf101")
    (bare / "data/ucf101/frames").mkdir()
    (bare / "data/ucf101/frames/videos.csv").write_text(store_table(paths))
    params = given(UCF101)
    assert "datasets.ucf101.videos" not in keys(check_needs("ucf101", params), "fault")
    assert "datasets.ucf101.videos" in keys(check_needs("ucf101", params, running="decode"), "fault")
    reads_videos = given(UCF101, "datasets.ucf101.decode.store=false")  # in training, too
    assert "datasets.ucf101.videos" in keys(check_needs("ucf101", reads_videos), "fault")


def test_runs_that_are_there_need_no_pretrained_weights(bare: Path) -> None:
    params = given(UCF101, "table.attention=[abn]", "table.pc=[false]", "datasets.ucf101.train.accelerator=cuda")
    runs = [f"{folder}/seed-{seed}" for folder in ("abn/pc-false", "controls/plain") for seed in (0, 1, 2)]
    for run in runs:
        assert "datasets.ucf101.model.pretrained" in keys(check_needs("ucf101", params), "fault")
        (bare / f"runs/ucf101/{run}").mkdir(parents=True)
        (bare / f"runs/ucf101/{run}/model.safetensors").touch()
    found = keys(check_needs("ucf101", params), "fault")
    assert "datasets.ucf101.model.pretrained" not in found
    assert "datasets.ucf101.train.accelerator" in found  # evaluation asks for it, too
    for folder in ("abn/pc-false", "controls/plain"):
        path = bare / f"results/ucf101/{folder}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert "datasets.ucf101.train.accelerator" not in keys(check_needs("ucf101", params), "fault")


def test_a_run_of_folds_is_there_when_its_last_network_is(bare: Path) -> None:
    write_index("ucf101")
    deal("ucf101", 2)
    params = given(UCF101, "table.attention=[abn]", "table.pc=[false]", "table.controls=[]", "table.seeds=[4]")
    run = bare / "runs/ucf101/abn/pc-false/seed-4"
    for fold in ("fold-1", "fold-2"):
        (run / fold).mkdir(parents=True)
        (run / fold / "model.safetensors").touch()
        assert "datasets.ucf101.model.pretrained" in keys(check_needs("ucf101", params), "fault")
    (run / "curves.csv").touch()  # when all networks stand
    assert "datasets.ucf101.model.pretrained" not in keys(check_needs("ucf101", params), "fault")


def test_decode_does_not_stop_at_folds(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: space.shutil._ntuple_diskusage(0, 0, 10**12))
    write_videos(bare / "data/folder/videos", write_index("folder"))
    deal("folder", 2)
    params = given(
        "dataset=folder",
        "datasets.folder.segment={backend: motion, stride: 1, threshold: 25.0, min_area: 0.002}",
        "datasets.folder.model.pretrained=null",
        "datasets.folder.mask.groups=[person, other]",
        "table.controls=[]",
    )
    stop_unless_ready("folder", params, "decode")
    lines = [each.line for each in check_needs("folder", params, running="decode")]
    assert any(line.endswith("8 videos in 2 folds of 2 classes: a training is 2 networks") for line in lines)


def test_folds_on_several_machines_are_told_before_a_video_is_opened(bare: Path) -> None:
    """A stage opens no headers, so that frames are not known; the folds stand in the index."""
    write_videos(Path("data/folder/videos"), write_index("folder"))
    deal("folder", 2)
    params = given("dataset=folder", "datasets.folder.train.nodes=2", "datasets.folder.train.batch_size=4")
    for running in (None, "decode"):
        faults = [each.line for each in check_needs("folder", params, running=running) if each.level == "fault"]
        assert any(
            line.startswith("datasets.folder.train.nodes: expected 1 for a data set with folds") for line in faults
        )


def test_decode_stops_before_a_video_is_opened(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_videos(bare / "data/ucf101/videos", write_index("ucf101"))
    monkeypatch.setattr(sys, "argv", ["decode", "ucf101"])
    with pytest.raises(ValueError, match="later stages would fail") as error:
        decode.main()
    first, *faults, last = str(error.value).splitlines()
    assert first == "later stages would fail:"
    assert [line.split(": ")[:2] for line in faults][1:3] == [
        ["params.yaml", "datasets.ucf101.segment.backend"],
        ["params.yaml", "datasets.ucf101.segment.weights"],
    ]
    assert last.endswith("(say, on a machine that decodes only) set OBJABN_CHECK=off")
    assert not (bare / "data/ucf101/frames").exists()


def test_off_goes_on_regardless(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="later stages would fail"):
        stop_unless_ready("ucf101", given(UCF101), "decode")
    monkeypatch.setenv("OBJABN_CHECK", "off")
    stop_unless_ready("ucf101", given(UCF101), "decode")


def test_a_stage_opens_no_headers(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A video that kills its reader costs a row of the table, not the stage."""
    from objabn.plan import counts

    def refuse(path: str) -> None:
        raise AssertionError(path)

    write_videos(bare / "data/folder/videos", write_index("folder"))
    monkeypatch.setattr(counts.cv2, "VideoCapture", refuse)
    check_needs("folder", given("dataset=folder"), running="decode")
    with pytest.raises(AssertionError):
        check_needs("folder", given("dataset=folder"))


def test_settle_sorts_and_spares_other_levels() -> None:
    found = [Finding("train", "fault", "b"), Finding("segment", "fault", "a"), Finding("segment", "ok", "c")]
    assert settle(found, {"segment": Path("masks")}) == [
        Finding("segment", "warning", "a (needed only if segment runs again: masks is there)"),
        Finding("segment", "ok", "c"),
        Finding("train", "fault", "b"),
    ]
