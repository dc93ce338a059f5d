"""Finished runs in the side cache."""

from pathlib import Path

import pytest

from objabn.system.cache import Cache, unit_key
from objabn.training.finished import KIND, keep_run, take_run

KEY = unit_key(what="a training")
FILES = {"model.safetensors": b"\x00\xff weights", "run.json": b"{}\n", "curves.csv": b"epoch\r\n1\n"}


def test_a_kept_run_comes_back(tmp_path: Path) -> None:
    """Its files and its times, and nothing that stood in its place; under its own key only."""
    cache, kept, taken = Cache(tmp_path / "cache"), tmp_path / "kept", tmp_path / "place/taken"
    for folder in (kept, taken):
        folder.mkdir(parents=True)
    for name, content in FILES.items():
        (kept / name).write_bytes(content)
    (kept / "stray").touch()
    (taken / "older").touch()
    keep_run(cache, KEY, kept, {"train_seconds": 1.5})
    assert take_run(cache, unit_key(what="another"), taken) is None
    assert (taken / "older").exists()
    assert take_run(cache, KEY, taken) == {"train_seconds": 1.5}
    assert {path.name: path.read_bytes() for path in taken.iterdir()} == FILES


@pytest.mark.parametrize("content", [b"", b"not a zip"])
def test_something_else_is_a_clear_fault(tmp_path: Path, content: bytes) -> None:
    cache = Cache(tmp_path)
    cache.store(KIND, KEY, content)
    with pytest.raises(ValueError, match=r"expected a finished run, got something else; remove it$") as error:
        take_run(cache, KEY, tmp_path / "run")
    assert str(error.value).startswith(str(cache.path(KIND, KEY)))
