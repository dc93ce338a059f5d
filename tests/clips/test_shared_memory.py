"""Room in shared memory for a loader's batches."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from objabn.clips import shared_memory as module
from objabn.clips.shared_memory import check_shared_memory, shortage_in_one_line


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(module, "SHARED", tmp_path)
    return lambda num_bytes: monkeypatch.setattr(
        module.shutil, "disk_usage", lambda path: SimpleNamespace(free=num_bytes)
    )


def test_two_batches_for_each_worker(free) -> None:
    free(8 * 2 * 1000)
    check_shared_memory(8, 1000)
    free(8 * 2 * 1000 - 1)
    with pytest.raises(ValueError, match=r"expected 16,000 bytes free in .*, for 8 workers"):
        check_shared_memory(8, 1000)


def test_the_message_is_one_line_that_says_what_to_do(free, tmp_path: Path) -> None:
    free(64 * 1024**2)
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is compared)
        check_shared_memory(8, 40_000_000, processes=4)
    assert str(error.value) == (
        f"machine.loader_workers: expected 2,560,000,000 bytes free in {tmp_path}, for 32 workers with 2 batches of "
        "40,000,000 bytes each, got 67,108,864; give the container more (docker run --shm-size=4g; in Kubernetes an "
        "emptyDir of medium Memory), or set machine.loader_workers=0"
    )


def test_a_worker_that_found_no_room_is_one_line() -> None:
    """As torch says it; other faults stay what they are."""
    line = r"^machine\.loader_workers: expected room in [^\n]*, got too little; give"
    with pytest.raises(ValueError, match=line), shortage_in_one_line():
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that")
    with pytest.raises(RuntimeError, match="pid 7"), shortage_in_one_line():
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")


def test_without_such_a_folder_nothing_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "SHARED", tmp_path / "none")
    check_shared_memory(8, 10**18)
