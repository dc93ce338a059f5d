"""Something-Something v2's size, 220,000 videos and 9.4 million frames: few files, little memory."""

import os
import pickle
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.clips.dataset import ClipDataset, open_split
from objabn.config.file import load_params
from objabn.stores.array import StoreWriter
from objabn.stores.masks import shard_length

NUM_VIDEOS, NUM_FRAMES = 220_000, 9_400_000
MOST_FILES, MOST_BYTES = 1_000, 200 * 2**20
DATASETS = load_params(Path(__file__).parents[2] / "params.yaml").datasets


def num_files(num_frames: int, shard: int, folder: Path, item_shape: tuple[int, ...]) -> int:
    """Files of a store, extrapolated from two that the writer makes: files are a constant and some for each shard."""
    counts = []
    for shards in (2, 5):
        path = folder / f"{shard}-{shards}"
        path.mkdir()
        writer = StoreWriter(path, item_shape, frames_per_chunk=4, frames_per_shard=4)
        writer.append(np.zeros((4 * shards - 1, *item_shape), np.uint8), video="a")
        writer.close()
        counts.append(len(list(path.rglob("*"))))  # folders, too: DVC takes as long for one
    each = (counts[1] - counts[0]) / 3
    return round(counts[0] + each * (-(-num_frames // shard) - 2))


@pytest.mark.parametrize(("dataset", "num_frames"), [("ucf101", 2_484_000), ("ssv2", NUM_FRAMES)])
def test_a_store_has_at_most_a_thousand_files(tmp_path: Path, dataset: str, num_frames: int) -> None:
    frames = num_files(num_frames, DATASETS[dataset].decode.frames_per_shard, tmp_path, (1, 1, 3))
    masks = num_files(num_frames, shard_length(num_frames), tmp_path, (2, 1, 1)) + 1  # and the table of instances
    assert max(frames, masks) <= MOST_FILES


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose frames are one pixel; it serves as masks, too."""
    folder = tmp_path_factory.mktemp("store")
    writer = StoreWriter(folder, (2, 1, 1), frames_per_chunk=1024, frames_per_shard=2**20)
    writer.append(np.ones((NUM_VIDEOS, 2, 1, 1), np.uint8), video="all")
    writer.close()
    ids = pd.Series(np.arange(NUM_VIDEOS)).astype(str)
    label = "Pretending to put something number " + ids.str[-2:] + " next to something"
    table = pd.DataFrame({"video": ids, "path": ids + ".webm", "label": label, "split": "train", "digest": "0" * 32})
    table = table.assign(status="ok", height=240, width=427, offset=np.arange(NUM_VIDEOS), frames=1)
    table.to_csv(folder / "videos.csv", index=False)
    return folder


def open_(store: Path) -> ClipDataset:
    return open_split("train", DATASETS["ssv2"], store, store, seed=0)


def private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_"))


def opened(store: Path) -> None:
    """What a spawned worker holds."""
    before = private_bytes()
    dataset = open_(store)
    growth = private_bytes() - before
    assert len(dataset) == NUM_VIDEOS
    assert growth < MOST_BYTES, growth


def inherited(store: Path) -> None:
    """What a forked worker no longer shares once it has read items from all pages of the index."""
    dataset = open_(store)
    process = get_context("fork").Process(target=touched, args=(dataset,))
    process.start()
    process.join()
    assert process.exitcode == 0


def touched(dataset: ClipDataset) -> None:
    before = private_bytes()
    for number in range(0, len(dataset), 100):
        dataset[number]
    growth = private_bytes() - before
    assert growth < MOST_BYTES, growth


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="needs Linux")
@pytest.mark.parametrize("work", [opened, inherited])
def test_a_workers_share_of_the_index_is_small(store: Path, work: Callable[[Path], None]) -> None:
    """In a new process: one that is forked here would copy pages of whatever ran before, and count them as its own."""
    process = get_context("spawn").Process(target=work, args=(store,))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_what_goes_to_a_spawned_worker_is_small(store: Path) -> None:
    assert len(pickle.dumps(open_(store))) < MOST_BYTES / 4


@pytest.mark.parametrize("num_frames", [1, 1000, 1024, 1025, 16_000, 16_384, 9_400_000])
def test_a_plan_knows_the_shards_of_the_mask_store(num_frames: int) -> None:
    assert shard_length(num_frames) == shard_length(num_frames)
