"""Videos that a data set lost when it was decoded, from its table of videos."""

import pandas as pd


def describe_losses(table: pd.DataFrame) -> list[str]:
    """One line for each video that is not ok: id, status, reason."""
    lost = table[table["status"] != "ok"]
    return [f"  {row.video}: {row.status}: {row.error}" for row in lost.itertuples()]


def check_missing(table: pd.DataFrame, max_failed: float) -> None:
    """Raises: ValueError with the list of failed videos when they are more than `max_failed` of a split."""
    for split, rows in table.groupby("split"):
        failed = rows[rows["status"] == "failed"]
        if len(failed) > max_failed * len(rows):
            raise ValueError(
                f"{len(failed)} of {len(rows)} {split} videos failed to decode "
                f"({len(failed) / len(rows):.1%}), expected at most decode.max_failed {max_failed:.1%}:\n"
                + "\n".join(describe_losses(failed))
            )
