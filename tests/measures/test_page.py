"""The examples of docs/metrics.md run, and print what the page says."""

import contextlib
import io
import re
from pathlib import Path

from objabn.measures import arrays

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text()


def test_the_examples_print_what_stands_below_them() -> None:
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == PAGE.count("```python") == 2
    names: dict[str, object] = {}
    for code, expected in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "docs/metrics.md", "exec"), names)
        assert printed.getvalue() == expected
    assert names["metrics"] is arrays


def test_the_page_names_functions_that_are_there() -> None:
    ours = PAGE.partition("## Beside other libraries")[0]
    named = set(re.findall(r"^(?:\| |- )`(\w+)`", ours, re.MULTILINE)) | {"measure_clips", "best_threshold"}
    assert named <= set(arrays.__all__)
    measures = {
        name
        for name in arrays.__all__
        if getattr(getattr(arrays, name), "__module__", "").startswith("objabn.measures")
    }
    assert measures - {"Curves"} <= named
