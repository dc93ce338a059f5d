"""Fixtures of several tests of masks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.segmentation.segment import segment_videos
from objabn.segmentation.units import Unit, unit_names
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID
from objabn.system.cache import Cache
from tests.helpers.masks import LENGTHS, found


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    """Frames and masks are there; truth: the person half as wide as found, and in `c` a distractor where the dog is."""
    for name in ("frames", "masks", "truth"):
        (tmp_path / name).mkdir()
    frames = StoreWriter(tmp_path / "frames", (8, 8, 3), frames_per_shard=16)
    truth = StoreWriter(tmp_path / "truth", (2, GRID, GRID), frames_per_shard=16)
    for video, length in LENGTHS.items():
        row = {"digest": video, "label": "x", "split": "test" if video == "c" else "train", "status": "ok"}
        frames.append(np.zeros((length, 8, 8, 3), np.uint8), video=video, **row)
        planes = np.zeros((length, 2, GRID, GRID), np.uint8)
        planes[:, 0, :, :16] = 255
        planes[:, 1, :, 96:] = 255 if video == "c" else 0
        truth.append(planes, video=video)
    truth.close()
    table = frames.close()
    store, cache = tmp_path / "masks", Cache(tmp_path / "cache")
    segment_videos(
        table, unit_names(table, {}), StoreReader(tmp_path / "frames"), store, make_segmenter=lambda: found, cache=cache
    )
    return table


@pytest.fixture
def units(tmp_path: Path) -> list[Unit]:
    """Units of a store of short videos, `frames`, one of them without frames."""
    (tmp_path / "frames").mkdir()
    writer = StoreWriter(tmp_path / "frames", (8, 8, 3), frames_per_shard=16)
    for video, length in {"a": 3, "b": 0, "c": 5, "d": 2, "e": 4}.items():
        writer.append(np.zeros((length, 8, 8, 3), np.uint8), video=video, digest=video, label="x", split="train")
    table = writer.close()
    return [Unit(*row) for row in zip(table["video"], unit_names(table, {}), table["frames"].tolist(), strict=True)]
