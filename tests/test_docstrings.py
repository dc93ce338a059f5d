"""Docstrings: their examples run, and those of public functions begin with what the function does."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITH_EXAMPLES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for path in ROOT.glob("objabn/**/*.py")
    if ">>> " in path.read_text()
)
# Packages whose first lines keep the rule.
MENDED = ("model", "training", "evaluation", "measures", "stores", "preflight", "networks", "sharing", "export")
NO_VERB = ("The", "A", "An", "What", "Whether", "How", "One", "Which", "Where", "Who", "It", "This")


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_a_module(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # what lies in the checkout, such as finished runs, is no part of an example
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed


def test_the_equations_have_examples() -> None:
    names = {"training.losses", "evaluation.metrics", "clips.geometry", "stores.masks"}
    assert {f"objabn.{name}" for name in names} <= set(WITH_EXAMPLES)


def first_lines(package: str) -> dict[str, str]:
    """The first line of the docstring of each public function and method, by place."""
    lines = {}
    for path in sorted((ROOT / "objabn" / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and (doc := ast.get_docstring(node)):
                lines[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = doc.splitlines()[0]
    return lines


@pytest.mark.parametrize("package", MENDED)
def test_first_lines_are_short_and_begin_with_a_verb(package: str) -> None:
    lines = first_lines(package)
    assert lines
    assert {place: line for place, line in lines.items() if len(line) > 80} == {}
    assert {place: line for place, line in lines.items() if line.split()[0] in NO_VERB} == {}
