"""The tables as LaTeX: every cell in its column, no letter that LaTeX takes for a command, and it compiles."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from objabn.report.comparison import Comparison
from objabn.report.latex import to_latex
from objabn.report.names import Row
from tests.helpers.comparisons import made_comparison, results

ODD = Row(r"50%_of & #1 {a} ~$x^2\y", False)
VIDEOS = [f"v{at}" for at in range(8)]


def made(seeds: int = 3, rows: tuple[Row, ...] = (Row("abn", False), Row("mask", True), ODD)) -> Comparison:
    """Each row half a bit sharper and 10 points better than the one before; the trainings lie 0.1 bits apart."""
    per_video, numbers = {}, {}
    for at, row in enumerate(rows):
        letter = "u" if at == 0 else "o"
        bits = 2.5 - at / 2 + 0.1 * np.arange(seeds)[:, None] + np.zeros((seeds, 8))
        per_video[row] = results(VIDEOS, top1=np.full((seeds, 8), 0.5 + at / 10), **{f"entropy_object_{letter}": bits})
        numbers[row] = {"top1": 50.0 + 10 * at, f"entropy_{letter}": float(bits.mean())}
        if seeds > 1:
            numbers[row] |= {"top1_std": 0.0, f"entropy_{letter}_std": 0.1}
    return made_comparison(numbers, name="own_data", per_video=per_video, seeds=range(seeds))


def tables(text: str) -> list[list[str]]:
    """The lines of each table, its heading first; how many columns it has is checked."""
    found = []
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL):
        lines = [line for line in body.splitlines() if line.endswith(r" \\")]
        assert [len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines] == [len(columns)] * len(lines)
        assert re.fullmatch("llr+", columns)
        assert [line for line in body.splitlines() if line not in lines] == [r"\toprule", r"\midrule", r"\bottomrule"]
        found.append([line.removesuffix(r" \\") for line in lines])
    return found


def test_both_tables_by_hand() -> None:
    text = to_latex(made())
    odd = r"50\%\_of \& \#1 \{a\} \textasciitilde{}\$x\textasciicircum{}2\textbackslash{}y"
    assert tables(text) == [
        [
            r"attention & PC & top-1 \% & entropy $M_{u}$ & entropy $M_{o}$",
            r"abn &  & 50.00 $\pm$ 0.00 & 2.600 $\pm$ 0.100 & ",
            r"mask & yes & 60.00 $\pm$ 0.00 &  & 2.100 $\pm$ 0.100",
            rf"{odd} &  & 70.00 $\pm$ 0.00 &  & 1.600 $\pm$ 0.100",
        ],
        [
            "attention & PC & top-1 - abn & entropy - abn",
            "mask & yes & +10.0 & $-$0.50 [$-$0.73, $-$0.27] *",
            rf"{odd} &  & +20.0 & $-$1.00 [$-$1.23, $-$0.77] *",
        ],
    ]
    assert text.startswith("% Written by the stage compare. Needs \\usepackage{booktabs}.\n\\begin{table}\n")
    assert text.endswith("\\end{table}\n")
    assert re.findall(r"\\label\{(.*)\}", text) == ["tab:own_data", "tab:own_data-differences"]
    captions = re.findall(r"\\caption\{(.*)\}", text)
    assert captions[0].endswith(r"in bits, mean $\pm$ standard deviation of 3 trainings.")
    assert captions[0].startswith("own data: ")
    assert r"Brackets: 95 \% intervals over trainings and recordings" in captions[1]
    assert r"in 80 \% of all repetitions of this design: entropy 0.31 bits." in captions[1]
    assert "against abn's $M_{u}$" in captions[1]


def test_what_is_used_and_other_methods_have_tables_of_their_own() -> None:
    mask = Row("mask", False)
    lost = results(VIDEOS, top1=np.full((1, 8), 0.5), top1_even=np.full((1, 8), 0.25), pointing_o=np.full((1, 8), 0.5),
                   pointing_g=np.full((1, 8), 0.25))  # fmt: skip
    numbers = {"top1": 50.0, "entropy_object_o": 1.5, "entropy_object_g": 2.5, "pointing_o": 0.5}
    text = to_latex(made_comparison({mask: numbers}, name="own_data", per_video={mask: lost}))
    _, used, against, methods = tables(text)
    assert used == [r"attention & PC & top-1 \% & own - even weight", "mask &  & 50.00 & +25.0"]
    assert against == ["attention & PC & map & pointing", r"mask &  & $M_{o}$ & +25.0"]
    assert methods == [
        r"attention & PC & map & passes & entropy & pointing \%",
        r"mask &  & $M_{o}$ & 0 & 1.500 & 50.0",
        "mask &  & Grad-CAM & 1 backward & 2.500 & ",
    ]
    assert re.findall(r"\\label\{(.*)\}", text)[1:] == [
        f"tab:own_data-{each}" for each in ("used", "against", "methods")
    ]
    assert r"\texttt{gradcam.layer}" in text


def test_one_seed_has_no_brackets() -> None:
    text = to_latex(made(seeds=1))
    main, compared = tables(text)
    assert main[1] == "abn &  & 50.00 & 2.500 & "
    assert compared[1] == "mask & yes & +10.0 & $-$0.50"
    captions = re.findall(r"\\caption\{(.*)\}", text)
    assert captions[0].endswith("in bits, one training.")
    assert "One seed: no star" in captions[1]
    assert r"\texttt{table.seeds} with three seeds tells." in captions[1]


def test_without_differences_there_is_one_table() -> None:
    text = to_latex(made(rows=(Row("abn", False),)))
    assert len(tables(text)) == 1
    assert "differences" not in text
    without_abn = to_latex(made(rows=(Row("plain", False), Row("mask", True))))
    assert len(tables(without_abn)) == 1


def test_the_same_rows_give_the_same_text() -> None:
    assert to_latex(made()) == to_latex(made())


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex in PATH")
def test_it_compiles(tmp_path: Path) -> None:
    (tmp_path / "table.tex").write_text(to_latex(made()))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{table.tex}\\end{document}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
