"""Check that shared memory holds the batches of a loader's processes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED = Path("/dev/shm")
PREFETCHED = 2  # batches that each process of torch's DataLoader holds ready


def check_shared_memory(workers: int, batch_bytes: int, processes: int = 1) -> None:
    """Check that shared memory has room for the batches that a loader's processes hold ready.

    A process that finds no room dies of a bus error. Containers have 64 MB unless told otherwise.

    Args:
        processes: that train on this machine, each with as many workers.

    Raises:
        ValueError: there is less room.
    """
    if not SHARED.is_dir():
        return
    needed, free = processes * workers * PREFETCHED * batch_bytes, shutil.disk_usage(SHARED).free
    if needed > free:
        raise ValueError(
            f"machine.loader_workers: expected {needed:,} bytes free in {SHARED}, for {processes * workers} workers "
            f"with {PREFETCHED} batches of {batch_bytes:,} bytes each, got {free:,}; {_advice(-(-needed // 2**30) + 1)}"
        )


@contextmanager
def shortage_in_one_line() -> Iterator[None]:
    """Say in one line that a loader's process has died for want of shared memory.

    Several trainings may have found room at the same time.

    Raises:
        ValueError: a process died of a bus error.
    """
    try:
        yield
    except RuntimeError as error:
        if "Bus error" not in str(error):
            raise
        room = f"expected room in {SHARED} for the workers' batches, got too little"
        raise ValueError(f"machine.loader_workers: {room}; {_advice(8)}") from error


def _advice(gigabytes: int) -> str:
    return (
        f"give the container more (docker run --shm-size={gigabytes}g; in Kubernetes an emptyDir of medium Memory), or "
        "set machine.loader_workers=0"
    )
