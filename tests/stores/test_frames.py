"""Frames read from video files (`decode.store: false`): what was registered, or one line that names the file."""

from pathlib import Path

import pandas as pd
import pytest

from objabn.stores.frames import VideoFiles
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
