"""Lease GPUs, so that each stage on a machine that computes on GPUs has its own.

A lease is a lock for each GPU: an empty directory that all processes of this user see. The kernel frees the locks of a
killed process. The leased GPUs go into CUDA_VISIBLE_DEVICES. CUDA reads this variable once, at the first call
(`torch.cuda.is_available()` is one), so a process must take its lease before that. Therefore nvidia-smi, not CUDA, says
which GPUs there are. It also names GPUs by UUID. Numbers would not do: where SLURM shows each job one GPU, all of these
GPUs are number 0.
"""

import os
import random
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from objabn.system.locks import try_lock

VISIBLE = "CUDA_VISIBLE_DEVICES"
_POLL_SEC = 0.5
_RANDOM = random.SystemRandom()  # does not touch the generators that a stage draws from


@contextmanager
def leased_gpus(
    count: int, accelerator: str, *, gpus: Sequence[str] | None = None, folder: Path | None = None
) -> Iterator[list[str]]:
    """Hold `count` GPUs that no other stage holds.

    Waits while too few GPUs are free, and prints a line that says so. Yields the held GPUs as they stand in
    CUDA_VISIBLE_DEVICES meanwhile, for this process and the processes that it starts. On the CPU, and where no GPU is
    visible, yields an empty list and changes nothing.

    Args:
        accelerator: `train.accelerator`.
        gpus: UUIDs of all GPUs of the machine in the order of their numbers; None asks nvidia-smi.
        folder: of the locks; None is this user's folder on this machine (`lock_folder`).

    Raises:
        ValueError: `count` is more than the number of visible GPUs.
    """
    setting = os.environ.get(VISIBLE)
    visible = {} if accelerator == "cpu" else visible_gpus(setting, installed_gpus() if gpus is None else gpus)
    if not visible:
        yield []
        return
    if count > len(visible):
        note = "" if setting is None else f" ({VISIBLE}={setting})"
        raise ValueError(f"train.devices: expected at most {len(visible)}, as many as are here{note}, got {count}")
    locks = _wait_for(count, visible, folder or lock_folder())
    try:
        os.environ[VISIBLE] = ",".join(locks)
        yield list(locks)
    finally:
        if setting is None:
            os.environ.pop(VISIBLE, None)
        else:
            os.environ[VISIBLE] = setting
        for descriptor in locks.values():
            os.close(descriptor)


def lock_folder() -> Path:
    """Return the folder of this user's leases on this machine.

    The folder is not in TMPDIR, which may be another place in each job.
    """
    memory = Path("/dev/shm")
    return (memory if memory.is_dir() else Path("/tmp")) / f"objabn-gpus-{os.getuid()}"


def visible_gpus(given: str | None, gpus: Sequence[str]) -> dict[str, str]:
    """Map the entries of CUDA_VISIBLE_DEVICES to the UUIDs of the GPUs.

    The entries are read as CUDA reads them. An entry is a number, or a UUID that may be cut short. The first entry that
    is no GPU does not count, nor do the entries behind it. If a GPU stands there twice, no entry counts. A part of a
    GPU (MIG-...) stands for itself.

    Args:
        given: the value of CUDA_VISIBLE_DEVICES; None: the variable is not set, and all GPUs count.
        gpus: UUIDs of all GPUs of the machine in the order of their numbers.
    """
    if given is None:
        return {str(number): gpu for number, gpu in enumerate(gpus)}
    uuids: dict[str, str] = {}
    for entry in (part.strip() for part in given.split(",")):
        gpu = _gpu_of(entry, gpus)
        if gpu is None:
            break
        if gpu in uuids.values():
            return {}
        uuids[entry] = gpu
    return uuids


def _gpu_of(entry: str, gpus: Sequence[str]) -> str | None:
    if entry.isascii() and entry.isdigit():
        return gpus[int(entry)] if int(entry) < len(gpus) else None
    if entry.startswith("MIG-"):
        return entry
    matches = [gpu for gpu in gpus if entry.startswith("GPU-") and gpu.startswith(entry)]
    return matches[0] if len(matches) == 1 else None


def installed_gpus() -> list[str]:
    """List the UUIDs of this machine's GPUs.

    The list is empty where there is no nvidia-smi, or where this torch cannot use GPUs. Where GPUs differ, CUDA may
    count them in another order (CUDA_DEVICE_ORDER). A number then stands for another GPU's lock, in all processes
    alike.
    """
    import torch

    assert not torch.cuda.is_initialized(), "CUDA has read CUDA_VISIBLE_DEVICES already"
    return _listed_gpus() if torch.backends.cuda.is_built() else []


def _listed_gpus() -> list[str]:
    """List the UUIDs that nvidia-smi prints; none where there is no nvidia-smi."""
    try:
        command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        if Path("/proc/driver/nvidia").exists():
            print(f"nvidia-smi did not say which GPUs there are ({error}): none is leased", flush=True)
        return []
    return re.findall(r"^GPU-\S+", printed, flags=re.MULTILINE)


def _wait_for(count: int, visible: dict[str, str], folder: Path) -> dict[str, int]:
    """Return descriptors that hold the locks of `count` entries.

    All locks are taken at once, so that no two stages wait for each other.
    """
    has_printed = False
    while True:
        locks: dict[str, int] = {}
        for entry, gpu in visible.items():
            descriptor = try_lock(folder / re.sub(r"[^\w-]", "_", gpu))
            if descriptor is not None:
                locks[entry] = descriptor
            if len(locks) == count:
                return locks
        for descriptor in locks.values():
            os.close(descriptor)
        if not has_printed:
            print(f"GPUs {','.join(visible)}: {len(locks)} free, {count} needed; waiting for other stages", flush=True)
            has_printed = True
        time.sleep(_POLL_SEC * (0.5 + _RANDOM.random()))  # not in step with other stages that wait
