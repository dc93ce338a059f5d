"""The index and its videos: too flat an index, a wrong directory, videos that are not there or not whole."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from objabn.preflight.data import SAMPLED, groups_findings, read, true_masks_findings, truth_findings, videos_findings
from objabn.preflight.findings import Finding
from tests.helpers.clips import write_stores
from tests.helpers.preflight import deal, given, write_index, write_videos
from tests.helpers.truth import write_truth

TRUTH = "datasets.folder.truth={store: truth, score_threshold: 0.5, groups: [person]}"


def look(*overrides: str, name: str = "folder") -> tuple[str, str]:
    """Level and line of the videos of the data set `folder`."""
    index, _ = read(name)
    (found,) = videos_findings(name, given(*overrides).datasets[name], index)
    return found.level, found.line


ONE_CLASS = "label: expected two classes or more, got one, 'a'; list videos of another class, too"
NO_SPLIT = "split: expected {0} videos, got none beside 8 {1} videos; list some as {0}"


@pytest.mark.parametrize(
    ("classes", "lacking", "fault"),
    [
        ("a", "", ONE_CLASS),
        ("ab", "train", NO_SPLIT.format("train", "test")),
        ("ab", "test", NO_SPLIT.format("test", "train")),
    ],
)
def test_an_index_that_means_nothing(place: Path, classes: str, lacking: str, fault: str) -> None:
    write_index("folder", classes=classes)
    path, other = Path("data/folder/index.csv"), "test" if lacking == "train" else "train"
    path.write_text(path.read_text().replace(lacking or "train", other))
    index, (found,) = read("folder")
    assert index is None
    assert (found.level, found.line) == ("fault", f"{path}: {fault}")


def test_splits_are_counted(place: Path) -> None:
    write_index("folder")
    path = Path("data/folder/index.csv")
    assert read("folder")[1][0].line == f"{path}: 4 train and 4 test videos of 2 classes"
    path.write_text(path.read_text().replace("test", "val", 1))
    assert read("folder")[1][0].line == f"{path}: 4 train, 1 val and 3 test videos of 2 classes"


def test_folds_are_counted(place: Path) -> None:
    write_videos(Path("data/folder/videos"), write_index("folder", number=9, classes="abc"))
    deal("folder", 2)
    line = "data/folder/index.csv: 9 videos in 2 folds of 3 classes: a training is 2 networks"
    assert read("folder")[1] == [Finding("decode", "ok", line)]
    assert look() == ("ok", "data/folder/videos: 9 of 9 videos looked for, all are there")
    index = read("folder")[0]
    assert index is not None
    videos = index.groupby("split")["video"].first().to_list()
    planes, spans = dict.fromkeys(videos, np.zeros((2, 2, 4, 4), np.uint8)), [(video, 0, 2) for video in videos]
    write_truth(Path("truth"), planes, spans, ["person"])
    (found,) = truth_findings("folder", given(TRUTH).datasets["folder"], index)
    assert found == Finding("evaluate", "ok", "truth: has annotations of 2 of the 9 videos, 2 of them test videos")


def test_an_index_that_cannot_be_read(place: Path) -> None:
    assert read("folder")[1][0].line.startswith("dataset: folder: expected data/folder/index.csv, found none; ")
    write_index("folder")
    Path("data/folder/index.csv").write_text("video\n")
    assert read("folder")[1][0].line.startswith("data/folder/index.csv: columns, expected video,path,")


def test_videos_that_are_there(place: Path) -> None:
    write_videos(Path("data/folder/videos"), write_index("folder", number=50))
    assert look() == ("ok", f"data/folder/videos: {SAMPLED} of 50 videos looked for, all are there")


def test_no_directory_or_an_empty_one(place: Path) -> None:
    write_index("folder")
    assert look()[1] == (
        "datasets.folder.videos: expected the directory of the videos at data/folder/videos, found no such directory"
    )
    Path("data/folder/videos").mkdir()
    level, line = look()
    assert level == "fault"
    assert line.endswith("data/folder/videos, found an empty one; is the share mounted?")


def test_a_wrong_level_shows_what_is_listed_and_what_is_there(place: Path) -> None:
    write_videos(Path("data/folder/videos/UCF-101"), write_index("folder"))
    assert look() == (
        "fault",
        "datasets.folder.videos: expected the videos of the index in data/folder/videos, got 8 of 8 that are not "
        "there, such as a/0.mp4; UCF-101 are there: set the key to the directory that the paths in index.csv start "
        "from",
    )


@pytest.mark.parametrize(("max_failed", "level"), [("0.0", "fault"), ("0.25", "warning")])
def test_a_video_that_is_missing_counts_as_max_failed_says(place: Path, max_failed: str, level: str) -> None:
    write_videos(Path("data/folder/videos"), write_index("folder")[1:])
    found = look(f"datasets.folder.machine.max_failed={max_failed}")
    assert found[0] == level
    assert "got 1 of 8 that are not there, such as a/0.mp4; bring them" in found[1]


def test_many_missing_ones_of_a_sample_are_no_chance(place: Path) -> None:
    """Of 2,000 videos 20 of each split may be missing: the sample cannot prove it, and yet."""
    paths = write_index("folder", number=2_000)
    write_videos(Path("data/folder/videos"), paths[:200])
    assert look("datasets.folder.machine.max_failed=0.02")[0] == "fault"


def test_videos_of_another_size(place: Path) -> None:
    write_videos(Path("data/folder/videos"), write_index("folder"), content=b"version")
    level, line = look()
    assert level == "fault"
    assert "got 8 of 8 that are of another size than it says, such as a/0.mp4; were they copied whole?" in line


def test_true_masks_that_are_not_there(place: Path) -> None:
    (found,) = truth_findings("folder", given(TRUTH).datasets["folder"])
    expected = "expected a mask store (with videos.csv), or truth: null, found none at truth"
    hint = "; `python -m objabn truth` makes one of the decoded videos; OBJABN_CHECK=off lets `decode` go on before"
    assert found.line == f"datasets.folder.truth.store: {expected}{hint}"
    assert truth_findings("folder", given().datasets["folder"]) == []


def test_true_masks_of_some_videos(place: Path) -> None:
    """Of a/0, b/1 (train), a/2, b/3 (test) and so on; of a/2 there is a frame without annotation."""
    write_index("folder")
    index, _ = read("folder")
    planes = np.zeros((2, 2, 4, 4), np.uint8)

    def look_at(spans: list[tuple[str, int, int]], videos: tuple[str, ...]) -> tuple[str, str]:
        write_truth(Path("truth"), dict.fromkeys(videos, planes), spans, ["person"])
        (found,) = truth_findings("folder", given(TRUTH).datasets["folder"], index)
        return found.level, found.line

    spans = [("a/0", 0, 2), ("a/2", 0, 1)]
    assert look_at(spans, ("a/0", "a/2")) == (
        "ok", "truth: has annotations of 2 of the 8 videos, 1 of them test videos"
    )  # fmt: skip
    key = "datasets.folder.truth.store: expected annotations of some of the test videos, on which maps are scored"
    assert look_at(spans[:1], ("a/0", "a/2")) == (
        "fault", f"{key}, got those of 1 of the 8 videos, 0 of them test videos; in it is a/0"
    )  # fmt: skip
    assert look_at([("clip", 0, 1)], ("clip",)) == (
        "fault", f"{key}, got those of 0 of the 8 videos, 0 of them test videos; in it is clip"
    )  # fmt: skip
    level, line = look_at([("a/2", 0, 3)], ("a/2",))
    assert level == "fault"
    assert line.startswith("datasets.folder.truth: truth/annotated.parquet: expected spans within its 2 frames")


def test_recordings_that_git_does_not_have(place: Path) -> None:
    path = Path("data/video-groups/folder.csv")
    path.parent.mkdir(parents=True)
    path.write_text("video,group\n")
    assert groups_findings("folder") == []  # no checkout of git
    for command in (["init", "-q"], ["status"]):
        subprocess.run(["git", *command], check=True, capture_output=True)
    (found,) = groups_findings("folder")
    assert found.level == "warning"
    assert found.line.startswith(
        f"{path}: is not in git; commit it, else `dvc exp run --temp` and the queue would take"
    )
    subprocess.run(["git", "add", "."], check=True, capture_output=True)
    assert groups_findings("folder") == groups_findings("other") == []


def test_a_control_with_true_masks_is_told_of_frames_without(place: Path) -> None:
    """Of videos that are trained on: the last two frames take the mask before them."""
    params = given(TRUTH, "table.controls=[plain,human-masks]")
    assert true_masks_findings("folder", params) == []  # nothing is decoded yet
    frames, masks = np.zeros((8, 32, 32, 3), np.uint8), np.ones((8, 4, 4), bool)
    write_stores(Path("data/folder"), {"a/0": ("a", frames, masks)}, split="train")
    planes = np.zeros((8, 2, 128, 128), np.uint8)
    for end, level in ((6, "ok"), (5, "fault")):
        write_truth(Path("truth"), {"a/0": planes}, [("a/0", 0, end)], ["person"])
        (found,) = true_masks_findings("folder", params)
        assert (found.stage, found.level) == ("train", level)
    expected = "expected an annotation of every frame that is trained on, but for the last 2 of a video"
    assert found.line == f"controls.human-masks: truth: masks of truth: {expected}, got none of frame 5 of a/0"
    assert true_masks_findings("folder", given(TRUTH, "table.controls=[plain]")) == []


def test_truth_has_to_cover_a_video_of_each_fold(place: Path) -> None:
    """A network is tested on its fold; one without any truth would end the evaluation after all trainings."""
    paths = write_index("folder", number=9, classes="abc")
    deal("folder", 3)
    index, _ = read("folder")
    assert index is not None
    planes = np.zeros((2, 2, 4, 4), np.uint8)
    first = index.groupby("split")["video"].first().to_dict()
    for covered, level in ((["fold-1", "fold-2", "fold-3"], "ok"), (["fold-2"], "fault")):
        videos = [first[fold] for fold in covered]
        write_truth(Path("truth"), dict.fromkeys(videos, planes), [(video, 0, 2) for video in videos], ["person"])
        (found,) = truth_findings("folder", given(TRUTH).datasets["folder"], index)
        assert found.level == level
    expected = "expected annotations of some videos of each fold, got none of fold-1, fold-3"
    assert found.line == f"datasets.folder.truth.store: {expected}"
    assert len(paths) == 9
