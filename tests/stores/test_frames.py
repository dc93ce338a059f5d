"""Frames read from video files (`decode.store: false`): what was registered, or one line that names the file; truth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.stores.array import StoreWriter
from objabn.stores.frames import VideoFiles, open_truth
from objabn.system.files import file_digest
from objabn.video.write import write_video
from tests.helpers.videos import moving_bar


@pytest.fixture
def reader(tmp_path: Path) -> VideoFiles:
    write_video(tmp_path / "a/one.mp4", moving_bar(5))
    row = {"video": "a/one", "path": "a/one.mp4", "frames": 5, "digest": file_digest(tmp_path / "a/one.mp4")}
    return VideoFiles(pd.DataFrame([row]), tmp_path, (24, 32))


def test_frames_of_another_video_of_the_same_length_are_not_taken(reader: VideoFiles, tmp_path: Path) -> None:
    write_video(tmp_path / "a/one.mp4", moving_bar(5)[::-1])
    with pytest.raises(
        ValueError, match=rf"^{tmp_path}/a/one.mp4: its content is not what index.csv registered; decode"
    ):
        reader.read_all("a/one")


@pytest.mark.parametrize("content", [None, b""])
def test_a_file_that_cannot_be_read_is_named(reader: VideoFiles, tmp_path: Path, content: bytes | None) -> None:
    assert reader.read_all("a/one").shape == (5, 24, 32, 3)
    (tmp_path / "a/one.mp4").unlink()
    if content is not None:
        (tmp_path / "a/one.mp4").write_bytes(content)
    reason = "no such file" if content is None else "0 bytes"
    with pytest.raises(ValueError, match=rf"^{tmp_path}/a/one.mp4: {reason}$"):
        reader.read_all("a/one")


TRUTH = {"one": 1, "seven": 7, "eight": 8}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Each frame's masks are its number."""
    writer = StoreWriter(tmp_path, (2, 3, 3), frames_per_shard=16)
    for video, length in TRUTH.items():
        writer.append(np.arange(length, dtype=np.uint8).repeat(18).reshape(-1, 2, 3, 3), video=video)
    writer.close()
    return tmp_path


def table_of(*frames: int) -> pd.DataFrame:
    return pd.DataFrame({"video": list(TRUTH), "frames": frames})


def test_truth_of_all_frames_is_read_at_those_that_are_stored(truth: Path) -> None:
    reader = open_truth(truth, table_of(1, 3, 3), stride=3)
    assert reader.read("seven", np.array([0, 2, 1]))[:, 0, 0, 0].tolist() == [0, 6, 3]
    assert [reader.read_all(video)[:, 0, 0, 0].tolist() for video in TRUTH] == [[0], [0, 3, 6], [0, 3, 6]]


def test_a_truncated_video_says_nothing_about_the_truth(truth: Path) -> None:
    table = table_of(1, 2, 3).assign(status=["ok", "truncated", "ok"])
    assert open_truth(truth, table, stride=3).read_all("seven")[:, 0, 0, 0].tolist() == [0, 3, 6]


@pytest.mark.parametrize("stride", [1, 3])
def test_truth_of_stored_frames_is_read_as_it_is(truth: Path, stride: int) -> None:
    reader = open_truth(truth, table_of(*TRUTH.values()), stride)
    assert reader.read("seven", np.array([0, 2]))[:, 0, 0, 0].tolist() == [0, 2]


def test_truth_of_another_number_of_frames_is_refused(truth: Path) -> None:
    expected = "expected 4 frames of seven, or 10 to 12 without decode.stride 3, got 7"
    with pytest.raises(ValueError, match=rf"^{truth}: {expected}$"):
        open_truth(truth, table_of(1, 4, 3), stride=3)
