"""Every kind of file that data sets hold: the same frames as PyAV's own loop, or a row that says what is missing."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from objabn.config.schema import Decode
from objabn.decoding.decode import decode_videos
from objabn.index.table import build
from objabn.video.probe import VideoError
from objabn.video.read import read_video
from objabn.video.write import write_video
from tests.helpers.videos import cut, encode, encode_sound, moving_bar, reference, turn_right

REALDATA = Path(__file__).parents[3] / "shared" / "realdata"
realdata = [pytest.mark.realdata, pytest.mark.skipif(not REALDATA.is_dir(), reason="no ../shared/realdata")]
SIZE = (36, 48)  # as stored


def noise(num_frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)


class Case(NamedTuple):
    """A file and what it has to give.

    Attributes:
        made: makes the file; None: it is one of the real ones.
        frames: their number; None: some of 24, the bytes of a made file being those of one machine.
        size: (height, width) as displayed.
        decoder: who serves it.
        lost: how the error of its row begins, after the number of frames if there are any; "" for an intact one.
        turns: quarter turns counter-clockwise from PyAV's frames, which are as stored, to the displayed ones.
        atol: how far (levels) decord's frames may be from PyAV's.
    """

    name: str
    made: Callable[[Path], None] | None
    frames: int | None
    size: tuple[int, int]
    decoder: str
    lost: str = ""
    turns: int = 0
    atol: int = 0


def vfr(path: Path, **options: str) -> None:
    """20 frames whose distances grow from 20 to 210 ms."""
    encode(path, moving_bar(20), times=[int(n * (20 + 5 * (n - 1))) for n in range(20)], **options)


def made_and_cut(share: float, **options: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        encode(path, noise(24), **options)
        cut(path, share)

    return make


def cut_mp4(path: Path) -> None:
    write_video(path, noise(24))  # its header comes first
    cut(path, 0.6)


def turned(path: Path) -> None:
    write_video(path, moving_bar(12))
    turn_right(path)


def only_sound(path: Path) -> None:
    encode_sound(path)


SOME = "of 24 frames could be decoded"
MADE = (
    Case("b-frames.avi", lambda path: encode(path, moving_bar(24), codec="mpeg4", bf="2"), 24, (48, 64), "decord"),
    Case("vp9.webm", lambda path: encode(path, moving_bar(24), codec="libvpx-vp9"), 24, (48, 64), "decord"),
    Case("av1.mp4", lambda path: encode(path, moving_bar(12, 64, 96), codec="libsvtav1"), 12, (64, 96), "pyav"),
    Case("hevc.mp4", lambda path: encode(path, moving_bar(12), codec="libx265"), 12, (48, 64), "decord"),
    Case("mpeg2.mpg", lambda path: encode(path, moving_bar(12), codec="mpeg2video"), 12, (48, 64), "decord"),
    Case("gif.gif", lambda path: encode(path, moving_bar(5), codec="gif", pix_fmt="rgb8"), 5, (48, 64), "pyav"),
    Case("10-bit.mp4", lambda path: encode(path, noise(5), pix_fmt="yuv420p10le"), 5, (48, 64), "pyav"),
    Case("4-4-4.mp4", lambda path: encode(path, noise(5), pix_fmt="yuv444p"), 5, (48, 64), "decord"),
    Case("turned.mp4", turned, 12, (64, 48), "pyav", turns=-1),
    Case("vfr.mp4", vfr, 20, (48, 64), "decord"),
    Case("vfr.mkv", vfr, 20, (48, 64), "decord"),
    Case("vfr.webm", lambda path: vfr(path, codec="libvpx-vp9"), 20, (48, 64), "decord"),
    Case("two-streams.mp4", lambda path: encode(path, moving_bar(12), noise(9, 96, 128)), 12, (48, 64), "pyav"),
    Case("two-streams.mkv", lambda path: encode(path, noise(9, 96, 128), moving_bar(12)), 9, (96, 128), "decord"),
    Case("1-frame.mp4", lambda path: write_video(path, moving_bar(1)), 1, (48, 64), "decord"),
    Case("20-frames.mp4", lambda path: write_video(path, moving_bar(20)), 20, (48, 64), "decord"),
    Case("portrait.mp4", lambda path: write_video(path, moving_bar(12, 96, 54)), 12, (96, 54), "decord"),
    Case("odd-height.avi", lambda path: encode(path, moving_bar(12, 47, 64), codec="mpeg4"), 12, (47, 64), "pyav"),
    Case("odd-width.avi", lambda path: encode(path, moving_bar(12, 48, 63), codec="mpeg4"), 12, (48, 63), "decord"),
    Case("odd-both.webm", lambda path: encode(path, moving_bar(12, 47, 63), codec="libvpx-vp9"), 12, (47, 63), "pyav"),
    Case("1080p.mp4", lambda path: write_video(path, moving_bar(5, 1080, 1920)), 5, (1080, 1920), "decord"),
    Case("cut.mp4", cut_mp4, None, (48, 64), "pyav", SOME),
    Case("cut.avi", made_and_cut(0.7, codec="mpeg4", bf="2"), None, (48, 64), "pyav", SOME),
    Case("cut.webm", made_and_cut(0.7, codec="libvpx-vp9"), None, (48, 64), "pyav", SOME),
    Case("cut-index.mp4", made_and_cut(0.9), 0, (0, 0), "", "not a video: an mp4 or mov without its index"),
    Case("empty.mp4", Path.touch, 0, (0, 0), "", "0 bytes"),
    Case("text.mp4", lambda path: path.write_text("words\n" * 99), 0, (0, 0), "", "not a video: a text file"),
    Case("sound.mp3", only_sound, 0, (0, 0), "", "no video stream"),
)  # fmt: skip
REAL = (
    Case("weizmann/clips/Bend/v_Bend_g01_c01.avi", None, 61, (64, 64), "decord"),
    Case("weizmann/clips/JumpingJack/v_JumpingJack_g04_c02.avi", None, 146, (64, 64), "decord"),
    Case("ucf101/videos/v_ApplyEyeMakeup_g01_c01.avi", None, 164, (240, 320), "decord"),  # XviD with B-frames
    Case("ucf101/videos/v_BaseballPitch_g01_c01.avi", None, 107, (240, 320), "decord"),
    Case("ssv2/videos/5000.webm", None, 52, (240, 427), "decord"),
    Case("ssv2/videos/5001.webm", None, 53, (240, 427), "decord"),  # its first frame comes late
    Case("ssv2/videos/5002.webm", None, 47, (240, 427), "decord"),
    Case("ssv2/videos/41000.webm", None, 154, (1920, 1080), "decord"),
    Case("ssv2/videos/41001.webm", None, 58, (240, 427), "decord"),
    Case("ssv2/videos/41002.webm", None, 58, (240, 427), "decord"),
    Case("ssv2/videos/93000.webm", None, 107, (1080, 1920), "decord"),
    Case("odd/av1_video.mkv", None, 125, (360, 640), "pyav"),
    Case("odd/corrupted.mp4", None, 28, (720, 1280), "pyav", "of 50 frames could be decoded"),
    Case("odd/h264_10bits.mp4", None, 30, (200, 200), "pyav"),
    Case("odd/nasa_13013.mp4.audio.mp3", None, 0, (0, 0), "", "no video stream"),
    Case("odd/video_90.mov", None, 3, (568, 320), "decord", turns=-1, atol=2),
)
CASES = [pytest.param(case, id=case.name) for case in MADE]
CASES += [pytest.param(case, id=case.name, marks=realdata) for case in REAL]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of all cases; of the real ones that are there, links."""
    folder = tmp_path_factory.mktemp("videos")
    for case in MADE:
        case.made(folder / case.name)
    for case in REAL:
        if (REALDATA / case.name).is_file():
            link = folder / case.name
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(REALDATA / case.name, link)
    return folder


@pytest.fixture(scope="module")
def table(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The table of videos of the whole folder, by video."""
    there = [case.name for case in (*MADE, *REAL) if (videos / case.name).exists()]
    listed = pd.DataFrame([{"video": name, "path": name, "label": "a", "split": "train"} for name in there])
    decode = Decode(height=SIZE[0], width=SIZE[1], codec="zstd", quality=95, store=True, stride=1, frames_per_shard=64)
    store = tmp_path_factory.mktemp("store") / "frames"
    return decode_videos(build(listed, videos)[0], videos, store, decode, workers=2, timeout_sec=300.0).set_index(
        "video"
    )


@pytest.mark.parametrize("case", CASES)
def test_frames_are_those_of_pyav(videos: Path, case: Case) -> None:
    path = videos / case.name
    if case.frames == 0:
        with pytest.raises(VideoError, match=f"^{case.lost}"):
            read_video(path)
        return
    frames, info = read_video(path)
    expected = np.rot90(reference(path), case.turns, axes=(1, 2))
    assert (info.height, info.width, info.decoder) == (*case.size, case.decoder)
    assert len(frames) == case.frames or (case.frames is None and 0 < len(frames) < 24)
    if case.frames is None:  # PyAV makes a grey frame of a part of one, or fails at it and keeps back those before it
        assert abs(len(frames) - len(expected)) <= 2
        same = min(len(frames), len(expected)) - 2
        frames, expected = frames[:same], expected[:same]
    assert frames.shape == expected.shape
    for frame, other in zip(frames, expected, strict=True):  # one by one: 154 of 1080p are 1 GB
        assert np.abs(frame.astype(np.int16) - other).max() <= case.atol


@pytest.mark.parametrize("case", CASES)
def test_its_row_says_what_became_of_it(table: pd.DataFrame, case: Case) -> None:
    row = table.loc[case.name]
    status = "failed" if case.frames == 0 else "truncated" if case.lost else "ok"
    assert (row["status"], row["decoder"]) == (status, case.decoder)
    assert row["frames"] == case.frames or (case.frames is None and 0 < row["frames"] < 24)
    assert (row["height"], row["width"]) == case.size
    assert row["error"].startswith(f"{row['frames']} {case.lost}" if status == "truncated" else case.lost)
    assert row["error"] or status == "ok"
