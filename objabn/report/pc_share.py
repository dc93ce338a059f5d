"""How much the PC loss moved the attention branch: its share of the gradient, by the notes of the trainings."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from objabn.report.comparison import Comparison
from objabn.report.names import Row

LEAST = 0.01  # share of the gradient below which PC is said to move nothing


def pc_shares(trainings: Mapping[Row, Mapping[str, Any]]) -> dict[Row, float]:
    """Take PC's mean share of the gradient on the attention branch, over epochs and seeds, of each row with PC.

    Rows whose trainings did not note it are left out.

    Args:
        trainings: of each row, as `training_notes` gives them.
    """
    shares = {}
    for row, notes in trainings.items():
        curves = [curve["gradient_pc"] for curve in notes.get("curves", {}).values() if "gradient_pc" in curve]
        known = pd.Series([share for curve in curves for share in curve], dtype=float).dropna()
        if row.pc and len(known):
            shares[row] = float(known.mean())
    return shares


def pc_sentence(comparison: Comparison) -> str | None:
    """Warn of rows in which PC had less than one percent of the gradient; None where there are none."""
    low = {row: share for row, share in pc_shares(comparison.trainings).items() if share < LEAST}
    if not low:
        return None
    told = ", ".join(f"{percent(share)} in {row.name}" for row, share in low.items())
    return (
        f"Beware: of the gradient that moved the attention branch PC's share was {told}, so a difference between such "
        "a row and the one without PC is noise."
    )


def percent(share: float) -> str:
    """Write a share in percent with two digits that count.

    >>> percent(0.000213), percent(0.0084), percent(0.0)
    ('0.021 %', '0.84 %', '0 %')
    """
    return f"{float(f'{100 * share:.2g}'):.10f}".rstrip("0").rstrip(".") + " %"
