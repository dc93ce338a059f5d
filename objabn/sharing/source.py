"""Find what is pushed: a run of a checkout, the row that it is of, and its networks."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objabn.config.rows import NETWORK
from objabn.model.adopted import adopted_record
from objabn.model.run import CURVES, RUN, WEIGHTS, load_run
from objabn.report.names import Row
from objabn.stores.splits import folds

_SEED = re.compile(r"seed-(\d+)")
_RUNS = Path("runs")


@dataclass(frozen=True)
class Source:
    """One or several trainings of a row.

    Attributes:
        dataset: name of the data set.
        place: of the row below a data set's runs and results, such as `mask/pc-false`.
        networks: directories by the place that they get in the folder: `seed-N`, with folds `seed-N/fold-K`, of one
            seed `fold-K`; "" where there is one network alone.
        seeds: of the trainings, in order.
        record: run.json of the first network.
    """

    dataset: str
    place: str
    networks: Mapping[str, Path]
    seeds: tuple[int, ...]
    record: Mapping[str, Any]

    @property
    def row(self) -> Row:
        """Name the row as tables do."""
        return Row(self.record["control"] or self.record["attention"], self.record["pc"] and not self.record["control"])

    @property
    def title(self) -> str:
        """Name data set and row in words."""
        return f"{self.row.name} on {self.dataset}"

    @property
    def is_one(self) -> bool:
        """Tell whether it is one network alone."""
        return "" in self.networks

    @property
    def lone_fold(self) -> str | None:
        """Name the fold whose network alone it is; None of whole trainings."""
        return self.record.get("fold") if self.is_one else None

    def curves(self, seed: int) -> Path:
        """Name the file of a training's curves; of folds it is that of their means."""
        first = next(path for path in self.networks.values() if f"seed-{seed}" in path.parts)
        return (first.parent if self.record.get("fold") else first) / CURVES


def find_source(run: Path, seed: int | None = None) -> Source:
    """Find the networks of a run.

    Args:
        run: `runs/<data set>/<row>` for all its seeds, `.../seed-N` for one, with folds `.../seed-N/fold-K`, in the
            checkout, which is the working directory.
        seed: takes this one of several.

    Raises:
        ValueError: no such run, one that is not finished, damaged or not trained here, or no such seed.
    """
    expected = "expected a run of this checkout, runs/DATASET/ROW (all its seeds) or runs/DATASET/ROW/seed-N"
    given, run = run, _in_checkout(run)
    parts = run.parts
    if run.is_absolute() or parts[:1] != _RUNS.parts or len(parts) < 4 or not run.is_dir():
        raise ValueError(f"push: --run {given}: {expected}, found {_found(run)}")
    whole = Path(*parts[:4])
    chosen = {int(found[1]): path for path in whole.iterdir() if (found := _SEED.fullmatch(path.name))}
    if len(parts) > 4:
        named = _SEED.fullmatch(parts[4])
        if named is None or seed not in (None, int(named[1])):
            raise ValueError(
                f"push: --run {run}: {expected}"
                + (f", got {parts[4]}" if named is None else f", got --seed {seed} beside it")
            )
        seed = int(named[1])
    if seed is not None and seed not in chosen:
        known = ", ".join(map(str, sorted(chosen))) or "none"
        raise ValueError(f"push: --seed: expected one of {known}, those of {whole}, got {seed}")
    seeds = tuple(sorted(chosen)) if seed is None else (seed,)
    networks = _networks({each: chosen[each] for each in seeds}, parts[5] if len(parts) > 5 else None)
    if not networks:
        raise ValueError(f"push: --run {run}: {expected} with {WEIGHTS} and {RUN}, found none")
    if len(networks) == 1:
        networks = {"": next(iter(networks.values()))}
    elif len(seeds) == 1:
        networks = {name.partition("/")[2]: path for name, path in networks.items()}
    first = None
    for directory in networks.values():
        if (adopted := adopted_record(directory)) is not None:
            why = f"it was not trained here, it is {adopted[NETWORK]['spec']}"
            raise ValueError(f"push: --run {run}: nothing to push ({why}); `objabn explain --model` takes it")
        record = load_run(directory)[1]
        first = first or record
    assert first is not None
    return Source(parts[1], "/".join(parts[2:4]), networks, seeds, first)


def _in_checkout(run: Path) -> Path:
    """Write a path from the working directory where it lies in its `runs/`.

    It may be given in any way. Other paths are written from the root.
    """
    here = Path.cwd()
    for whole, start in ((Path(os.path.abspath(run)), here), (run.resolve(), here.resolve())):
        if whole.is_relative_to(start / _RUNS):
            return whole.relative_to(start)
    return Path(os.path.abspath(run))


def _networks(seeds: Mapping[int, Path], fold: str | None) -> dict[str, Path]:
    """List the networks of trainings by `seed-N` or `seed-N/fold-K`; of one fold where it is named."""
    found = {}
    for seed, directory in seeds.items():
        names = folds(path.name for path in directory.iterdir())
        if fold is not None:
            names = tuple(name for name in names if name == fold)
        elif not names:
            found[f"seed-{seed}"] = directory
        found |= {f"seed-{seed}/{name}": directory / name for name in names}
    return found


def _found(run: Path) -> str:
    return "another place" if run.is_dir() else "a file" if run.exists() else "nothing"
