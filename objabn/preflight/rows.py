"""The parameters of all rows of the table, and which stages are done."""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from objabn.config.faults import ParamsError
from objabn.config.rows import NetworkControl
from objabn.config.schema import Dataset, Params
from objabn.config.selection import control_and_block


class Row(NamedTuple):
    """A row's parameters, the key that they stand under, and its folder below runs and results.

    `network` is the block of a control that is not trained here.
    """

    key: str
    block: Dataset
    folder: str
    network: NetworkControl | None = None


def table_rows(name: str, params: Params) -> list[Row]:
    """List the rows of the table for a data set, controls last."""
    own, key = params.datasets[name], f"datasets.{name}"
    rows = [
        Row(key, own, f"{attention}/pc-{str(pc).lower()}")
        for attention in params.table.attention
        for pc in params.table.pc
    ]
    for control in params.table.controls:
        with suppress(ParamsError):  # one that fits the chosen data set only, not this one
            made, block = control_and_block(params, own, control)
            network = made if isinstance(made, NetworkControl) else None
            key = f"controls.{control}" + ("" if network else ".set")
            rows.append(Row(key, block, f"controls/{control}", network))
    return rows


def stages_done(name: str, params: Params, *, running: str | None = None) -> dict[str, Path]:
    """Map the stages that are done to their outputs.

    The outputs are there for all videos and rows. Whether they are stale only DVC knows.

    Args:
        running: a stage that runs now, so that its outputs do not count.
    """
    data, runs, results = Path("data", name), Path("runs", name), Path("results", name)
    rows, seeds = table_rows(name, params), params.table.seeds
    done = {}
    for stage, store in (("decode", data / "frames"), ("segment", data / "masks")):
        if _holds_all(store / "videos.csv", data / "index.csv"):
            done[stage] = store
    if not params.datasets[name].decode.store:
        done.pop("decode", None)  # later stages read the videos again
    if all(_is_made(runs / row.folder / f"seed-{seed}", row) for row in rows for seed in seeds):
        done["train"] = runs
        if all((results / f"{row.folder}.csv").is_file() for row in rows):
            done["evaluate"] = results
    done.pop(running or "", None)
    return done


def _is_made(run: Path, row: Row) -> bool:
    """Tell whether a run is there, of one network or of one a fold: the curves of all folds come last."""
    if row.network:
        return (run / "run.json").is_file() or any(run.glob("fold-*/run.json"))
    return (run / "model.safetensors").is_file() or (any(run.glob("fold-*/")) and (run / "curves.csv").is_file())


def _holds_all(table: Path, index: Path) -> bool:
    """Tell whether a store has all videos of the index, or any without an index."""
    if not table.is_file() or not index.is_file():
        return table.is_file()
    return _ids(index) <= _ids(table)


def _ids(table: Path) -> set[str]:
    import pandas as pd

    try:
        return set(pd.read_csv(table, usecols=["video"], dtype=str, keep_default_na=False)["video"])
    except ValueError:  # damaged, or another file; `decode` says so of an index
        return {str(table)}
