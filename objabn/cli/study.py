"""`python -m objabn study`: a named set of settings; what it will be able to tell, and then all that `repro` makes.

python -m objabn study jhmdb
"""

import argparse
import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from objabn.cli.check import ONE_SEED
from objabn.cli.repro import add_jobs, keep, make
from objabn.config.edit import edit
from objabn.config.file import add_overrides, last_of_each_key
from objabn.config.schema import Params

WIDTH = 110  # columns
TABLES, REPORTS = Path("tables"), Path("reports")
_SUFFIXES = ("md", "csv", "png", "tex")


class Study(NamedTuple):
    """What a study sets.

    Attributes:
        dataset: name of the data set.
        about: what it asks, for the command's help.
        accuracy: top-1 that is expected, 0-1; what can be told of accuracy depends on it.
        settings: `KEY=VALUE` besides.
        shares: controls with a share of the recordings, which get as many steps as the other rows.
    """

    dataset: str
    about: str
    accuracy: float
    settings: tuple[str, ...]
    shares: Mapping[str, float] = MappingProxyType({})


_SEEDS = "table.seeds=[0,1,2]"
_MASK_ALONE = ("loss.attention=mask", "loss.pc=false", "table.attention=[mask]", "table.pc=[false]", _SEEDS)
STUDIES = {
    "jhmdb": Study(
        "jhmdb",
        "the rows on real clips, and how good masks must be",
        0.4,
        (
            "loss.attention=abn",
            "loss.pc=false",
            "table.attention=[abn,mask,mha]",
            "table.pc=[false]",
            "table.controls=[plain,mask-pc,human-masks,motion-masks,shifted-masks]",
            _SEEDS,
            "table.audits=[backgrounds]",
        ),
    ),
    "jhmdb-dose": Study(
        "jhmdb",
        "how much error the masks of the training bear",
        0.4,
        (
            *_MASK_ALONE,
            "table.controls=[human-masks,human-shift-10,human-shift-20,human-shift-40,human-drop-25,human-drop-50]",
            "table.audits=[]",
        ),
    ),
    "jhmdb-curve": Study(
        "jhmdb",
        "whether more clips would help",
        0.4,
        (
            *_MASK_ALONE,
            "table.controls=[plain,plain-half,plain-quarter]",
            "table.audits=[]",
        ),
        MappingProxyType({"plain-half": 0.5, "plain-quarter": 0.25}),
    ),
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `study` with a parser's subcommands; `args.run(args)` returns an exit status or raises ValueError."""
    parser = subparsers.add_parser(
        "study",
        description="Prints what a study will be able to tell, sets its parameters in params.yaml, whose comments "
        "stay, and makes all that `objabn repro` makes. The same command goes on after an interruption. "
        + " ".join(f"{name}: {study.about}." for name, study in STUDIES.items()),
    )
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(STUDIES)}")
    add_overrides(parser, "after what the study sets itself")
    add_jobs(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the design, make everything, and name the files; 0, or the exit status of `repro`.

    Raises:
        ValueError: an unknown study, parameters at fault, no list of the data set's videos, or a checkout whose state
            DVC cannot tell.
    """
    if args.name not in STUDIES:
        raise ValueError(f"study: expected {', '.join(STUDIES)}, got {args.name}")
    study = STUDIES[args.name]
    edited = edit(_settings(study, args.set_param))
    if study.shares:
        edited = edit(_settings(study, [*_as_many_steps(study, edited.params), *args.set_param]))
    if edited.params.dataset != study.dataset:
        raise ValueError(
            f"study {args.name}: expected the data set {study.dataset}, got -S dataset={edited.params.dataset}"
        )
    print(*design(args.name, edited.params), sep="\n", flush=True)
    keep(edited)
    if status := make(edited.params, args.jobs):
        return status
    print("", f"study {args.name}:", *(f"  {path}" for path in _files(args.name, edited.params)), sep="\n", flush=True)
    return 0


def _settings(study: Study, given: list[str]) -> list[str]:
    """`KEY=VALUE` of a study, each key once: the last one of its own and the given ones."""
    return last_of_each_key([f"dataset={study.dataset}", *study.settings, *given])


def _as_many_steps(study: Study, params: Params) -> list[str]:
    """Settings of the study's controls with a share: so many epochs that their steps are those of the other rows."""
    epochs = params.datasets[study.dataset].train.epochs
    return [
        f"controls.{control}.set={{train.share: {share}, train.epochs: {round(epochs / share)}}}"
        for control, share in study.shares.items()
    ]


def design(name: str, params: Params) -> list[str]:
    """Say what a study consists of, and which differences between two rows it will be able to tell.

    Raises:
        ValueError: there is no list of the data set's videos.
    """
    from objabn.cli.stages import evaluations

    tested, recordings, folds = _tested(params)
    rows, seeds = [stage.label for stage in evaluations(params)], len(params.table.seeds)
    counts = [f"{len(rows)} rows", f"{seeds} seed{'s' * (seeds > 1)}", *[f"{folds} folds"] * (folds > 0)]
    networks = len(rows) * seeds * max(folds, 1)
    lines = [f"study {name}: {' x '.join(counts)} = {networks:,} networks"]
    lines += _filled(f"rows: {', '.join(rows)}")
    each = ", each by networks that have seen nothing of its recording" * (folds > 0)
    lines += _filled(f"tested: {tested:,} videos of {recordings:,} recordings{each}")
    return [*lines, *_power(params, STUDIES[name].accuracy, tested, recordings), ""]


def _power(params: Params, accuracy: float, tested: int, recordings: int) -> list[str]:
    """The smallest differences between two rows that will get a star."""
    from objabn.statistics.contrast import MIN_RECORDINGS
    from objabn.statistics.power import POWER, TOP1, binomial_spread, design_words, smallest_of

    seeds, dataset = len(params.table.seeds), params.datasets[params.dataset]
    if seeds == 1:
        return _filled(f"no difference will have an interval: {ONE_SEED}")
    if recordings < MIN_RECORDINGS:
        return _filled(f"no difference will have an interval: it takes {MIN_RECORDINGS} recordings")
    spread = binomial_spread(accuracy)
    least, most = (smallest_of(spread, seeds, number) for number in (tested, recordings))
    reach = f"{least:.1f}" if tested == recordings else f"{least:.1f} to {most:.1f}"
    others = design_words(seeds, recordings, truth=bool(dataset.truth), leave_out=(TOP1,))
    return [
        f"smallest difference between two rows that will get its star in {100 * POWER:g} % of all repetitions:",
        *_filled(
            f"  {TOP1} {reach}{spread.unit}: computed for an accuracy of {100 * accuracy:g} % and chance alone, each "
            "training right on videos of its own; smaller where trainings are right on the same videos, larger where "
            "two rows are right on different ones in every training (on the embedded data they were not)"
            + f". The first number: all {tested:,} videos count, the second: only {recordings:,} recordings do"
            * (tested != recordings)
        ),
        *_filled(f"  {others}: a guess, for measures that vary as they were measured to do on the embedded data"),
    ]


def _tested(params: Params) -> tuple[int, int, int]:
    """Count the test videos, their recordings, and the folds (0: there are none)."""
    from objabn.index.groups import FOLDER, read_groups
    from objabn.index.table import read_index
    from objabn.stores.splits import folds, in_split

    name, dataset = params.dataset, params.datasets[params.dataset]
    index = Path("data", name, "index.csv")
    if dataset.synthesize is not None:
        from objabn.plan.counts import count

        number = count(name, dataset)[0].test
        return number, number, 0
    if not index.is_file():
        raise ValueError(f"{index}: expected the list of the data set's videos, got no file: `python -m objabn index`")
    videos = read_index(index)
    is_tested = in_split(videos["split"], "test")
    groups = read_groups(FOLDER, name, videos).to_numpy()[is_tested]
    return int(is_tested.sum()), len(set(groups)), len(folds(videos["split"]))


def _files(name: str, params: Params) -> list[Path]:
    """What the study has made. It gets names of its own: the data set's files are the next study's, too."""
    made = [
        (TABLES / f"{params.dataset}{part}.{suffix}", TABLES / f"study-{name}{part}.{suffix}")
        for part in ("", *["-audits"] * bool(params.table.audits))
        for suffix in _SUFFIXES
    ]
    made.append((REPORTS / params.dataset / "index.html", REPORTS / f"study-{name}.html"))
    return [Path(shutil.copyfile(of_dataset, own)) for of_dataset, own in made if of_dataset.is_file()]


def _filled(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="    " if text.startswith(" ") else "  ")
