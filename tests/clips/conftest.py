"""Fixtures of several tests of clips."""

from pathlib import Path

import pytest

from tests.helpers.training import write_stores


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`frames`, `masks` and `truth` of 8 training and 5 test videos of 3 classes."""
    return write_stores(tmp_path_factory.mktemp("stores"))
