"""Tables of text as Markdown."""

import pandas as pd


def table_lines(cells: pd.DataFrame) -> list[str]:
    """The lines of a table: its headings, then a line a row; all cells are text."""
    lines = ["| " + " | ".join(cells.columns) + " |", "|" + "|".join("---" for _ in cells.columns) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in cells.itertuples(index=False)]
