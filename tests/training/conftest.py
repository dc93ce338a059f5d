"""Fixtures of several tests of training."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.checkout import Checkout, counted
from tests.helpers.training import write_stores


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`frames`, `masks` and `truth` of 8 training and 5 test videos of 3 classes."""
    return write_stores(tmp_path_factory.mktemp("stores"))


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
