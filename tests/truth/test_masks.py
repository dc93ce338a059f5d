"""Masks of some frames: the number in a name is the frame's, and what has no file is not known."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objabn.truth.masks import read_masks
from objabn.truth.videos import Video
from objabn.truth.write import UNKNOWN, LeftOut, Masks
from tests.helpers.truth import videos_of

VIDEO = Video("run/a", frames=4, stride=1, fps=25.0, height=8, width=8)


def write_png(folder: Path, name: str, left: int = 0) -> None:
    """A mask over this many of four columns."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.zeros((4, 4), np.uint8)
    values[:, :left] = 255
    Image.fromarray(values).save(folder / name)


def areas(found: Masks | LeftOut) -> list[list[float]]:
    """Of persons and of others in each frame."""
    assert isinstance(found, Masks), found
    return (found.planes == 255).mean(axis=(2, 3)).tolist()


def test_pngs_of_some_frames(tmp_path: Path) -> None:
    write_png(tmp_path / "run/a", "00001.png", left=2)
    write_png(tmp_path / "run/a", "00003.png")
    (tmp_path / "run/empty").mkdir()
    ((name, found),) = read_masks(tmp_path, videos_of(VIDEO, VIDEO._replace(id="run/b")), "png")
    assert (name, areas(found)) == ("run/a", [[0, 0], [0.5, 0], [0, 0], [0, 0]])
    assert found.known.tolist() == [False, True, False, True]
    ((_, found),) = read_masks(tmp_path, videos_of(VIDEO), "png", class_name="dog", first=1)
    assert (areas(found)[0], found.known.tolist()) == ([0, 0.5], [True, False, True, False])


def test_with_a_stride_those_of_stored_frames(tmp_path: Path) -> None:
    """Of eight frames 0, 2, 4 and 6 are stored; number 7 is one of the video's."""
    for number in (0, 3, 6, 7):
        write_png(tmp_path / "run/a", f"{number}.png", left=number // 2 % 4)
    ((_, found),) = read_masks(tmp_path, videos_of(VIDEO._replace(stride=2)), "png")
    assert (found.known.tolist(), areas(found)[3]) == ([True, False, False, True], [0.75, 0])


@pytest.mark.parametrize(
    ("name", "first", "got"),
    [
        ("4.png", 0, "expected 0 to 3 (--first-frame), got 4.png"),
        ("0.png", 1, "expected 1 to 4 (--first-frame), got 0.png"),
        ("mask.png", 0, "expected 0 to 3 (--first-frame), got mask.png"),
    ],
)
def test_numbers_that_are_no_frames(tmp_path: Path, name: str, first: int, got: str) -> None:
    write_png(tmp_path / "run/a", name)
    left_out = LeftOut("its files have numbers that are no frames", got)
    assert list(read_masks(tmp_path, videos_of(VIDEO), "png", first=first)) == [("run/a", left_out)]


def test_folders_are_found_by_the_last_part_of_an_id_in_any_case(tmp_path: Path) -> None:
    for folder in ("A", "jump/b", "z/other", "run/C/deeper", ".hidden/a"):
        write_png(tmp_path / folder, "1.png", left=2)
    found = read_masks(tmp_path, videos_of(VIDEO, VIDEO._replace(id="run/B")), "png")
    assert [(name, isinstance(each, LeftOut)) for name, each in found] == [
        ("A", False), ("jump/b", False), ("run/C/deeper", True), ("z/other", True),
    ]  # fmt: skip


@pytest.mark.parametrize("format", ["png", "coco"])
def test_of_a_truncated_video_the_frames_that_are_there(tmp_path: Path, format: str) -> None:
    """Four frames of the video's were decoded, of which two are stored; annotated are 2, 3, 4 and 9."""
    path = tmp_path / "a.json"
    if format == "png":
        path = tmp_path
        for number in (2, 3, 4, 9):
            write_png(path / "run/a", f"{number}.png", left=1)
    else:
        images = [{"id": at, "file_name": f"run/a/{at}.jpg", "height": 8, "width": 8} for at in (2, 3, 4, 9)]
        boxes = [{"image_id": at, "bbox": [0, 0, 2, 8]} for at in (2, 3, 4, 9)]
        path.write_text(json.dumps({"images": images, "annotations": boxes}))
    video = VIDEO._replace(frames=2, stride=2, is_whole=False)
    ((_, found),) = read_masks(path, videos_of(video), format)
    assert (found.known.tolist(), areas(found)) == ([False, True], [[0, 0], [0.25, 0]])
    ((_, found),) = read_masks(path, videos_of(video._replace(is_whole=True)), format)
    assert isinstance(found, LeftOut)


def test_a_coco_json_of_some_frames(tmp_path: Path) -> None:
    """A person's box in frame 2, a dog's in frame 0, nothing in frame 1; frame 3 has no image."""
    images = [{"id": at, "file_name": f"run/a/{at}.jpg", "height": 8, "width": 8} for at in range(3)]
    images.append({"id": 9, "file_name": "run/z/0.jpg", "height": 8, "width": 8})
    annotations = [
        {"id": 0, "image_id": 2, "category_id": 1, "bbox": [0, 0, 4, 8]},
        {"id": 1, "image_id": 0, "category_id": 2, "bbox": [0, 0, 8, 2]},
    ]
    categories = [{"id": 1, "name": "Person"}, {"id": 2, "name": "dog"}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    found = dict(read_masks(path, videos_of(VIDEO), "coco"))
    assert areas(found["run/a"]) == [[0, 0.25], [0, 0], [0.5, 0], [0, 0]]
    assert found["run/a"].known.tolist() == [True, True, True, False]
    assert found["run/z"] == UNKNOWN


def test_no_masks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^{tmp_path}/m: expected a directory of <video id>/<number>.png, got none$"):
        read_masks(tmp_path / "m", videos_of(VIDEO), "png")
    with pytest.raises(ValueError, match=rf"^{tmp_path}/m: expected a COCO json, got no such file$"):
        read_masks(tmp_path / "m", videos_of(VIDEO), "coco")
