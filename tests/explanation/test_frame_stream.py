"""Frames one at a time: those of `read_video`, whichever decoder fails, and none kept behind the caller's back."""

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from objabn.explanation import frame_stream
from objabn.explanation.frame_stream import stream_video
from objabn.video.probe import VideoError
from objabn.video.read import DecordUnfit, read_video
from objabn.video.write import open_writer, write_video
from tests.helpers.videos import cut, encode, moving_bar, turn_right


def turned(path: Path) -> None:
    write_video(path, moving_bar(12))
    turn_right(path)


def cut_avi(path: Path) -> None:
    encode(path, np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8), codec="mpeg4", bf="2")
    cut(path, 0.7)


@pytest.mark.parametrize("batch", [1, 4, 100])
@pytest.mark.parametrize(
    ("name", "make", "decoder"),
    [
        ("a.mp4", lambda path: write_video(path, moving_bar(21)), "decord"),
        ("one.mp4", lambda path: write_video(path, moving_bar(1)), "decord"),
        ("a.webm", lambda path: encode(path, moving_bar(10), codec="libvpx-vp9"), "decord"),
        ("b.avi", lambda path: encode(path, moving_bar(24), codec="mpeg4", bf="2"), "decord"),
        ("odd.avi", lambda path: encode(path, moving_bar(12, 47, 64), codec="mpeg4"), "pyav"),
        ("turned.mp4", turned, "pyav"),
        ("cut.avi", cut_avi, "pyav"),
    ],
)
def test_the_frames_are_those_of_the_whole(tmp_path, name, make, decoder, batch):
    make(tmp_path / name)
    frames, info = read_video(tmp_path / name)
    stream = stream_video(tmp_path / name, batch=batch)
    assert stream.info == info
    assert info.decoder == decoder
    np.testing.assert_array_equal(np.stack([frame.copy() for frame in stream]), frames)
    if name != "cut.avi":
        assert stream.packets == len(frames)


def test_a_long_video_is_pyavs_since_decord_decodes_ahead(tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4", moving_bar(21))
    frames, _ = read_video(tmp_path / "a.mp4")
    for limit, decoder in ((frames.nbytes, "decord"), (frames.nbytes - 1, "pyav")):
        monkeypatch.setattr(frame_stream, "DECORD_BYTES", limit)
        stream = stream_video(tmp_path / "a.mp4")
        assert stream.info.decoder == decoder
        np.testing.assert_array_equal(np.stack([frame.copy() for frame in stream]), frames)


@pytest.mark.parametrize("failing", [1, 5, 20, 21])
def test_behind_a_decord_that_fails_pyav_goes_on(tmp_path, monkeypatch, failing):
    """The frames so far are decord's, here in negative, and each comes once."""
    write_video(tmp_path / "a.mp4", moving_bar(21))
    frames, _ = read_video(tmp_path / "a.mp4")

    def fails(name: str, probe: object, batch: int) -> Iterator[np.ndarray]:
        yield from 255 - frames[:failing]
        raise DecordUnfit

    monkeypatch.setattr(frame_stream, "decord_frames", fails)
    found = np.stack(list(stream_video(tmp_path / "a.mp4")))
    np.testing.assert_array_equal(found, np.concatenate([255 - frames[:failing], frames[failing:]]))


@pytest.mark.parametrize("name", ["a.mp4", "b-odd.avi"])  # decord, PyAV
def test_memory_does_not_grow_with_the_video(tmp_path, name):
    def peak(num_frames: int) -> int:
        frames = moving_bar(num_frames, 97, 128)
        encode(tmp_path / name, frames, codec="mpeg4") if name == "b-odd.avi" else write_video(tmp_path / name, frames)
        del frames
        gc.collect()
        tracemalloc.start()
        count = sum(1 for _ in stream_video(tmp_path / name, batch=2))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == num_frames
        return highest

    peak(12)  # what is made once
    assert peak(120) < peak(12) + 10 * 97 * 128 * 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (Path.touch, "0 bytes"),
        (Path.mkdir, "not a file"),
        (lambda path: path.write_text("words\n" * 99), 'not a video: a text file, "words"'),
    ],
)
def test_a_file_without_frames_says_so_before_the_first(tmp_path, make, message):
    make(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match=f"^{message}$"):
        stream_video(tmp_path / "a.mp4")


def test_a_batch_of_none(tmp_path):
    with pytest.raises(ValueError, match="stream_video: expected a positive batch, got 0"):
        stream_video(tmp_path / "a.mp4", batch=0)


def test_what_is_written_frame_by_frame_is_what_is_written_at_once(tmp_path):
    frames = moving_bar(9, 47, 63)
    write_video(tmp_path / "whole.mp4", frames, fps=12.5)
    with open_writer(tmp_path / "by/frame.mp4", 47, 63, fps=12.5) as write:
        for frame in frames:
            write(frame)
        assert not (tmp_path / "by/frame.mp4").exists()
    assert (tmp_path / "by/frame.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_an_interrupted_writer_leaves_nothing(tmp_path):
    def interrupted() -> None:
        with open_writer(tmp_path / "a.mp4", 48, 64) as write:
            write(moving_bar(1)[0])
            raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        interrupted()
    assert not list(tmp_path.iterdir())
