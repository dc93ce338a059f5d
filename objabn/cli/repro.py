"""`python -m objabn repro`: all that `dvc repro` makes, to the same bits, with trainings side by side.

python -m objabn repro --jobs 4
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from objabn.cli.dvc import Dvc, Stage, interrupted_by_signals
from objabn.config.file import load_params
from objabn.config.schema import Params
from objabn.preflight.device import find_devices
from objabn.preflight.rows import table_rows
from objabn.preflight.side_by_side import Workers, num_cores, num_gpus, side_by_side
from objabn.report.names import Row

INTERRUPTED = 130  # the exit status


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `repro` with a parser's subcommands; `args.run(args)` returns an exit status or raises ValueError."""
    parser = subparsers.add_parser(
        "repro",
        description="Makes what `dvc repro` makes, to the same bits. Trainings, and on the CPU evaluations, run side "
        "by side, as many as `train.threads` and the cores allow, or `train.devices` and the GPUs. The same command "
        "goes on after an interruption.",
    )
    parser.add_argument("-j", "--jobs", type=_positive, metavar="N", help="trainings at a time, instead")
    parser.set_defaults(run=run)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return int(text)


def trainings(params: Params) -> list[Stage]:
    """List the trainings of the table in its order, seed by seed."""
    return [
        Stage(f"train{stage}-{seed}", f"{label}, seed {seed}")
        for seed in params.table.seeds
        for stage, label in _rows(params)
    ]


def evaluations(params: Params) -> list[Stage]:
    """List the evaluations of the table in its order."""
    return [Stage(f"evaluate{stage}", label) for stage, label in _rows(params)]


def _rows(params: Params) -> list[tuple[str, str]]:
    """List the rows: the part of a stage's name that is the row's, and the row's name in sentences."""
    dataset, table = params.dataset, params.table
    losses = [(f"@{dataset}-{name}-{pc}", Row(name, pc).name) for name in table.attention for pc in table.pc]
    return losses + [(f"-control@{dataset}-{name}", name) for name in table.controls]


def run(args: argparse.Namespace) -> int:
    """Make everything; 0, the exit status of DVC where it fails, or 130 after Ctrl-C or SIGTERM.

    Raises:
        ValueError: parameters at fault, or a checkout whose state DVC cannot tell.
    """
    params = load_params()
    rows, gpus = table_rows(params.dataset, params), num_gpus(find_devices())
    workers = side_by_side(rows, num_cores(), gpus)
    if args.jobs and not any(row.block.train.nodes > 1 for row in rows):
        workers = Workers(args.jobs, "--jobs")
    on_gpu = gpus > 0 and any(row.block.train.accelerator != "cpu" for row in rows)
    kinds = [("training", trainings(params))]
    if not on_gpu:  # evaluation takes no GPU for itself
        kinds.append(("evaluation", evaluations(params)))
    dvc = Dvc()
    with interrupted_by_signals():
        try:
            if workers.number == 1:
                print(f"one training at a time: {workers.why}", flush=True)
                return dvc.repro()
            return dvc.repro(f"segment@{params.dataset}") or _make(dvc, kinds, workers) or dvc.repro()
        except KeyboardInterrupt:
            dvc.end()
            print("interrupted; the same command goes on from here", file=sys.stderr)
            return INTERRUPTED
        finally:
            dvc.end()


def _make(dvc: Dvc, kinds: list[tuple[str, list[Stage]]], workers: Workers) -> int:
    """Run the stages of each kind that are missing or stale, side by side; 0, or the exit status of the first failure.

    After a failure the other stages of its kind go on, and no later kind begins.
    """
    for kind, stages in kinds:
        changed = dvc.changed(sorted({stage.name.partition("@")[0] for stage in stages}))
        missing = [stage for stage in stages if stage.name in changed]
        if not missing:
            continue
        number = min(workers.number, len(missing))
        of_all = "" if len(missing) == len(stages) else f" of {len(stages)}"
        print(f"{len(missing)}{of_all} {kind}s, {number} at a time: {workers.why}", flush=True)
        with ThreadPoolExecutor(number) as pool:
            try:
                endings = list(pool.map(dvc.repro_beside_others, missing))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                dvc.end()
                raise
        failed = [(stage, ending) for stage, ending in zip(missing, endings, strict=True) if ending.status]
        for stage, ending in failed:
            print(f"{stage.name} failed (exit status {ending.status}). Its last lines:", file=sys.stderr)
            print("".join(f"  {line}\n" for line in ending.lines), end="", file=sys.stderr, flush=True)
        if failed:
            return failed[0][1].status
    return 0
