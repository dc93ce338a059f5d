"""Our numbers beside the paper's, as a table."""

import pandas as pd

from objabn.report.comparison import Comparison
from objabn.report.main_table import COLUMNS, is_empty_of_meaning
from objabn.report.published import OTHERS, REMARKS

_NOTE = (
    "Ours, the paper's and the difference, ours - the paper's. SE: standard error of the difference of two such "
    "systems, in points, over test recordings{trainings}. That both were tested on the same videos would make it "
    "smaller, but the paper's answers to them are not known."
)


def published_cells(comparison: Comparison) -> pd.DataFrame:
    """Write our numbers beside the paper's; no columns when the paper has none of the rows."""
    cells = pd.DataFrame(index=range(len(comparison.rows)))
    for (measure, letter), (heading, decimals) in COLUMNS.items():
        pairs = [(row, comparison.published[row].get((measure, letter))) for row in comparison.rows]
        if not any(published for _, published in pairs) or is_empty_of_meaning(comparison, measure):
            continue
        name, form = heading.removesuffix(" %"), f"{{:.{decimals}f}}"
        ours = [comparison.numbers[row][measure, letter].mean if published else None for row, published in pairs]
        cells[heading] = ["" if mean is None else form.format(mean) for mean in ours]
        cells[f"{name}: paper"] = [form.format(published.value) if published else "" for _, published in pairs]
        differences = [f"{published.difference:+z.{decimals}f}" if published else "" for _, published in pairs]
        errors = [published.error if published else None for _, published in pairs]
        if any(error is not None for error in errors):
            cells[f"{name}: difference ± SE"] = [
                text if error is None else f"{text} ± {error:.{decimals}f}"
                for text, error in zip(differences, errors, strict=True)
            ]
        else:
            cells[f"{name}: difference"] = differences
    return cells


def published_notes(comparison: Comparison) -> list[str]:
    """What is needed to read the numbers beside the paper's, sentences."""
    published = comparison.params.published
    trainings = (
        " and trainings" if len(comparison.seeds) > 1 else " alone: with one seed, another training is not in it"
    )
    remarks = [REMARKS[published]] if published in REMARKS else []
    return [_NOTE.format(trainings=trainings), *remarks, *_others(published)]


def _others(published: str | None) -> list[str]:
    """The other methods' results that the paper quotes, a sentence."""
    if published not in OTHERS:
        return []
    others = ", ".join(f"{name} {value:g}" for name, value in OTHERS[published].items())
    return [f"Others, top-1 % as the paper quotes them: {others}."]
