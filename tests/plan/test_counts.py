"""Counts of a data set's videos and frames from whatever there is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.config.file import load_params
from objabn.config.schema import Dataset
from objabn.index.table import COLUMNS
from objabn.plan.counts import PUBLISHED, count
from objabn.video.write import write_video

ROOT = Path(__file__).parents[2]


def write_index(place: Path, name: str, videos: int) -> pd.DataFrame:
    """An index of `videos` videos in two classes, every fourth for testing."""
    names = [f"{'ab'[number % 2]}/v{number}" for number in range(videos)]
    rows = {"video": names, "path": [f"{name}.mp4" for name in names], "label": [name[0] for name in names]}
    rows["split"] = ["test" if number % 4 == 3 else "train" for number in range(videos)]
    rows |= {"bytes": ["10"] * videos, "digest": [f"{number:032x}" for number in range(videos)]}
    index = pd.DataFrame(rows)[COLUMNS]
    (place / "data" / name).mkdir(parents=True)
    index.to_csv(place / "data" / name / "index.csv", index=False)
    return index


def block(name: str) -> Dataset:
    return load_params(ROOT / "params.yaml").datasets[name]


def every(stride: int, name: str) -> Dataset:
    """A block that keeps every n-th frame."""
    params = block(name)
    return params.model_copy(update={"decode": params.decode.model_copy(update={"stride": stride})})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ucf101", (9_537, 3_783, 2_480_000, 101)),
        ("ssv2", (168_913, 24_777, 9_400_000, 174)),
        ("synthetic", (320, 128, 448 * 36, 8)),
    ],
)
def test_counts_without_any_file(place: Path, name: str, expected: tuple) -> None:
    counts, own = count(name, block(name))
    assert (counts.train, counts.test, counts.frames, counts.classes) == expected
    assert counts.origin.startswith("the block synthesize" if name == "synthetic" else "published numbers")
    assert own.empty


@pytest.mark.parametrize(("name", "frames"), [("ucf101", 354_286), ("ssv2", 1_342_858), ("synthetic", 448 * 6)])
def test_counts_of_every_seventh_frame(place: Path, name: str, frames: int) -> None:
    """A part of the stride counts as one frame: 36 / 7 are six."""
    assert count(name, every(7, name))[0].frames == frames


def test_counts_of_a_decoded_index(place: Path) -> None:
    index = write_index(place, "folder", 8)
    store = place / "data/folder/frames"
    store.mkdir()
    index.assign(frames=[10] * 7 + [0]).to_csv(store / "videos.csv", index=False)
    counts, own = count("folder", block("folder"))
    assert (counts.train, counts.test, counts.frames, counts.classes) == (6, 2, 70, 2)
    assert counts.origin == "data/folder/index.csv and its decoded frames"
    assert own.empty
    assert count("folder", every(3, "folder"))[0].frames == 70  # those in the store


def test_with_folds_every_video_is_tested_and_no_network_learns_from_its_own_fold(place: Path) -> None:
    index = write_index(place, "folder", 8).assign(split=["fold-1", "fold-2", "fold-3", "fold-2"] * 2)
    index.to_csv(place / "data/folder/index.csv", index=False)
    (place / "data/folder/frames").mkdir()
    index.assign(frames=10).to_csv(place / "data/folder/frames/videos.csv", index=False)
    counts, _ = count("folder", block("folder"))
    assert (counts.train, counts.val, counts.test, counts.networks) == (5, 0, 8, 3)  # two thirds of 8 are 5.3
    assert (counts.videos, counts.watched, counts.frames, counts.classes) == (8, 3, 80, 2)


def test_counts_of_what_is_decoded_with_another_stride(place: Path) -> None:
    """Its frames are not those that `decode` will keep."""
    index = write_index(place, "folder", 8)
    store = place / "data/folder/frames"
    store.mkdir()
    index.assign(frames=[10] * 7 + [0], container_frames=[30.0, np.nan] * 4).to_csv(store / "videos.csv", index=False)
    assert count("folder", every(3, "folder"))[0].frames == 70
    with pytest.raises(ValueError, match=r"expected videos of data/folder/index\.csv, found none"):
        count("folder", block("folder"))


def test_counts_by_the_headers_of_the_videos_that_are_there(place: Path) -> None:
    index = write_index(place, "folder", 8)
    for number, frames in ((0, 10), (5, 20)):
        write_video(place / "data/folder/videos" / index["path"][number], np.zeros((frames, 32, 32, 3), np.uint8))
    counts, own = count("folder", block("folder"))
    assert counts.frames == 8 * 15
    assert counts.origin == "data/folder/index.csv and the headers of 2 videos"
    assert own["frames"].tolist() == [10, 20]
    assert count("folder", every(3, "folder"))[0].frames == 8 * (4 + 7) / 2


def test_an_index_whose_videos_are_elsewhere_is_a_clear_fault(place: Path) -> None:
    write_index(place, "ucf101", 8)
    with pytest.raises(ValueError, match=r"^data/ucf101/videos: expected videos of data/ucf101/index.csv, found none"):
        count("ucf101", block("ucf101"))


def test_published_numbers_add_up() -> None:
    assert (PUBLISHED["ucf101"].videos, PUBLISHED["ssv2"].videos) == (13_320, 193_690)
