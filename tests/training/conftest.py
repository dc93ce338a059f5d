"""Fixtures of several tests of training."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from objabn.stores.array import StoreWriter
from tests.helpers.checkout import Checkout, counted


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`frames`, `masks` and `truth` of 8 training and 5 test videos of 3 classes."""
    folder = tmp_path_factory.mktemp("stores")
    draw = np.random.default_rng(0)
    writers = {}
    for name, shape in (("frames", (32, 40, 3)), ("masks", (2, 128, 128)), ("truth", (2, 128, 128))):
        (folder / name).mkdir()
        writers[name] = StoreWriter(folder / name, shape, frames_per_shard=64)
    for number in range(13):
        split, label = ("train" if number < 8 else "test"), "abc"[number % 3]
        row = {"video": f"v{number}", "label": label, "split": split, "height": 64, "width": 80}
        writers["frames"].append(draw.integers(0, 256, (10, 32, 40, 3), dtype=np.uint8), **row)
        planes = np.zeros((10, 2, 128, 128), np.uint8)
        planes[:, 0, 32:96, 32:96] = 255
        writers["masks"].append(planes, video=f"v{number}")
        writers["truth"].append(planes, video=f"v{number}")
    for writer in writers.values():
        writer.close()
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    """`data` with frames and masks."""
    checkout = Checkout(tmp_path_factory.mktemp("made")).frames(range(24))
    counted(checkout.start())
    (checkout.folder / "data/synthetic/index.csv").write_text("made by the test\n")
    return checkout.folder / "data"


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Bits are those of a number of threads; processes started here have one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OMP_NUM_THREADS", "1")
        yield
