"""The comparison tables of all rows of a data set, in the order in which they are read."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from objabn.report.backbones import backbone_words
from objabn.report.beside_paper import published_cells, published_notes
from objabn.report.breakdown import CLASSES_TITLE, SIZES_TITLE, size_cells, size_notes, worst_class_cells
from objabn.report.cells import table_lines
from objabn.report.comparison import Comparison
from objabn.report.gradients import NOTES as GRADIENT_NOTES
from objabn.report.gradients import TITLE as GRADIENTS_TITLE
from objabn.report.gradients import gradient_cells
from objabn.report.main_table import difference_cells, difference_notes, main_cells, main_notes, row_cells
from objabn.report.map_table import map_cells, map_notes, measure_notes
from objabn.report.method_table import (
    AGAINST_TITLE,
    against_cells,
    against_notes,
    method_cells,
    method_notes,
)
from objabn.report.method_table import TITLE as METHODS_TITLE
from objabn.report.published import TABLES
from objabn.report.used_table import TITLE as USED_TITLE
from objabn.report.used_table import used_cells, used_notes

_NAMES = ["row", "attention", "PC"]


class Table(NamedTuple):
    """A table below the first one.

    Attributes:
        title: what it is of, without a full stop.
        cells: texts, a line a row of the comparison, or several, by its number; attention and PC come first.
        notes: what is needed to read it, sentences.
    """

    title: str
    cells: pd.DataFrame
    notes: Sequence[str]

    @property
    def has_intervals(self) -> bool:
        """Whether one of the cells is a difference with its interval."""
        texts = self.cells.drop(columns=_NAMES, errors="ignore").to_numpy().ravel()
        return any(" [" in text and text.rstrip(" *").endswith("]") for text in texts)


def tables(comparison: Comparison, *, whole: bool = False) -> dict[str, Table]:
    """Make the tables below the first one, by name, in their order; those without a line are left out.

    Args:
        whole: with what would be long in print: methods of the rows with PC, and what moved the attention branch.
    """
    maps, methods = map_cells(comparison), method_cells(comparison, with_pc=whole)
    differences = pd.concat([row_cells(comparison), difference_cells(comparison)], axis=1)
    beside = pd.concat([row_cells(comparison), published_cells(comparison)], axis=1)
    published = comparison.params.published
    told = [] if whole or not any(row.pc for row in comparison.rows) else ["Rows with PC: on the page and in the csv."]
    made = {
        "used": Table(USED_TITLE, used_cells(comparison), used_notes(comparison)),
        "maps": Table("Maps", maps, [*measure_notes(comparison, maps), *map_notes(comparison)]),
        "differences": Table("Differences to abn", _without_empty(differences), difference_notes(comparison)),
        "against": Table(AGAINST_TITLE, against_cells(comparison), against_notes(comparison)),
        "methods": Table(METHODS_TITLE, methods, [*method_notes(comparison), *told]),
        "sizes": Table(SIZES_TITLE, size_cells(comparison), size_notes(comparison)),
        "classes": Table(CLASSES_TITLE, worst_class_cells(comparison), []),
        "gradients": Table(GRADIENTS_TITLE, gradient_cells(comparison).iloc[: None if whole else 0], GRADIENT_NOTES),
        "published": Table(
            f"Beside the paper ({TABLES[published]})" if published else "",
            _without_empty(beside),
            published_notes(comparison),
        ),
    }
    return {name: table for name, table in made.items() if not table.cells.empty}


def _without_empty(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells without the lines in which there is nothing but the row's name."""
    return cells[(cells.drop(columns=["attention", "PC"]) != "").any(axis=1)]


def to_markdown(comparison: Comparison, words: Sequence[str] = ()) -> str:
    """Write the tables as Markdown, with what is needed to read them.

    Args:
        words: what the rows say, a paragraph each (`answers.answers`).
    """
    lines = [f"# {comparison.name}: comparison of loss configurations", "", *table_lines(main_cells(comparison)), ""]
    if words:
        lines += ["In words:", "", *[f"- {paragraph}" for paragraph in words], ""]
    lines += [*[f"- {note}" for note in main_notes(comparison)], ""]
    for title, cells, notes in tables(comparison).values():
        lines += [f"{title}:" if not title.endswith("?") else title, "", *table_lines(cells), ""]
        lines += [*[f"- {note}" for note in notes], *[""] * bool(notes)]
    masks = ", ".join(f"{name} {value:g}" for name, value in comparison.masks.quality.items())
    seeds = ", ".join(map(str, comparison.seeds))
    return "\n".join([*lines, f"Seeds: {seeds}. Backbone: {backbone_words(comparison)}. Masks: {masks}.", ""])
