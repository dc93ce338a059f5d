"""Part 1: does torch see the card, has it kernels for it, how fast is its memory, and is there room for batches?"""

import shutil
import subprocess
from pathlib import Path

import torch

from benchmarks.gpu.report import Bench
from benchmarks.gpu.timing import bandwidth
from benchmarks.gpu.work import parameters

_QUERY = "name,driver_version,memory.total,compute_mode,mig.mode.current"
_PREFETCHED = 2  # batches that each worker of torch's DataLoader holds ready


def listed_gpus() -> list[str]:
    """Return nvidia-smi's line for each GPU; none where there is no nvidia-smi."""
    try:
        command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in printed.splitlines() if line.strip()]


def has_kernels(capability: tuple[int, int], compiled: list[str]) -> bool:
    """Tell whether a torch compiled for these architectures (sm_90, compute_90, ...) has kernels for a card.

    Binaries run on cards of the same generation that are no older; PTX (compute_*) is compiled for any newer card.

    >>> has_kernels((8, 9), ["sm_80", "sm_90"]), has_kernels((7, 0), ["sm_75", "sm_80"])
    (True, False)
    """
    for name in compiled:
        kind, _, number = name.partition("_")
        digits = number.rstrip("af")  # sm_90a: of exactly this architecture
        architecture = (int(digits[:-1]), int(digits[-1]))
        if digits != number and architecture != capability:
            continue
        if architecture <= capability and (kind == "compute" or architecture[0] == capability[0]):
            return True
    return False


def run(bench: Bench) -> None:
    """Report on the machine."""
    listed = listed_gpus()
    version = f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    names = "; ".join(listed) or "no nvidia-smi, or no GPU in it"
    sees = torch.cuda.is_available() or not listed
    bench.check("torch sees the GPU", sees, f"{version}; {names} ({_QUERY})", torch=torch.__version__, gpus=listed)
    if torch.cuda.is_available() and bench.on_cuda:
        _card(bench)
    _shared_memory(bench)


def _card(bench: Bench) -> None:
    card, compiled = torch.cuda.get_device_properties(bench.device), torch.cuda.get_arch_list()
    capability = (card.major, card.minor)
    text = f"{card.name} is sm_{card.major}{card.minor}, torch has {' '.join(compiled)}"
    bench.check("kernels for it", has_kernels(capability, compiled), text, card=card.name, capability=capability)
    rate = bandwidth(bench.device)
    memory = f"{rate / 1e12:.2f} TB/s, of a copy of 1 GiB within {card.total_memory / 1e9:.0f} GB"
    bench.note("memory bandwidth", memory, bytes_a_second=round(rate))


def _shared_memory(bench: Bench) -> None:
    params, folder = parameters(bench.device, tiny=bench.tiny), Path("/dev/shm")
    if not folder.is_dir():
        bench.note("/dev/shm", "there is none: not Linux")
        return
    free, decode = shutil.disk_usage(folder).free, params.decode
    batch = params.train.batch_size * params.data.num_frames * decode.height * decode.width * 3
    needed = params.machine.loader_workers * _PREFETCHED * batch
    text = f"{free / 1e9:.1f} GB free, the loader's {params.machine.loader_workers} workers need {needed / 1e9:.1f} GB"
    if free < needed:
        text += " (of a container: --shm-size)"
    bench.check("/dev/shm", free >= needed, text, free=free, needed=needed)
