"""Cells of tables as text, and tables as Markdown."""

import pandas as pd

from objabn.evaluation.numbers import Number
from objabn.report.intervals import Difference


def number_text(number: Number | None, decimals: int, scale: float = 1.0) -> str:
    """Write a number: its mean, and ± its standard deviation where there are several seeds; "" for none.

    >>> number_text(Number(0.8125), 1, scale=100), number_text(Number(2.5, 0.25), 2), number_text(None, 1)
    ('81.2', '2.50 ± 0.25', '')
    """
    if number is None or pd.isna(number.mean):
        return ""
    mean = f"{scale * number.mean:z.{decimals}f}"  # z: no -0.0
    return mean if number.std is None else f"{mean} ± {scale * number.std:.{decimals}f}"


def difference_text(difference: Difference | None, decimals: int) -> str:
    """Write a difference, with its interval if it has one and a star if it is beyond noise; "" for none.

    >>> difference_text(Difference(-1.25, -1.5, -1.0), 1), difference_text(Difference(0.5), 2)
    ('-1.2 [-1.5, -1.0] *', '+0.50')
    """
    if difference is None:
        return ""
    mean = f"{difference.mean:+z.{decimals}f}"  # z: no -0.0
    if difference.low is None or difference.high is None:
        return mean
    ends = f"[{difference.low:+z.{decimals}f}, {difference.high:+z.{decimals}f}]"
    return f"{mean} {ends}{' *' * difference.beyond_noise}"


def short_difference(difference: Difference | None, decimals: int) -> str:
    """Write a difference without its interval, with a star if it is beyond noise; "" for none.

    >>> short_difference(Difference(19.32, 13.0, 25.6), 1), short_difference(Difference(0.8, -0.3, 1.9), 1)
    ('19.3 *', '0.8')
    """
    return "" if difference is None else f"{difference.mean:z.{decimals}f}{' *' * difference.beyond_noise}"


def table_lines(cells: pd.DataFrame) -> list[str]:
    """Write a table of text as Markdown: its headings, then a line for each row."""
    lines = ["| " + " | ".join(cells.columns) + " |", "|" + "|".join("---" for _ in cells.columns) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in cells.itertuples(index=False)]
