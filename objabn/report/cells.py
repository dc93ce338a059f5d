"""Tables of text as Markdown."""

import pandas as pd


def table_lines(cells: pd.DataFrame) -> list[str]:
    """The lines of a table: its headings, then a line a row; all cells are text."""
    lines = ["| " + " | ".join(cells.columns) + " |", "|" + "|".join("---" for _ in cells.columns) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in cells.itertuples(index=False)]


def numbers(values: pd.Series, form: str) -> list[str]:
    return [form.format(value) if pd.notna(value) else "" for value in values]


def means(table: pd.DataFrame, column: str, decimals: int, scale: int = 1) -> list[str]:
    """A column as text: mean, and ± standard deviation where there are several seeds."""
    texts = numbers(scale * table[column], f"{{:.{decimals}f}}")
    if f"{column}_std" not in table:
        return texts
    spreads = numbers(scale * table[f"{column}_std"], f" ± {{:.{decimals}f}}")
    return [f"{text}{spread}" for text, spread in zip(texts, spreads, strict=True)]
