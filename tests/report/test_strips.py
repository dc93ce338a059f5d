"""Pictures of kept maps: which videos, what is read again of them, and what stands above."""

from pathlib import Path

import numpy as np
import pandas as pd

from objabn.evaluation.kept_maps import KeptMaps
from objabn.report.kept_clips import kept_pictures, seen_clip
from objabn.report.strips import draw_maps

SIZE = 8


class Ramp:
    """Frames of 8 x 16 pixels whose level is the frame's number, but for the right half, which is white."""

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        frames = np.broadcast_to(indices.astype(np.uint8)[:, None, None, None], (len(indices), 8, 16, 3)).copy()
        frames[:, :, 8:] = 255
        return frames

    def read_all(self, video: str) -> np.ndarray:
        raise AssertionError("more than the clip was read")


def kept_maps() -> KeptMaps:
    """Of four videos of three classes; each map is 0.2 times the video's number, M_o 0.1 more than M_u."""
    videos = ["a/1", "b/2", "a/3", "c/4"]
    maps = np.zeros((4, 2, 3, 2, 2), np.uint8)
    for number in range(4):
        maps[number, 0], maps[number, 1] = round(51 * number), round(51 * number + 25.5)
    frames = np.array([[2, 4, 6]] * 4)
    boxes = np.array([[0, 0, 0.5, 1]] * 4, np.float32)  # the left half
    return KeptMaps(np.array(videos), np.array(["u", "o"]), maps, frames, boxes)


def test_a_clip_is_read_again_as_the_network_saw_it() -> None:
    clip = seen_clip(kept_maps(), 1, Ramp(), SIZE)
    assert clip.shape == (3, 3, SIZE, SIZE)
    for at, level in enumerate((2, 4, 6)):
        np.testing.assert_allclose(clip[:, at, :, :-1].numpy(), level, atol=1e-3)  # the last column touches the white


def test_the_first_video_of_each_class_is_shown_with_its_answer(tmp_path: Path) -> None:
    """Lines of the results stand in another order, and one video has no kept map."""
    lines = [("c/4", "c", "a"), ("b/2", "b", "b"), ("a/3", "a", "a"), ("a/1", "a", "c"), ("a/9", "a", "a")]
    results = pd.DataFrame(lines, columns=["video", "label", "predicted"])
    pictures = kept_pictures(kept_maps(), results, Ramp(), SIZE)
    assert [picture.title for picture in pictures] == [
        "a: predicted c (a/1)",
        "b: predicted b (b/2)",
        "c: predicted a (c/4)",
    ]
    for picture, number in zip(pictures, (0, 1, 3), strict=True):
        assert picture.frames.dtype == np.uint8
        assert picture.frames[:, 0, 0, 0].tolist() == [2, 4, 6]
        assert list(picture.maps) == ["u", "o"]
        np.testing.assert_allclose(picture.maps["u"], 0.2 * number, atol=0.002)
        np.testing.assert_allclose(picture.maps["o"], 0.2 * number + 0.1, atol=0.002)
    long = results.assign(label="Moving something " * 20 + results["label"], predicted="x" * 500)
    titles = [picture.title for picture in kept_pictures(kept_maps(), long, Ramp(), SIZE)]
    assert len(set(titles)) == 3
    assert [title[58:76] for title in titles] == [f" {label}: predicted xxxx" for label in "abc"]
    assert max(map(len, titles)) < 160
    two = kept_pictures(kept_maps(), results, Ramp(), SIZE, num_videos=2)
    assert [picture.title[0] for picture in two] == ["a", "c"]
    draw_maps(pictures, tmp_path / "maps.png")
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")
