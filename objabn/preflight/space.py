"""Room for what will be written: free disk against an estimate, and shared memory for the loader's batches."""

import configparser
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from objabn.clips.shared_memory import PREFETCHED, SHARED
from objabn.config.rows import Table
from objabn.config.schema import X3D, Dataset
from objabn.plan.costs import MASK_BYTES, REPORT_BYTES, RESULT_BYTES, ROW_BYTES, UNIT_BYTES, Counts, num_rows
from objabn.plan.units import size
from objabn.preflight.findings import Finding, fault, ok, warning
from objabn.preflight.rows import Row
from objabn.system.cache import Cache

# Bytes a pixel: 0.29 and 0.43 in two clips of UCF101, 1.0 in the embedded data; other videos have more detail.
_JPEG, _ZSTD, _ZSTD_EMBEDDED = 0.36, 2.0, 1.0
_VIDEO = 0.06  # of the embedded data's videos and true masks together
_WEIGHTS_BYTES = 6_000_000  # of a run of an X3D at width 1; they grow with its square
_TIGHT = 0.9  # share of the free space from which on it is said
_GRID = 128  # cells, of a stored mask


def needed_bytes(
    dataset: Dataset, table: Table, counts: Counts, done: Mapping[str, Path], at_a_time: int = 1
) -> tuple[int, int]:
    """Estimate the bytes of the outputs that are not there yet, and of the side cache.

    Args:
        at_a_time: trainings side by side; each has a checkpoint.
    """
    pixels = dataset.decode.height * dataset.decode.width
    outputs, cached = REPORT_BYTES, 0
    if dataset.synthesize is not None and "decode" not in done:
        outputs += round(counts.frames * dataset.decode.stride * pixels * _VIDEO)
    if dataset.decode.store and "decode" not in done:
        zstd = _ZSTD if dataset.synthesize is None else _ZSTD_EMBEDDED
        outputs += round(counts.frames * pixels * (zstd if dataset.decode.codec == "zstd" else _JPEG))
    if "segment" not in done:
        outputs += round(counts.frames * MASK_BYTES)
        cached += round(counts.frames * UNIT_BYTES)
    rows, seeds = num_rows(table), len(table.seeds)
    weights = 0 if "train" in done else _weights_bytes(dataset, counts.classes)
    if "train" not in done:
        outputs += rows * seeds * counts.networks * weights
        # A checkpoint: the weights, Adam's two means, and the best epoch's weights where `train.report` asks for them.
        cached += (4 if dataset.train.report == "best" else 3) * weights * at_a_time
        cached += counts.networks * weights * at_a_time * (counts.networks > 1)  # until the run stands
    if "evaluate" not in done:
        outputs += rows * (ROW_BYTES + RESULT_BYTES * counts.test * seeds)
    return outputs, cached


def _weights_bytes(dataset: Dataset, num_classes: int) -> int:
    """Count the bytes of a run's weights; of another backbone than an X3D by making the network."""
    if dataset.model.backbone != X3D:
        from objabn.model.run import Run, model_of_shapes

        with suppress(ValueError):  # what is wrong with the network, others say
            network = model_of_shapes(Run(dataset, "mha", True, 0), num_classes)
            return sum(value.nbytes for value in network.state_dict().values())
    return round(_WEIGHTS_BYTES * max(dataset.model.width_factor, 1.0) ** 2)


def disk_findings(
    dataset: Dataset, table: Table, counts: Counts, done: Mapping[str, Path], at_a_time: int = 1
) -> list[Finding]:
    """Compare free space with what is needed, on each disk that is written to."""
    outputs, cached = needed_bytes(dataset, table, counts, done, at_a_time)
    places: dict[int, tuple[Path, list[str], int]] = {}
    for path, what, needed in ((Path(), "outputs", outputs), (Cache().root, "side cache", cached), *_dvc(outputs)):
        there = existing(path)
        first, names, sum_bytes = places.get(_disk_of(there), (there, [], 0))
        places[_disk_of(there)] = (first, [*names, what], sum_bytes + needed)
    found = []
    for there, names, needed in places.values():
        free = shutil.disk_usage(there).free
        where = f"disk of {there.absolute()} ({', '.join(names)})"
        line = f"{where}: about {size(needed)} are needed, {size(free)} are free"
        if needed > free:
            todo = "make room, or let OBJABN_CACHE and DVC's cache.dir lie elsewhere (docs/experiments.md)"
            found.append(fault("decode", f"{line}; {todo}"))
        else:
            found.append((warning if needed > _TIGHT * free else ok)("decode", line))
    return found


def _dvc(outputs: int) -> list[tuple[Path, str, int]]:
    """Find DVC's cache where it takes room of its own: on another disk, or by copies."""
    settings = configparser.ConfigParser(interpolation=None)
    folder = Path(".dvc")
    try:
        settings.read([folder / "config", folder / "config.local"], encoding="utf-8")
    except configparser.Error:
        return []
    if not folder.is_dir():
        return []
    given = settings.items("cache") if settings.has_section("cache") else []
    values = {name: value.strip().strip('"') for name, value in given}
    place = folder / values.get("dir", "cache")  # an absolute one stays
    elsewhere = _disk_of(existing(place)) != _disk_of(Path())
    links = {kind.strip() for kind in values.get("type", "reflink,copy").split(",")}
    return [(place, "DVC's cache", outputs)] if elsewhere or links == {"copy"} else []


def _disk_of(path: Path) -> int:
    return path.stat().st_dev


def existing(path: Path) -> Path:
    """Find the path, or the nearest directory above it that is there."""
    return next(each for each in (path, *path.absolute().parents) if each.exists())


def memory_findings(name: str, rows: Iterable[Row], at_a_time: int = 1) -> list[Finding]:
    """Compare free shared memory with the batches that the loaders hold in it.

    A worker that finds none dies of a bus error. Containers have 64 MB unless told otherwise.

    Args:
        at_a_time: trainings that `make repro` runs side by side; what only they have no room for is a warning.
    """
    if not SHARED.is_dir():
        return []
    free, largest, where = shutil.disk_usage(SHARED).free, 0, ""
    for row in rows:
        workers = row.block.machine.loader_workers
        if workers and (held := workers * PREFETCHED * _batch_bytes(row)) > largest:
            largest = held
            batch = size(_batch_bytes(row))
            where = f"{workers} loader_workers with {PREFETCHED} batches of {batch} each"
    if not largest:
        return []
    together = largest * at_a_time
    if at_a_time > 1:
        where += f", {at_a_time} trainings side by side"
    if together > free:
        line = f"expected {size(together)} free in {SHARED} ({where}), got {size(free)}"
        todo = "give the container more (--shm-size; in Kubernetes an emptyDir of medium Memory), or fewer workers"
        if largest > free:
            return [fault("train", f"datasets.{name}.machine.loader_workers: {line}; {todo}")]
        todo += f"; `make repro JOBS={free // largest}` runs fewer trainings at a time"
        return [warning("train", f"datasets.{name}.machine.loader_workers: {line}; {todo}")]
    return [ok("train", f"{SHARED}: {size(together)} are needed ({where}), {size(free)} are free")]


def _batch_bytes(row: Row) -> int:
    """Compute the bytes of a machine's largest batch, of all its processes together."""
    block = row.block
    clip = block.data.num_frames * 3 * block.decode.height * block.decode.width
    masks = block.data.num_frames * _GRID**2
    train = block.train.batch_size // block.train.nodes * (clip + masks)
    return max(train, block.eval.batch_size * (clip + masks * (2 if block.truth else 1)))
