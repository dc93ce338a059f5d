"""decode.stride: n keeps the frames 0, n, 2n, ... of a video, in a store and without one."""

import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.config.schema import Decode
from objabn.decoding.decode import decode_videos
from objabn.decoding.one_video import decode_one
from objabn.index.table import build
from objabn.stores.frames import open_frames
from objabn.system.files import file_digest
from objabn.video.read import read_video
from objabn.video.write import write_video
from tests.helpers.videos import moving_bar

DECODE = Decode(height=24, width=32, codec="zstd", quality=95, store=True, stride=3, frames_per_shard=16)
LENGTHS = (20, 1, 9, 10)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for number, length in enumerate(LENGTHS):
        write_video(folder / f"{number}.mp4", moving_bar(length))
    return folder


def test_every_third_frame_with_and_without_a_store(videos: Path, tmp_path: Path) -> None:
    listed = [{"video": str(n), "path": f"{n}.mp4", "label": "x", "split": "train"} for n in range(len(LENGTHS))]
    index = build(pd.DataFrame(listed), videos)[0]
    for name, store in (("stored", True), ("listed", False)):
        settings = DECODE.model_copy(update={"store": store})
        table = decode_videos(index, videos, tmp_path / name, settings, workers=1)
        assert table["frames"].tolist() == [7, 1, 3, 4]
        assert table["offset"].tolist() == [0, 7, 8, 11]
        assert table["container_frames"].tolist() == list(LENGTHS)
        assert table["status"].tolist() == ["ok"] * 4
        assert table["fps"].tolist() == pytest.approx([25 / 3] * 4)
        reader = open_frames(tmp_path / name, videos, settings)
        for number in range(len(LENGTHS)):
            expected = read_video(videos / f"{number}.mp4", size=(24, 32))[0][::3]
            np.testing.assert_array_equal(reader.read_all(str(number)), expected)
            if store:
                assert table["checksum"][number] == f"{zlib.crc32(expected.tobytes()):08x}"
        np.testing.assert_array_equal(
            reader.read("0", np.array([6, 2])), read_video(videos / "0.mp4", size=(24, 32))[0][[18, 6]]
        )


def test_a_cut_video_is_told_by_all_of_its_frames(videos: Path) -> None:
    def cut(path: Path, **options: object) -> tuple:
        frames, info = read_video(path, size=(24, 32))
        return frames[:19], info

    path = videos / "0.mp4"
    frames, outcome = decode_one(path, file_digest(path), size=(24, 32), stride=3, read=cut)
    assert (len(frames), outcome["status"]) == (7, "truncated")
    assert outcome["error"] == "19 of 20 frames could be decoded"
