"""Masks over frames: their colours, their place, the shape of the picture."""

from pathlib import Path

import numpy as np

from objabn.segmentation.contact_sheet import COLOURS
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID
from objabn.truth.overlay import draw, write_overlay
from objabn.truth.unions import Video
from objabn.video.read import read_video


def test_colours_lie_where_the_masks_are() -> None:
    person, other = np.zeros((2, GRID, GRID), bool)
    person[:, :64] = True
    other[:, 32:96] = True
    picture = draw(np.full((8, 8, 3), 100, np.uint8), {"person": person, "other": other}, 60, 80)
    assert picture.shape == (60, 80, 3)
    tint = {name: np.round(55 + 0.45 * np.array(colour)).astype(np.uint8) for name, colour in COLOURS.items()}
    both = np.round(0.55 * tint["other"] + 0.45 * np.array(COLOURS["person"])).astype(np.uint8)
    assert picture[30, 10].tolist() == tint["person"].tolist()
    assert picture[30, 30].tolist() == both.tolist()  # persons on top
    assert picture[30, 50].tolist() == tint["other"].tolist()
    assert picture[30, 70].tolist() == [100, 100, 100]


def test_a_video(tmp_path: Path) -> None:
    for name, shape in (("frames", (16, 16, 3)), ("masks", (2, GRID, GRID))):
        (tmp_path / name).mkdir()
        writer = StoreWriter(tmp_path / name, shape, frames_per_shard=16)
        items = np.zeros((3, *shape), np.uint8)
        if name == "masks":
            items[1, 0, :, 64:] = 200
        writer.append(items, video="walk/a")
        writer.close()
    readers = [StoreReader(tmp_path / name) for name in ("frames", "masks")]
    path = write_overlay(tmp_path / "out", *readers, Video("walk/a", 3, 1, 1440, 960, 12.5), 0.5)
    assert path == tmp_path / "out/walk/a.mp4"
    frames, info = read_video(path)
    assert (frames.shape, info.fps) == ((3, 720, 480, 3), 12.5)
    reddish = frames[..., 0].astype(int) - frames[..., 2]
    assert (reddish[1, :, 300:].min() > 60, reddish[1, :, :200].max() < 20) == (True, True)
    assert np.abs(reddish[[0, 2]]).max() < 20
