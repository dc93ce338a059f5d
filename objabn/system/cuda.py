"""Find a GPU that is there but that torch cannot use, so that nobody computes on the CPU for days unawares."""

import os
import re
import shutil
import subprocess

VISIBLE = "CUDA_VISIBLE_DEVICES"
ON_CPU = f"set {VISIBLE}= (to nothing) to compute on the CPU"
_TIMEOUT_SEC = 60


def refuse_unusable_gpu(key: str, otherwise: str = ON_CPU) -> None:
    """Stop where nvidia-smi lists a GPU and torch can use none.

    Asks nothing but torch where torch can use a GPU. Where CUDA_VISIBLE_DEVICES names no GPU, the user wants none.

    Args:
        key: of the parameter that chooses the device.
        otherwise: what to do where the CPU is meant, the end of the message.

    Raises:
        ValueError: there is such a GPU.
    """
    import torch  # takes seconds to load; who imports this module may not need it

    if not torch.cuda.is_available() and (gpu := wanted_gpu()):
        raise ValueError(f"{key}: {unusable(gpu, torch.__version__, torch.version.cuda)}, or {otherwise}")


def unusable(gpu: str, torch_version: str, cuda_version: str | None) -> str:
    """Say that a torch cannot use a GPU, and what to do about it.

    Args:
        gpu: `wanted_gpu`.
        cuda_version: that torch is built for; None: it is built without CUDA.

    >>> unusable("Tesla V100 (driver 535.54.03)", "2.15.0", "13.2")[:91]
    'expected a GPU that torch can use, got Tesla V100 (driver 535.54.03) and torch 2.15.0 for C'
    """
    built = f"for CUDA {cuda_version}" if cuda_version else "without CUDA"
    what = f"expected a GPU that torch can use, got {gpu} and torch {torch_version} {built}"
    newer = "install a newer driver, or a torch" if cuda_version else "install a torch"
    return f"{what}; {newer} for this driver (https://pytorch.org/get-started/locally)"


def wanted_gpu() -> str:
    """Return the first GPU that nvidia-smi lists, with its driver's version.

    Returns "" where nvidia-smi lists none, and where CUDA_VISIBLE_DEVICES names none. CUDA is not asked anything.
    """
    setting = os.environ.get(VISIBLE)
    if setting is not None and not re.match(r"\s*(\d|GPU-|MIG-)", setting):  # "", -1; SLURM: NoDevFiles
        return ""
    found = re.search(r"^GPU \d+: (.+?)(?: \(UUID: .*)?$", _nvidia_smi("-L"), flags=re.MULTILINE)
    if found is None:
        return ""
    version = _nvidia_smi("--query-gpu=driver_version", "--format=csv,noheader").partition("\n")[0].strip()
    note = f", {VISIBLE}={setting}" if setting is not None else ""
    return f"{found[1]} (driver {version or 'unknown'}{note})"


def _nvidia_smi(*arguments: str) -> str:
    """Return what nvidia-smi prints, or "" where it is not there or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        command = [program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_SEC).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
