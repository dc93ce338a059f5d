"""What moved the attention branch: each loss term's share of the gradient, by the notes of the trainings."""

import pandas as pd

from objabn.evaluation.training_notes import GRADIENTS
from objabn.report.comparison import Comparison
from objabn.report.names import Row

TITLE = "What moved the attention branch"
LEAST = 0.01  # share of the gradient below which PC is said to move nothing
NOTES = [
    "Each loss term's share of the gradient on the attention branch: the norm of its own gradient over the sum of all "
    "terms' norms, the mean over the training and the seeds."
]


def shares(comparison: Comparison, row: Row) -> dict[str, float]:
    """Take the mean share of each of GRADIENTS over a row's epochs and seeds, of those that were noted."""
    curves = comparison.trainings.get(row, {}).get("curves", {}).values()
    found = {}
    for name in GRADIENTS:
        known = pd.Series([share for curve in curves for share in curve.get(name, [])], dtype=float).dropna()
        if len(known):
            found[name] = float(known.mean())
    return found


def gradient_cells(comparison: Comparison) -> pd.DataFrame:
    """Write the shares, a line a row that has noted them, by its number."""
    of_rows = [shares(comparison, row) for row in comparison.rows]
    names = [name for name in GRADIENTS if any(name in each for each in of_rows)]
    cells = pd.DataFrame({"attention": [row.attention for row in comparison.rows]})
    cells["PC"] = ["yes" * row.pc for row in comparison.rows]
    for name in names:
        term = name.removeprefix("gradient_")
        cells["attention loss" if term == "attention" else term] = [  # "attention" is the row's name
            percent(each[name]) if name in each else "" for each in of_rows
        ]
    return cells[[bool(each) for each in of_rows]]


def pc_warning(comparison: Comparison) -> str | None:
    """Warn of rows in which PC had less than one percent of the gradient; None where there are none."""
    of_rows = {row: shares(comparison, row).get("gradient_pc") for row in comparison.rows}
    low = {row: share for row, share in of_rows.items() if share is not None and share < LEAST and (share or row.pc)}
    if not low:
        return None
    told = ", ".join(f"{percent(share)} in {row.name}" for row, share in low.items())
    return (
        f"Beware: of the gradient that moved the attention branch PC's share was {told}, so a difference between such "
        "a row and the one without PC is noise."
    )


def percent(share: float) -> str:
    """Write a share in percent with two digits that count.

    >>> percent(0.000213), percent(0.0084), percent(0.5), percent(0.0)
    ('0.021 %', '0.84 %', '50 %', '0 %')
    """
    return f"{float(f'{100 * share:.2g}'):.10f}".rstrip("0").rstrip(".") + " %"
