"""The numbers of a row: a tidy table with a line for each seed, map and measure, and how numbers are named."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from objabn.config.rows import LETTERS
from objabn.system.files import write_text

COLUMNS = ["seed", "map", "measure", "value"]


class Number(NamedTuple):
    """A measure of a row: its mean over the seeds, and with several seeds their sample standard deviation."""

    mean: float
    std: float | None = None


Numbers = Mapping[tuple[str, str], Number]  # by measure and letter of the map; "" for a measure of no map


def over_seeds(table: pd.DataFrame) -> dict[tuple[str, str], Number]:
    """Take mean and spread over the seeds of a tidy table, in its order.

    Args:
        table: columns COLUMNS, as `summarise` gives them.
    """
    numbers = {}
    for (measure, letter), group in table.groupby(["measure", "map"], sort=False):
        values = group["value"]
        spread = float(values.std(ddof=1)) if len(values) > 1 else None
        numbers[str(measure), str(letter)] = Number(float(values.mean()), spread)
    return numbers


def write_numbers(path: Path, table: pd.DataFrame) -> None:
    """Write a tidy table as CSV, whole or not at all."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_numbers(path: Path) -> pd.DataFrame:
    """Read what `write_numbers` wrote.

    Raises:
        ValueError: there is no such file, or it has other columns.
    """
    if not path.is_file():
        raise ValueError(f"{path}: expected the row's numbers, got no file; `dvc repro` evaluates the row again")
    try:
        table = pd.read_csv(path, dtype={"map": str, "measure": str}, keep_default_na=False)
    except (ValueError, OSError) as error:  # of pandas, UnicodeDecodeError
        raise ValueError(f"{path}: is damaged; make it again: `dvc repro -f -s STAGE`") from error
    if list(table) != COLUMNS:
        raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)}, got {', '.join(map(str, table))}")
    return table


def column(measure: str, letter: str = "") -> str:
    """Name the column of a measure of a map, or of a measure that is of no map.

    >>> column("entropy", "o"), column("top1")
    ('entropy_o', 'top1')
    """
    return f"{measure}_{letter}" if letter else measure


def measure_of(name: str) -> tuple[str, str]:
    """Split the name of a column into measure and letter of the map.

    The letter is "" for a measure of no map.

    >>> measure_of("entropy_o"), measure_of("truth_area")
    (('entropy', 'o'), ('truth_area', ''))
    """
    measure, _, letter = name.rpartition("_")
    return (measure, letter) if measure and letter in LETTERS else (name, "")
