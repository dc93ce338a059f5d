"""The comparison as LaTeX tables for a paper: \\input{tables/<data set>.tex}, with \\usepackage{booktabs}."""

import re

import pandas as pd

from objabn.report.comparison import Comparison
from objabn.report.main_table import main_cells
from objabn.report.tables import tables

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip
_TABLES = ("used", "differences", "against", "methods")
_MAP = re.compile(r"\bM_([uob])\b")


def to_latex(comparison: Comparison) -> str:
    """Write accuracies and entropies, and the tables of _TABLES with what is needed to read them."""
    main = main_cells(comparison)
    seeds = len(comparison.seeds)
    spread = f", mean ± standard deviation of {seeds} trainings" if seeds > 1 else ", one training"
    name = comparison.name.replace("_", " ")
    lines = _table(main, f"{name}: accuracy, and entropy of the maps in bits{spread}.", f"tab:{comparison.name}")
    for label, (title, cells, notes) in tables(comparison).items():
        if label in _TABLES:
            about = f"{title}{'' if title.endswith('?') else '.'} {' '.join(notes)}"
            lines += ["", *_table(cells, f"{name}: {about}", f"tab:{comparison.name}-{label}")]
    return "\n".join(["% Written by the stage compare. Needs \\usepackage{booktabs}.", *lines, ""])


def _table(cells: pd.DataFrame, caption: str, label: str) -> list[str]:
    body = [" & ".join(_escaped(cell) for cell in row) + r" \\" for row in cells.itertuples(index=False)]
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{ll{'r' * (len(cells.columns) - 2)}}}",
        r"\toprule",
        " & ".join(_escaped(str(heading)) for heading in cells) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def _escaped(text: str) -> str:
    r"""Write a text in LaTeX; M_o, ± and the minus before a digit become mathematics, `names` are typed.

    >>> print(_escaped("entropy M_o, 5 %"), _escaped("-1.28 ± 0.05"))
    entropy $M_{o}$, 5 \% $-$1.28 $\pm$ 0.05
    """
    parts = _MAP.split(text)
    plain = ["".join(_SPECIAL.get(letter, letter) for letter in part) for part in parts[::2]]
    joined = plain[0]
    for letter, following in zip(parts[1::2], plain[1:], strict=True):
        joined += f"$M_{{{letter}}}${following}"
    typed = re.sub(r"`([^`]*)`", r"\\texttt{\1}", joined)
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", typed).replace("±", r"$\pm$")
