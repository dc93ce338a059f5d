"""Collect the numbers of a row for its model card, from the table of its data set or else from its own results."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from objabn.evaluation.numbers import Number, over_seeds, read_numbers
from objabn.report.cells import number_text
from objabn.report.names import MAP_NAMES, OWN, Row
from objabn.sharing.source import Source
from objabn.system.files import read_json

Key = tuple[str, str]  # measure, and letter of the map or ""
_CURVES = ("loss", "val_top1")  # by which results and trainings are known to belong together
# Measures of the row -> heading, decimals, scale.
_OF_ROW = {
    "top1": ("top-1, %", 1, 1.0),
    "top5": ("top-5, %", 1, 1.0),
    "ece": ("expected calibration error", 3, 1.0),
}
# The same of each own map and of Grad-CAM.
_OF_MAPS = {
    "pointing": ("highest on the true object, % of the frames", 1, 100.0),
    "iou_best": ("IoU with the true object, at the best threshold", 3, 1.0),
    "entropy_object": ("entropy, bits", 2, 1.0),
}
# Differences within the row -> heading, decimals, unit.
_WITHIN = {
    "within_even": ("top-1 lost with one even weight in the place of the map", 1, " points"),
    "within_pointing": ("own map - Grad-CAM: highest on the true object", 1, " points"),
    "within_iou_best": ("own map - Grad-CAM: IoU with the true object", 3, ""),
}
_FEW_CLASSES = 5


class Interval(NamedTuple):
    """A difference with its 95 % interval."""

    mean: float
    low: float
    high: float

    def text(self, decimals: int, unit: str = "", *, sign: str = "+") -> str:
        """Write it with its interval.

        Args:
            sign: "+" writes plus signs, "-" does not.

        >>> Interval(1.25, -0.5, 3.0).text(1, " points"), Interval(1.25, -0.5, 3.0).text(1, sign="-")
        ('+1.2 points [-0.5, +3.0]', '1.2 [-0.5, 3.0]')
        """
        mean, low, high = (f"{value:{sign}z.{decimals}f}" for value in self)
        return f"{mean}{unit} [{low}, {high}]"


class Numbers(NamedTuple):
    """What is known of a row.

    Attributes:
        means: mean and spread over the trainings.
        against_abn: differences to the row abn, of those measures that the table compares.
        within: differences within the row, by measure (`within_*`).
        by_seed: top-1 of each training, in percent.
        origin: the file that they are from.
    """

    means: Mapping[Key, Number]
    against_abn: Mapping[Key, Interval]
    within: Mapping[str, Interval]
    by_seed: Mapping[int, float]
    origin: Path

    @property
    def letters(self) -> list[str]:
        """List the row's own maps, in the order of all tables."""
        known = {letter for _, letter in self.means}
        return [letter for letter in OWN if letter in known]


def read_row(source: Source) -> Numbers | None:
    """Read the numbers of a row; None where it was not evaluated.

    Raises:
        ValueError: the results are of other trainings than these, or the table is of other results; or a file is
            damaged.
    """
    results = Path("results", source.dataset, f"{source.place}.csv")
    if not results.is_file():
        return None
    _check_same(source, results)
    own = read_numbers(results)
    means = over_seeds(own)
    of_top1 = own[(own["measure"] == "top1") & (own["map"] == "")]
    by_seed = {int(seed): float(value) for seed, value in zip(of_top1["seed"], of_top1["value"], strict=True)}
    table = Path("tables", f"{source.dataset}.csv")
    lines = _lines(table, source.row) if table.is_file() else None
    if lines is None:
        return Numbers(means, {}, {}, by_seed, results)
    of_table = lines[(lines["measure"] == "top1") & (lines["map"] == "")]["mean"]
    if of_table.empty or abs(float(of_table.iloc[0]) - means["top1", ""].mean) > 1e-4:
        raise ValueError(f"{table}: expected the numbers of {results}, got others; make it again: `dvc repro`")
    with_ends = lines.dropna(subset=["low", "high"])
    keys = zip(with_ends["measure"].tolist(), with_ends["map"].tolist(), strict=True)
    values = with_ends[["mean", "minus_abn", "low", "high"]].to_numpy(float).tolist()
    against, within = {}, {}
    for (name, letter), (mean, minus_abn, low, high) in zip(keys, values, strict=True):
        if name.startswith("within_"):
            within[name] = Interval(mean, low, high)
        else:
            against[name, letter] = Interval(minus_abn, low, high)
    return Numbers(means, against, within, by_seed, table)


def _check_same(source: Source, results: Path) -> None:
    """Compare the curves that evaluation noted with those of the trainings."""
    notes = read_json(results.with_suffix(".training.json"))
    for seed in source.seeds:
        noted, path = notes["curves"].get(str(seed)), source.curves(seed)
        if noted is None:
            got = ", ".join(notes["curves"])
            raise ValueError(f"{results}: expected results of seed {seed}, got results of {got}; --seed N takes one")
        curves = pd.read_csv(path).round(6)
        if any(curves[name].tolist() != noted[name] for name in _CURVES):
            expected = f"{results}: expected the results of {path.parent}, got those of other trainings"
            raise ValueError(f"{expected}; evaluate it again: `dvc repro`")


def _lines(table: Path, row: Row) -> pd.DataFrame | None:
    """Read a row's lines of a table; None where it has none, or the table is of an older version."""
    try:
        lines = pd.read_csv(table, dtype={"attention": str, "map": str}).fillna({"map": ""})
        chosen = lines[(lines["attention"] == row.attention) & (lines["pc"].astype(bool) == row.pc)]
        return chosen[["map", "measure", "mean", "minus_abn", "low", "high"]] if len(chosen) else None
    except (ValueError, KeyError):
        return None


def number_lines(numbers: Numbers, num_classes: int) -> list[str]:
    """Write the numbers as a Markdown table.

    Its columns: measure, mean ± spread over the trainings, difference to abn.
    """
    lines = []

    def add(heading: str, key: Key, decimals: int, scale: float) -> None:
        if not (value := number_text(numbers.means.get(key), decimals, scale)):
            return
        difference = numbers.against_abn.get(key)
        # The table's differences of percentages are points already.
        lines.append(f"| {heading} | {value} | {difference.text(decimals) if difference else ''} |")

    for measure, (heading, decimals, scale) in _OF_ROW.items():
        if measure != "top5" or num_classes > _FEW_CLASSES:
            add(heading, (measure, ""), decimals, scale)
    for measure, (heading, decimals, scale) in _OF_MAPS.items():
        for letter in [*(each for each in numbers.letters if each != "b"), "g"]:
            add(f"{MAP_NAMES[letter]}: {heading}", (measure, letter), decimals, scale)
    for name, (heading, decimals, unit) in _WITHIN.items():
        if found := numbers.within.get(name):
            lines.append(f"| {heading} | {found.text(decimals, unit)} | |")
    return ["| measure | mean ± spread of trainings | minus `abn` |", "|---|---|---|", *lines]
