"""`python -m objabn cache [prune]`: what the side cache holds, and freeing what nothing here needs any more.

python -m objabn cache                     # units and bytes of each kind, and how much of it is needed
python -m objabn cache prune --dry-run     # what `prune` would free; --all: every unit, needed or not
"""

import argparse
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from objabn.config.file import load_params
from objabn.system.cache import Cache, Entry

_ABANDONED_SEC = 7 * 24 * 3600.0  # a training that has written no checkpoint for so long


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `cache` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    cache = subparsers.add_parser("cache")
    cache.set_defaults(run=show)
    actions = cache.add_subparsers(dest="action")
    parser = actions.add_parser(
        "prune",
        help="free units that nothing in this checkout needs",
        description="Removes units of masks that are neither those of a finished mask store in this checkout nor those "
        "that its decoded data sets need with the present params.yaml, checkpoints of trainings and pretrainings "
        "that have written none for a week, masks of motion that trainings found more than a week ago, and what killed "
        "writers left. A cache that several checkouts share knows nothing of the others: they compute again what they "
        "miss.",
    )
    parser.add_argument("--all", action="store_true", help="remove every unit, needed or not")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be freed")
    parser.set_defaults(run=prune)


def needed_units() -> set[str]:
    """Keys of the units of masks that this checkout (the working directory) has a use for.

    Those of its finished mask stores, as `results/<ds>/segment.csv` says, and those that the data sets decoded here
    need with the present parameters: what an unfinished run has done so far must not be lost.

    Raises:
        ValueError: when params.yaml or such a table cannot be read.
    """
    import pandas as pd

    from objabn.segmentation.units import dataset_units
    from objabn.stores.table import TABLE, read_table

    needed: set[str] = set()
    for record in sorted(Path("results").glob("*/segment.csv")):
        units = pd.read_csv(record, dtype=str, keep_default_na=False)
        if "unit" not in units:
            raise ValueError(f"{record}: expected a column `unit`, found none; make it again by `dvc repro`")
        needed |= set(units["unit"])
    for name, dataset in load_params().datasets.items():
        frames = Path("data") / name / "frames"
        if (frames / TABLE).is_file():
            needed |= set(dataset_units(read_table(frames), dataset))
    return needed - {""}


def _amount(entries: list[Entry], what: str = "unit") -> str:
    plural = "" if len(entries) == 1 else "s"
    return f"{len(entries):,} {what}{plural}, {sum(entry.num_bytes for entry in entries):,} bytes"


def show(args: argparse.Namespace) -> int:
    """Print what the cache holds; 0."""
    cache, is_needed = Cache(), _test_of_need()
    units, leftovers = list(cache.units()), list(cache.leftovers())
    print(f"side cache {cache.root}: {_amount(units)}")
    for kind in sorted({unit.kind for unit in units}):
        of_kind = [unit for unit in units if unit.kind == kind]
        print(f"  {kind}: {_amount(of_kind)}; needed here: {_amount([unit for unit in of_kind if is_needed(unit)])}")
    if leftovers:
        print(f"  left by killed writers: {_amount(leftovers, 'temporary file')}")
    return 0


def prune(args: argparse.Namespace) -> int:
    """Free what is not needed and print how much that was; 0.

    A segmentation may run meanwhile: it computes a unit again that vanishes. What it is writing stays. A training's
    next checkpoint takes the place of one that vanishes.
    """
    cache = Cache()
    is_needed: Callable[[Entry], bool] = (lambda unit: False) if args.all else _test_of_need()
    units, leftovers = list(cache.units()), list(cache.leftovers())
    kept = [unit for unit in units if is_needed(unit)]
    freed = [unit for unit in units if not is_needed(unit)]
    for entry in [] if args.dry_run else [*freed, *leftovers]:
        entry.path.unlink(missing_ok=True)
    print(f"side cache {cache.root}: {'would free' if args.dry_run else 'freed'} {_amount(freed)}", end="")
    print(f" and {_amount(leftovers, 'temporary file')}; kept {_amount(kept)}")
    return 0


def _test_of_need() -> Callable[[Entry], bool]:
    """Whether a unit is needed; one of a kind that this command knows nothing of is.

    Which training would look for a checkpoint only the training itself can say, so their age decides: one that runs
    writes one after each epoch and every `machine.checkpoint_minutes`. So it is with a pretraining. Masks of motion
    that trainings of controls have found are needed by other seeds of the same control. A finished run that
    a launcher's processes have kept is needed until DVC has it.
    """
    from objabn.pretrain import loop
    from objabn.segmentation import units
    from objabn.training import checkpoint, finished, given_masks

    needed = needed_units()

    def is_needed(unit: Entry) -> bool:
        if unit.kind in (checkpoint.KIND, finished.KIND, given_masks.KIND, loop.KIND):
            with suppress(FileNotFoundError):
                return time.time() - unit.path.stat().st_mtime < _ABANDONED_SEC
        return unit.kind != units.KIND or unit.key in needed

    return is_needed
