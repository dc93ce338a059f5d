"""Clips placed end to end: by hand, and whatever the length each frame of the grid once."""

import gc
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objabn.clips.sampling import frame_indices
from objabn.config.schema import Data
from objabn.explanation.clip_stream import PlacedClip, end_to_end

STORED, SHOWN = (2, 3), (4, 6)


def data(length: int, stride: int, pad: str = "last") -> Data:
    return Data(num_frames=length, frame_stride=stride, pad=pad, crop=32, short_side_min=32, short_side_max=32,
                short_side_eval=32, flip=0.0, colour=0.0)  # fmt: skip


def numbered(num_frames: int) -> Iterator[np.ndarray]:
    """Frames of the stored size whose grey is their number (modulo 256), in one array that is filled anew."""
    frame = np.empty((*STORED, 3), np.uint8)
    for number in range(num_frames):
        frame[:] = number % 256
        yield frame


def placed(num_frames: int, length: int, stride: int, pad: str = "last") -> list[PlacedClip]:
    return list(end_to_end(numbered(num_frames), data(length, stride, pad), STORED, SHOWN))


def seen(clip: PlacedClip) -> list[int]:
    assert clip.frames.shape[1:] == (*STORED, 3)
    return clip.frames[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("num_frames", "pad", "clips"),
    [
        # clips of 3 frames, every second one; of each: what the network sees, and which are new
        (12, "last", [([0, 2, 4], [0, 2, 4]), ([6, 8, 10], [6, 8, 10])]),
        (11, "last", [([0, 2, 4], [0, 2, 4]), ([6, 8, 10], [6, 8, 10])]),
        (13, "last", [([0, 2, 4], [0, 2, 4]), ([6, 8, 10], [6, 8, 10]), ([8, 10, 12], [12])]),
        (10, "last", [([0, 2, 4], [0, 2, 4]), ([4, 6, 8], [6, 8])]),
        (5, "loop", [([0, 2, 4], [0, 2, 4])]),
        (4, "last", [([0, 2, 3], [0, 2])]),
        (4, "loop", [([0, 2, 0], [0, 2])]),
        (3, "loop", [([0, 2, 1], [0, 2])]),
        (1, "last", [([0, 0, 0], [0])]),
        (1, "loop", [([0, 0, 0], [0])]),
        (0, "last", []),
    ],
)
def test_clips_by_hand(num_frames, pad, clips):
    found = placed(num_frames, 3, 2, pad)
    assert [(seen(clip), clip.numbers.tolist()) for clip in found] == clips
    assert [clip.start for clip in found] == [frames[0] for frames, _ in clips]


@given(st.integers(1, 80), st.integers(1, 6), st.integers(1, 5), st.sampled_from(["last", "loop"]))
def test_each_frame_of_the_grid_is_new_once(num_frames, length, stride, pad):
    found = placed(num_frames, length, stride, pad)
    numbers = [number for clip in found for number in clip.numbers.tolist()]
    assert numbers == list(range(0, num_frames, stride))
    for clip in found:
        expected = frame_indices(num_frames, clip.start, length, stride, pad)
        assert seen(clip) == expected.tolist()
        assert expected[clip.new].tolist() == clip.numbers.tolist()
        assert [picture[0, 0, 0] for picture in clip.shown] == clip.numbers.tolist()
        assert {picture.shape for picture in clip.shown} == {(*SHOWN, 3)}
    assert [clip.start for clip in found[:-1]] == [length * stride * at for at in range(len(found) - 1)]


def test_memory_does_not_grow_with_the_video():
    def peak(num_frames: int) -> int:
        gc.collect()
        tracemalloc.start()
        for _ in end_to_end(numbered(num_frames), data(4, 2), (60, 80), (100, 100)):
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(400) < peak(40) + 300_000  # ten frames as shown
