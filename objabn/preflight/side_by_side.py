"""How many trainings of the table one machine runs at a time."""

import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from objabn.preflight.device import Devices
from objabn.preflight.rows import Row
from objabn.system import workers


class Workers(NamedTuple):
    """How many trainings run at a time, and why."""

    number: int
    why: str


def side_by_side(rows: Iterable[Row], cores: int, gpus: int) -> Workers:
    """Share out a machine among the trainings of the table.

    The row that takes most decides.

    Args:
        gpus: `num_gpus`; with none, trainings share the cores.
    """
    trains = [row.block.train for row in rows]
    devices = max(train.devices for train in trains)
    if any(train.nodes > 1 for train in trains):
        return Workers(1, "each takes several machines (train.nodes)")
    if gpus and any(train.accelerator != "cpu" for train in trains):
        return Workers(max(gpus // devices, 1), f"{_count(gpus, 'GPU')}, {devices} for each (train.devices)")
    if any(train.threads is None for train in trains):
        return Workers(1, f"each takes all cores, {cores} here (train.threads: null)")
    threads = max((train.threads or 1) * train.devices for train in trains)
    return Workers(max(cores // threads, 1), f"{_count(cores, 'core')}, {threads} for each (train.threads)")


def num_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the cores that this process may use; a container may have a share.

    Args:
        groups: of Linux's control groups.
    """
    cores = workers.num_cores()
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((groups / name).read_text().strip() for name in names).split()
            if int(quota) > 0:  # else "max" or -1: no limit
                cores = min(cores, max(math.ceil(int(quota) / int(period)), 1))
        except (OSError, ValueError):
            continue
    return cores


def num_gpus(present: Devices) -> int:
    """Count the GPUs that trainings can share out.

    Without nvidia-smi trainings lease none, and all take the first one.
    """
    return len(present.usable) if shutil.which("nvidia-smi") else min(len(present.usable), 1)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
