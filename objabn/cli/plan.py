"""`python -m objabn plan`: what a run will cost on this machine, before it starts.

python -m objabn plan -S dataset=ucf101 -S datasets.ucf101.train.epochs=10
python -m objabn plan -S dataset=ucf101 --costs    # FLOPs, bytes, and what GPUs that are not here take at least
"""

import argparse
import json
import os
import shutil
import tempfile
import textwrap
import time
from dataclasses import asdict
from pathlib import Path

from objabn.cli.check import NO_STAR, ONE_SEED
from objabn.config.file import add_overrides, load_params
from objabn.config.schema import Dataset, Params
from objabn.config.selection import trained_table
from objabn.plan.costs import Cost, Counts, Rates, costs, total
from objabn.plan.units import duration, size
from objabn.preflight.device import find_devices
from objabn.preflight.rows import table_rows
from objabn.preflight.side_by_side import Workers, num_cores, num_gpus, side_by_side

WIDTH = 110  # columns, of what the figures rest on
RECORDINGS = {"ucf101": 707}  # of the test videos of split 1
BUSY = 0.2  # share of the cores from which on other processes make the times too long


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `plan` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser(
        "plan",
        description="Measures this machine for up to a minute and prints what each stage of the pipeline will take, "
        "as if nothing were there yet, or computes what GPUs take at least (--costs). Changes nothing.",
    )
    add_overrides(parser, "such as dataset=ucf101")
    parser.add_argument("--params", type=Path, metavar="FILE", help="parameter file (default: params.yaml)")
    parser.add_argument(
        "--costs",
        action="store_true",
        help="measure nothing; print each row's FLOPs and bytes a clip, and what a training takes at least on an H100, "
        "an A100 and an RTX 4090, computed from their data sheets",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the plan; 0.

    Raises:
        ValueError: parameters at fault, a data set of which nothing is known, or one that cannot be measured.
    """
    params = load_params(args.params or "params.yaml", args.set_param)
    started = time.perf_counter()
    from objabn.plan.counts import count

    dataset = params.datasets[params.dataset]
    if args.costs:
        return _print_computed(params, count(params.dataset, dataset)[0], as_json=args.json)
    from objabn.plan.measure import measure

    start_sec = time.perf_counter() - started
    counts, own = count(params.dataset, dataset)
    table = trained_table(params)
    busy = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 0.0
    with tempfile.TemporaryDirectory(prefix="objabn-plan-") as place:
        rates = measure(dataset, table, counts, own, Path(place), start_sec)
    lines = costs(dataset, table, counts, rates)
    one_seed = costs(dataset, table.model_copy(update={"seeds": table.seeds[:1]}), counts, rates)
    at_a_time = side_by_side(table_rows(params.dataset, params), num_cores(), num_gpus(find_devices()))
    notes = [_seeds(params.table.seeds, lines, one_seed), _side_by_side(at_a_time)]
    notes += _power(
        len(params.table.seeds), *_test_recordings(params.dataset, dataset, counts), truth=bool(dataset.truth)
    )
    notes += _elsewhere(params)
    notes += [*_unknown(lines), *_disk(lines), *_gpu(rates), *_warn_of_others(busy)]
    if not rates.row.gpu_bytes:
        notes.append("GPUs: `--costs` computes what a training takes at least on an H100, an A100 and an RTX 4090")
    if args.json:
        stages = [asdict(line) for line in [*lines, total(lines)]]
        measured = {"dataset": params.dataset, "counts": asdict(counts), "rates": asdict(rates)}
        from objabn.plan.roofline import bounds, figures

        computed = figures(bounds(params, counts))
        print(json.dumps({**measured, "stages": stages, "notes": notes, "computed": computed}, indent=2))
        return 0
    print(_heading(params.dataset, counts, rates.device))
    print(_table([*lines, total(lines)]))
    measuring = duration(time.perf_counter() - started)
    print(f"measuring took {measuring}\n")
    print("\n".join([*_bases(counts, rates), "", *notes]))
    return 0


def _print_computed(params: Params, counts: Counts, *, as_json: bool) -> int:
    """Print what GPUs take at least; 0."""
    from objabn.plan import roofline

    computed = roofline.bounds(params, counts)
    if as_json:
        figures = {"dataset": params.dataset, "counts": asdict(counts), "computed": roofline.figures(computed)}
        print(json.dumps(figures, indent=2))
        return 0
    print(_heading(params.dataset, counts, "cards that need not be here"))
    print(roofline.table(computed) + "\n")
    print("\n".join(map(_filled, roofline.notes(params.datasets[params.dataset], counts, computed))))
    return 0


def _heading(dataset_name: str, counts: Counts, device: str) -> str:
    val = f", {counts.val:,} val" if counts.val else ""
    splits = f"{counts.train:,} train{val} and {counts.test:,} test videos, {counts.frames:,} frames"
    if counts.networks > 1:
        splits = f"{counts.test:,} videos in {counts.networks} folds, a network for each, {counts.frames:,} frames"
    return f"{dataset_name}: {splits}, {counts.classes} classes\non: {device}\n"


def _bases(counts: Counts, rates: Rates) -> list[str]:
    """What each figure rests on."""
    bases = {"videos": counts.origin, "decode": rates.decode.basis, "segment": rates.segment.basis}
    if rates.synthesize:
        bases["synthesize"] = rates.synthesize.basis
    bases["train, evaluate"] = rates.row.basis
    return [_filled(f"{name}: {basis}") for name, basis in bases.items()]


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="  ")


def _table(lines: list[Cost]) -> str:
    cells = [("stage", "time", "disk", "each")]
    for line in lines:
        time_text = "" if line.sec is None else duration(line.sec)
        cells.append((line.stage, time_text, size(line.num_bytes), line.each))
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    text = []
    for stage, *numbers, each in cells:
        aligned = "  ".join(cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True))
        text.append(f"{stage.ljust(widths[0])}  {aligned}  {each}".rstrip())
    text.insert(-1, "-" * len(text[-1]))
    return "\n".join(text)


def _seeds(seeds: list[int], lines: list[Cost], one_seed: list[Cost]) -> str:
    """Say what the seeds cost, and how to ask for one; or that one gives no star."""
    if len(seeds) == 1:
        return f"seeds: {ONE_SEED}"
    each = f"{len(seeds)} seeds: training and evaluation take {duration(_rows_sec(lines))}"
    return f"{each}, with one seed {duration(_rows_sec(one_seed))} (-S 'table.seeds=[{seeds[0]}]'), {NO_STAR}"


def _power(seeds: int, recordings: int, what: str, *, truth: bool) -> list[str]:
    """Say which differences between rows the table will be able to tell."""
    from objabn.statistics.contrast import MIN_RECORDINGS
    from objabn.statistics.power import POWER, design_words

    if seeds == 1 or recordings < MIN_RECORDINGS:
        return []
    told = f"{seeds} seeds and {recordings:,} {what} tell two rows apart, in {100 * POWER:g} % of all cases, from"
    guess = "on, if measures vary as on the embedded data"
    words = design_words(seeds, recordings, truth=truth)
    return textwrap.wrap(f"power: {told} {words} {guess}", WIDTH, subsequent_indent="  ")


def _test_recordings(name: str, dataset: Dataset, counts: Counts) -> tuple[int, str]:
    """Count the recordings of the test videos, and say what was counted."""
    from objabn.index.groups import FOLDER, read_groups
    from objabn.index.table import read_index
    from objabn.stores.splits import in_split

    index = Path("data", name, "index.csv")
    if index.is_file() and dataset.synthesize is None:
        videos = read_index(index)
        groups = read_groups(FOLDER, name, videos).to_numpy()[in_split(videos["split"], "test")]
        return len(set(groups)), "test recordings"
    known = RECORDINGS.get(name)
    return (known, "test recordings") if known else (counts.test, "test videos")


def _elsewhere(params: Params) -> list[str]:
    """Say which rows are in none of the lines: their networks are not trained here, and are as slow as they are."""
    names = [name for name in params.table.controls if name not in trained_table(params).controls]
    if not names:
        return []
    return [f"not trained here: {', '.join(names)}; what their evaluation takes is not in the table above"]


def _rows_sec(lines: list[Cost]) -> float:
    return sum(line.sec or 0.0 for line in lines if line.stage.startswith(("train", "evaluate")))


def _side_by_side(workers: Workers) -> str:
    """Say how many trainings `make repro` runs at a time."""
    if workers.number == 1:
        return f"side by side: `make repro` runs one training at a time: {workers.why}"
    times = "the times above are for one after another"
    return f"side by side: `make repro` runs {workers.number} trainings at a time ({workers.why}); {times}"


def _disk(lines: list[Cost]) -> list[str]:
    """What is needed and free, where the outputs go and where the side cache is; a warning where it does not fit."""
    from objabn.system.cache import Cache

    outputs, cache = Path(), Cache().root
    needs = {outputs: sum(line.num_bytes for line in lines if not line.in_cache)}
    cached = sum(line.num_bytes for line in lines if line.in_cache)
    if _existing(cache).stat().st_dev == outputs.stat().st_dev:
        needs[outputs] += cached
        names = {outputs: f"outputs and side cache ({cache})"}
    else:
        needs[cache] = cached
        names = {outputs: "outputs", cache: f"side cache ({cache})"}
    notes = []
    for place, needed in needs.items():
        free = shutil.disk_usage(_existing(place)).free
        notes.append(f"disk: {names[place]} need {size(needed)}, {size(free)} are free there")
        if needed > free:
            notes.append(f"WARNING: {names[place]} do not fit: {size(needed - free)} more are needed")
    return notes


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that is there."""
    return next(each for each in (path, *path.absolute().parents) if each.exists())


def _unknown(lines: list[Cost]) -> list[str]:
    """A warning when the time of a stage could not be measured."""
    unknown = [line.stage for line in lines if line.sec is None and not line.in_cache]
    return [f"WARNING: the total is without the time of {', '.join(unknown)}"] if unknown else []


def _gpu(rates: Rates) -> list[str]:
    """What a batch of training held of the GPU's memory, when there is one."""
    import torch

    if not rates.row.gpu_bytes:
        return []
    there = torch.cuda.get_device_properties(0).total_memory
    return [f"GPU memory: train {size(rates.row.gpu_bytes)} (measured) of {size(there)}"]


def _warn_of_others(share: float) -> list[str]:
    """A warning when other processes kept the machine busy in the minute before."""
    if share < BUSY:
        return []
    return [f"WARNING: other processes used {min(share, 1):.0%} of this machine: the times may be far too long"]
