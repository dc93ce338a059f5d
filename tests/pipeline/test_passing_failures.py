"""What fails in passing becomes no result of DVC's: neither in its cache nor in its run cache."""

from pathlib import Path

import pandas as pd
import pytest

from objabn.index.table import build, write_index
from objabn.stores.array import StoreReader
from objabn.stores.table import read_table
from objabn.video.read import read_video
from objabn.video.write import write_video
from tests.helpers.clones import git, make_clone, run_dvc
from tests.helpers.videos import moving_bar

STAGE = "decode@quick"


def use_quick(values: dict) -> None:
    block = values["datasets"]["quick"]
    block["decode"].update(height=24, width=32)
    block["machine"].update(decode_workers=1, max_failed=0.0)
    block["videos"] = "my_videos"
    values["dataset"] = "quick"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with eight registered videos in `my_videos`, which Git ignores."""
    folder = make_clone(tmp_path / "clone", use_quick)
    listed = []
    for number in range(8):
        write_video(folder / f"my_videos/{number}.mp4", moving_bar(5 + number))
        row = {"video": str(number), "path": f"{number}.mp4", "label": "ab"[number // 4]}
        listed.append({**row, "split": ("train", "test")[number % 2]})
    write_index(build(pd.DataFrame(listed), folder / "my_videos")[0], folder / "data/quick/index.csv")
    with (folder / ".gitignore").open("a") as file:
        file.write("/my_videos/\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "index")
    return folder


def check(clone: Path) -> None:
    """All videos are decoded, to what stands in the files."""
    assert read_table(clone / "data/quick/frames")["status"].tolist() == ["ok"] * 8
    reader = StoreReader(clone / "data/quick/frames")
    for number in range(8):
        expected = read_video(clone / f"my_videos/{number}.mp4", size=(24, 32))[0]
        difference = abs(reader.read_all(str(number)).astype(int) - expected)
        assert difference.mean() < 8  # jpeg


def test_videos_that_are_not_there_become_no_result(clone: Path, tmp_path: Path) -> None:
    """Neither in DVC's temporary checkout nor while their share is not mounted."""
    cache = tmp_path / "side"
    failed = run_dvc(clone, cache, "exp", "run", "--temp", STAGE, code=255)
    assert (
        "params.yaml: datasets.quick.videos: expected the directory of the videos at my_videos, found no such "
        "directory: datasets.quick.videos is relative and this is a temporary checkout of DVC's, which holds only what "
        "Git tracks: give an absolute path" in (failed.stdout + failed.stderr).splitlines()
    )
    assert "8 videos: 8 ok, 0 truncated, 0 failed" in run_dvc(clone, cache, "repro", STAGE).stdout
    check(clone)

    (clone / "data/quick/index.csv").write_text((clone / "data/quick/index.csv").read_text().replace(",b,", ",c,"))
    (clone / "my_videos").rename(clone / "elsewhere")
    (clone / "my_videos").mkdir()  # a mount point
    failed = run_dvc(clone, cache, "repro", STAGE, code=255)
    assert "my_videos, found an empty one; is the share mounted?" in failed.stdout + failed.stderr
    (clone / "my_videos").rmdir()
    (clone / "elsewhere").rename(clone / "my_videos")
    assert "8 videos: 8 ok, 0 truncated, 0 failed" in run_dvc(clone, cache, "repro", STAGE).stdout
    check(clone)
