"""What may be otherwise the next time becomes no finished store, and what was decoded well is not lost."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from objabn.config.schema import Decode
from objabn.decoding.decode import decode_videos
from objabn.index.table import build
from objabn.system.checkouts import why_absent
from objabn.video.read import VideoInfo, read_video
from objabn.video.write import write_video
from tests.helpers.videos import moving_bar

DECODE = Decode(height=24, width=32, codec="zstd", quality=95, store=True, stride=1, frames_per_shard=16)
KINDS = {
    "zstd": DECODE,
    "jpeg": DECODE.model_copy(update={"codec": "jpeg"}),
    "table": DECODE.model_copy(update={"store": False}),
}
LENGTHS = (11, 3, 20, 7, 9, 1)


def moody(path: Path, **options: Any) -> tuple[np.ndarray, VideoInfo]:
    """`read_video` that fails once, in the way that a file beside the video says, and writes down what it reads."""
    with (path.parent / "read.txt").open("a") as file:
        file.write(f"{path.stem}\n")
    mood = path.with_suffix(".mood")
    if mood.exists():
        what = mood.read_text()
        mood.unlink()
        if what == "hang":
            time.sleep(600)
        if what == "memory":
            raise MemoryError
        if what == "crash":
            os._exit(1)
        if what == "disk":
            raise OSError(5, "Input/output error")
        if what == "gone":
            path.parent.rename(path.parent.with_name("unmounted"))
            return read_video(path.parent.with_name("unmounted") / path.name, **options)
    return read_video(path, **options)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    for number, length in enumerate(LENGTHS):
        write_video(folder / f"{number}.mp4", moving_bar(length))
    return folder


@pytest.fixture
def index(videos: Path) -> pd.DataFrame:
    listed = [
        {"video": str(number), "path": f"{number}.mp4", "label": "a", "split": ("train", "test")[number % 2]}
        for number in range(len(LENGTHS))
    ]
    return build(pd.DataFrame(listed), videos)[0]


def decode(index: pd.DataFrame, videos: Path, store: Path, settings: Decode = DECODE, **options: Any) -> pd.DataFrame:
    options = {"workers": 1, "timeout_sec": 300.0, "max_failed": 0.0, "key": "datasets.ds.videos", **options}
    return decode_videos(index, videos, store, settings, read=moody, **options)


def content(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def were_read(videos: Path) -> list[str]:
    """Ids of the videos that were read since the last call."""
    found = (videos / "read.txt").read_text().split() if (videos / "read.txt").exists() else []
    (videos / "read.txt").unlink(missing_ok=True)
    return found


@pytest.mark.parametrize(
    ("left", "found"),
    [("nothing", "no such directory"), ("file", "a file"), ("folder", "an empty one; is the share mounted\\?")],
)
def test_without_the_videos_directory_nothing_is_made(
    index: pd.DataFrame, videos: Path, tmp_path: Path, left: str, found: str
) -> None:
    shutil.rmtree(videos)
    if left == "file":
        videos.touch()
    elif left == "folder":
        videos.mkdir()
    with pytest.raises(
        ValueError, match=rf"^datasets.ds.videos: expected the directory of the videos at {videos}, found {found}$"
    ):
        decode(index, videos, tmp_path / "store", max_failed=1.0)
    assert not (tmp_path / "store").exists()


def test_a_relative_path_in_a_temporary_checkout_of_dvc_is_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert why_absent("videos", "datasets.ds.videos") == ""
    place = tmp_path / ".dvc/tmp/exps/standalone/tmp123"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    assert why_absent(tmp_path / "videos", "datasets.ds.videos") == ""
    assert why_absent("videos", "datasets.ds.videos") == (
        ": datasets.ds.videos is relative and this is a temporary checkout of DVC's, which holds only what Git tracks: "
        "give an absolute path"
    )


def test_files_that_are_missing_are_found_before_one_is_decoded(
    index: pd.DataFrame, videos: Path, tmp_path: Path
) -> None:
    (videos / "2.mp4").rename(videos / "elsewhere")
    with pytest.raises(
        ValueError, match=r"^1 of 3 train videos failed to decode \(33.3%\), .* 30.0%:\n  2: failed: no such file$"
    ):
        decode(index, videos, tmp_path / "store", max_failed=0.3)
    assert were_read(videos) == []
    (videos / "elsewhere").rename(videos / "2.mp4")
    assert decode(index, videos, tmp_path / "store", max_failed=0.3)["status"].tolist() == ["ok"] * 6


@pytest.mark.parametrize("kind", ["jpeg", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("zstd", "table"))])
def test_a_refused_run_keeps_what_was_decoded(index: pd.DataFrame, videos: Path, tmp_path: Path, kind: str) -> None:
    """The next one decodes only what failed for a reason that may have passed, and ends with the same bytes."""
    expected = decode(index, videos, tmp_path / "undisturbed", KINDS[kind])
    were_read(videos)
    good = (videos / "2.mp4").read_bytes()
    (videos / "2.mp4").write_bytes(good[:-1])  # half copied
    store = tmp_path / "store"
    with pytest.raises(ValueError, match="1 of 3 train videos failed") as error:
        decode(index, videos, store, KINDS[kind])
    assert "\n  2: failed: its content is not what index.csv registered" in str(error.value)
    assert "\n5 of 6 videos are done and kept for the next run; mend the others, or raise machine.max_failed" in str(
        error.value
    )
    assert not store.exists()
    assert were_read(videos) == ["0", "1", "3", "4", "5"]
    (videos / "2.mp4").write_bytes(good)
    pd.testing.assert_frame_equal(decode(index, videos, store, KINDS[kind]), expected)
    assert were_read(videos) == ["2"]
    assert content(store) == content(tmp_path / "undisturbed")


def test_with_a_larger_max_failed_the_next_run_decodes_nothing(videos: Path, tmp_path: Path) -> None:
    (videos / "2.mp4").write_text("no video\n" * 100)
    listed = [{"video": str(number), "path": f"{number}.mp4", "label": "a", "split": "train"} for number in range(6)]
    index = build(pd.DataFrame(listed), videos)[0]
    with pytest.raises(ValueError, match="1 of 6 train videos failed"):
        decode(index, videos, tmp_path / "store")
    assert were_read(videos) == [str(number) for number in range(6)]  # a broken one no second time
    table = decode(index, videos, tmp_path / "store", max_failed=0.2)
    assert were_read(videos) == []
    assert table["status"].tolist() == ["ok", "ok", "failed", "ok", "ok", "ok"]
    assert table["frames"].tolist() == [11, 3, 0, 7, 9, 1]
    assert (tmp_path / ".store.key").exists()


@pytest.mark.parametrize("kind", ["jpeg", pytest.param("zstd", marks=pytest.mark.slow)])
def test_what_failed_in_passing_is_tried_again_in_the_same_run(
    index: pd.DataFrame, videos: Path, tmp_path: Path, kind: str
) -> None:
    expected = decode(index, videos, tmp_path / "undisturbed", KINDS[kind])
    for number, mood in ((0, "memory"), (2, "hang"), (3, "crash"), (4, "disk")):
        (videos / f"{number}.mood").write_text(mood)
    pd.testing.assert_frame_equal(
        decode(index, videos, tmp_path / "store", KINDS[kind], timeout_sec=2.0, workers=2), expected
    )
    assert content(tmp_path / "store") == content(tmp_path / "undisturbed")


def test_within_max_failed_it_is_a_row_and_a_line(
    index: pd.DataFrame, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = (videos / "2.mp4").read_bytes()
    (videos / "2.mp4").write_bytes(good[:-1])
    table = decode(index, videos, tmp_path / "store", max_failed=0.5)
    assert table["frames"].tolist() == [11, 3, 0, 7, 9, 1]
    assert table.loc[2, "error"].startswith("its content is not what index.csv registered")
    assert list(table.columns) == [
        *index.columns,
        "status",
        "error",
        "decoder",
        "container_frames",
        "fps",
        "height",
        "width",
        "offset",
        "frames",
        "checksum",
    ]
    line = f"{tmp_path}/store: 1 videos failed for a reason that may pass; when it has, `dvc repro -f` of this stage "
    assert f"{line}decodes all again" in capsys.readouterr().out.splitlines()
    assert not (tmp_path / ".store.key").exists()  # nobody who waited takes it for the end


def test_a_split_without_a_readable_video_is_refused(index: pd.DataFrame, videos: Path, tmp_path: Path) -> None:
    for number in (1, 3, 5):
        (videos / f"{number}.mp4").unlink()
    with pytest.raises(ValueError, match=r"^3 of 3 test videos failed to decode"):
        decode(index, videos, tmp_path / "store", max_failed=1.0)


def test_a_share_that_goes_meanwhile_ends_the_run(index: pd.DataFrame, videos: Path, tmp_path: Path) -> None:
    """Not to the end, a line for each of the others; what was decoded before is kept."""
    expected = decode(index, videos, tmp_path / "undisturbed")
    (videos / "0.mood").write_text("gone")
    with pytest.raises(
        ValueError, match=r"^datasets.ds.videos: expected .*, found no such directory\n1 of 6 videos are done"
    ):
        decode(index, videos, tmp_path / "store")
    (tmp_path / "unmounted").rename(videos)
    were_read(videos)
    pd.testing.assert_frame_equal(decode(index, videos, tmp_path / "store"), expected)
    assert were_read(videos) == ["1", "2", "3", "4", "5"]
    assert content(tmp_path / "store") == content(tmp_path / "undisturbed")
