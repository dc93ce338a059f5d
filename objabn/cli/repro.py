"""`python -m objabn repro`: all that `dvc repro` makes, to the same bits, trainings and measurements side by side.

python -m objabn repro --jobs 4
python -m objabn repro -S table.seeds=[0] -S loss.attention=mask    # changes params.yaml, and goes on with it
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from objabn.cli.dvc import Dvc, Ending, interrupted_by_signals
from objabn.cli.stages import Stage, audits, evaluations, trainings, trainings_of
from objabn.cli.times import COMMAND, collect, has_times, table
from objabn.config.edit import PARAMS, Edited, edit
from objabn.config.file import add_overrides
from objabn.config.rows import Control
from objabn.config.schema import X3D, Params
from objabn.preflight.device import find_devices
from objabn.preflight.rows import table_rows
from objabn.preflight.side_by_side import Workers, num_cores, num_gpus, side_by_side
from objabn.system.files import write_text
from objabn.system.times import timed

INTERRUPTED = 130  # the exit status


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `repro` with a parser's subcommands; `args.run(args)` returns an exit status or raises ValueError."""
    parser = subparsers.add_parser(
        "repro",
        description="Makes what `dvc repro` makes, to the same bits. Trainings, evaluations and audits run side by "
        "side, as many as `train.threads` and the cores allow, or `train.devices` and the GPUs. The same command goes "
        "on after an interruption. At the end it prints how long each stage took, as `objabn times` does.",
    )
    add_overrides(parser, "which changes params.yaml and keeps its comments, before anything runs")
    add_jobs(parser)
    parser.set_defaults(run=run)


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """`--jobs` of a command: `args.jobs`, for `make`."""
    parser.add_argument(
        "-j", "--jobs", type=_positive, metavar="N", help="trainings, evaluations or audits at a time, instead"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Change params.yaml where that is asked for, and `make`.

    Raises:
        ValueError: parameters at fault, or a checkout whose state DVC cannot tell.
    """
    edited = edit(args.set_param)
    keep(edited)
    for line in unmade(args.set_param, edited.params.dataset):
        print(line, file=sys.stderr, flush=True)
    return make(edited.params, args.jobs)


def unmade(given: Sequence[str], dataset: str) -> list[str]:
    """Warn of changes of data sets that are not the one that is made.

    >>> unmade(["datasets.ucf101.train.lr=0.1"], "quick")
    ['warning: -S datasets.ucf101.train.lr: dataset is quick, so nothing of ucf101 is made; add -S dataset=ucf101']
    """
    keys = [each.partition("=")[0].strip() for each in given]
    others = [(key, key.split(".")[1]) for key in keys if key.startswith("datasets.")]
    return [
        f"warning: -S {key}: dataset is {dataset}, so nothing of {name} is made; add -S dataset={name}"
        for key, name in others
        if name != dataset
    ]


def keep(edited: Edited) -> None:
    """Write params.yaml and say what has changed in it; nothing where nothing has."""
    if edited.changes:
        write_text(PARAMS, edited.text)
        print(*(f"{PARAMS}: {change}" for change in edited.changes), sep="\n", flush=True)


def make(params: Params, jobs: int | None) -> int:
    """Make everything and print what it took; 0, the exit status of DVC where it fails, or 130 after Ctrl-C or SIGTERM.

    Args:
        params: those of params.yaml.
        jobs: trainings, evaluations or audits at a time; None: as many as the machine allows.

    Raises:
        ValueError: a checkout whose state DVC cannot tell.
    """
    rows, gpus = table_rows(params.dataset, params), num_gpus(find_devices())
    workers = side_by_side(rows, num_cores(), gpus)
    if jobs and not any(row.block.train.nodes > 1 for row in rows):
        workers = Workers(jobs, "--jobs")
    dvc = Dvc()
    with interrupted_by_signals():
        try:
            with timed(COMMAND):
                _make(dvc, params, workers)
        except _FailedError as failed:
            return failed.status
        except KeyboardInterrupt:
            dvc.end()
            print("interrupted; the same command goes on from here", file=sys.stderr)
            return INTERRUPTED
        finally:
            dvc.end()
    if has_times(found := collect(params)):
        print("", *table(found), sep="\n", flush=True)
    if (report := Path("reports") / params.dataset / "index.html").is_file():
        print(f"report: {report}", flush=True)
    return 0


class _FailedError(Exception):
    """DVC has ended with an exit status other than 0."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _check(status: int) -> None:
    if status:
        raise _FailedError(status)


def _make(dvc: Dvc, params: Params, workers: Workers) -> None:
    """Run all stages, trainings and what measures them side by side.

    Raises:
        _FailedError: with the exit status of DVC, for the first stage that has failed.
    """
    if _has_other_networks(params):  # DVC does not look at files that only the notes of `networks` know
        _check(dvc.repro("--force", "--single-item", f"networks@{params.dataset}"))
    if workers.number == 1:
        print(f"one training at a time: {workers.why}", flush=True)
    else:
        _check(dvc.repro(f"segment@{params.dataset}", f"networks@{params.dataset}"))
        _check(_side_by_side(dvc, params, workers))
    _check(dvc.repro())


def _has_other_networks(params: Params) -> bool:
    """Tell whether a row of the table has another network than an X3D."""
    controls = [params.controls[name] for name in params.table.controls]
    backbones = [control.set.get("model.backbone", X3D) for control in controls if isinstance(control, Control)]
    own = [params.datasets[params.dataset].model.backbone, *backbones]
    return any(backbone != X3D for backbone in own) or not all(isinstance(each, Control) for each in controls)


def _side_by_side(dvc: Dvc, params: Params, workers: Workers) -> int:
    """Run the trainings, evaluations and audits that are missing or stale; 0, or the exit status of the first failure.

    A row can be measured when it is trained, but trainings, which take longer, go first: so no worker has nothing to do
    while the last one trains. After a failure the other trainings go on, and nothing else begins.
    """
    train, measure = trainings(params), {"evaluation": evaluations(params), "audit": audits(params)}
    measuring = [stage for stages in measure.values() for stage in stages]
    changed = dvc.changed(sorted({stage.name.partition("@")[0] for stage in (*train, *measuring)}))
    missing = [stage for stage in train if stage.name in changed]
    names = {stage.name for stage in missing}
    needed = {stage: names & trainings_of(stage, params) for stage in measuring}
    waiting = [stage for stage in measuring if stage.name in changed or needed[stage]]
    if not missing and not waiting:
        return 0
    number = min(workers.number, len(missing) + len(waiting))
    counts = [_count(len(missing), len(train), "training")]
    counts += [_count(sum(each in waiting for each in stages), len(stages), what) for what, stages in measure.items()]
    *first, last = filter(None, counts)
    listed = f"{', '.join(first)} and {last}" if first else last
    print(f"{listed}, {number} at a time: {workers.why}", flush=True)
    endings: dict[Stage, Ending] = {}
    with ThreadPoolExecutor(number) as pool:
        running = {pool.submit(dvc.repro_beside_others, stage): stage for stage in missing}
        try:
            while True:
                if any(ending.status for ending in endings.values()):
                    waiting = []
                trained = {stage.name for stage in endings}
                ready = [stage for stage in waiting if needed[stage] <= trained]
                waiting = [stage for stage in waiting if stage not in ready]
                running |= {pool.submit(dvc.repro_beside_others, stage): stage for stage in ready}
                if not running:
                    break
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    endings[running.pop(done)] = done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            dvc.end()
            raise
    failed = [(each, endings[each]) for each in (*missing, *measuring) if each in endings and endings[each].status]
    for stage, ending in failed:
        print(f"{stage.name} failed (exit status {ending.status}). Its last lines:", file=sys.stderr)
        print("".join(f"  {line}\n" for line in ending.lines), end="", file=sys.stderr, flush=True)
    return failed[0][1].status if failed else 0


def _count(number: int, of_all: int, what: str) -> str:
    """Count stages, as in "3 of 21 trainings"; nothing where there are none."""
    return f"{number}{'' if number == of_all else f' of {of_all}'} {what}s" if number else ""
