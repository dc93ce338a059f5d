"""Check that shared memory holds the batches of a loader's processes."""

import shutil
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
            f"with {PREFETCHED} batches of {batch_bytes:,} bytes each, got {free:,}; give the container more "
            f"(docker run --shm-size={-(-needed // 2**30) + 1}g; in Kubernetes an emptyDir of medium Memory), or set "
            "machine.loader_workers=0"
        )
