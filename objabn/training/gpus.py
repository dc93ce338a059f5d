"""Each training has its GPUs for itself: several that start on one machine share out what is there.

A lease is a lock for each GPU, an empty directory that all processes of this user see; the kernel frees those of a
killed process. The leased ones go into CUDA_VISIBLE_DEVICES, which CUDA reads once, when it is first asked for anything
(`torch.cuda.is_available()` does): before that, not after, a process must take its lease. So it is nvidia-smi that says
which GPUs there are. It names them by UUID, too: where SLURM shows each job one GPU, all of them are number 0.
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
_RANDOM = random.SystemRandom()  # leaves the generators alone that a training draws from


@contextmanager
def leased_gpus(
    count: int, accelerator: str, *, gpus: Sequence[str] | None = None, folder: Path | None = None
) -> Iterator[list[str]]:
    """Holds `count` GPUs that no other training holds; waits, with a line that says so, while too few are free.

    Gives them as they stand in CUDA_VISIBLE_DEVICES meanwhile, for this process and those that it starts. On the CPU
    and where no GPU is to be seen it gives none and changes nothing.

    Args:
        accelerator: `train.accelerator`.
        gpus: UUIDs of all GPUs of the machine in the order of their numbers; None asks nvidia-smi.
        folder: of the locks; None is this user's on this machine.

    Raises:
        ValueError: `count` is more than there are.
    """
    given = os.environ.get(VISIBLE)
    visible = {} if accelerator == "cpu" else visible_gpus(given, installed_gpus() if gpus is None else gpus)
    if not visible:
        yield []
        return
    if count > len(visible):
        said = "" if given is None else f" ({VISIBLE}={given})"
        raise ValueError(f"GPUs of a training: expected at most {len(visible)}, as many as are here{said}, got {count}")
    held = _wait_for(count, visible, folder or lock_folder())
    try:
        os.environ[VISIBLE] = ",".join(held)
        yield list(held)
    finally:
        if given is None:
            os.environ.pop(VISIBLE, None)
        else:
            os.environ[VISIBLE] = given
        for descriptor in held.values():
            os.close(descriptor)


def lock_folder() -> Path:
    """Of this user's leases on this machine: not where TMPDIR says, which may be another place in each job."""
    memory = Path("/dev/shm")
    return (memory if memory.is_dir() else Path("/tmp")) / f"objabn-gpus-{os.getuid()}"


def visible_gpus(given: str | None, gpus: Sequence[str]) -> dict[str, str]:
    """What a process may use: entries of CUDA_VISIBLE_DEVICES (None: it is not set) and the GPU's UUID of each.

    As CUDA reads it: numbers, or UUIDs that may be cut short; from the first entry on that is no GPU none counts, and
    with a GPU that stands there twice none at all. A part of a GPU (MIG-...) stands for itself.
    """
    if given is None:
        return {str(number): gpu for number, gpu in enumerate(gpus)}
    found: dict[str, str] = {}
    for entry in (each.strip() for each in given.split(",")):
        gpu = _gpu_of(entry, gpus)
        if gpu is None:
            break
        if gpu in found.values():
            return {}
        found[entry] = gpu
    return found


def _gpu_of(entry: str, gpus: Sequence[str]) -> str | None:
    if entry.isascii() and entry.isdigit():
        return gpus[int(entry)] if int(entry) < len(gpus) else None
    if entry.startswith("MIG-"):
        return entry
    meant = [gpu for gpu in gpus if entry.startswith("GPU-") and gpu.startswith(entry)]
    return meant[0] if len(meant) == 1 else None


def installed_gpus() -> list[str]:
    """UUIDs of this machine's GPUs; none where nvidia-smi is not there or this torch cannot use them.

    Where GPUs differ CUDA may count them in another order (CUDA_DEVICE_ORDER). A number then stands for another GPU's
    lock, in all processes alike.
    """
    import torch

    assert not torch.cuda.is_initialized(), "CUDA has read CUDA_VISIBLE_DEVICES already"
    if not torch.backends.cuda.is_built():
        return []
    try:
        command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        if Path("/proc/driver/nvidia").exists():
            print(f"nvidia-smi did not say which GPUs there are ({error}): none is leased", flush=True)
        return []
    return re.findall(r"^GPU-\S+", printed, flags=re.MULTILINE)


def _wait_for(count: int, visible: dict[str, str], folder: Path) -> dict[str, int]:
    """Descriptors that hold the locks of `count` entries; all of them at once, so that no two wait for each other."""
    told = False
    while True:
        held: dict[str, int] = {}
        for entry, gpu in visible.items():
            descriptor = try_lock(folder / re.sub(r"[^\w-]", "_", gpu))
            if descriptor is not None:
                held[entry] = descriptor
            if len(held) == count:
                return held
        for descriptor in held.values():
            os.close(descriptor)
        if not told:
            print(
                f"GPUs {','.join(visible)}: {len(held)} free, {count} needed; waiting for other trainings", flush=True
            )
            told = True
        time.sleep(_POLL_SEC * (0.5 + _RANDOM.random()))  # not in step with others that wait
