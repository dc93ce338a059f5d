"""`objabn params`: what each key of params.yaml may be, what it means, and which stages read it.

objabn params train.lr
"""

import argparse
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from objabn.config.file import load_params, read_yaml
from objabn.config.reference import Parameter, kind_of_segmenter, parameters

_SHOWN = ("synthetic", "ucf101")  # data sets whose values stand beside a key
_HEAD = """# Parameters

`params.yaml` drives the pipeline. This page lists every key: what it may be, its value for the embedded data
(`synthetic`) and for UCF101 (`ucf101`), and what it means. It is generated:

<!-- not run: it writes this page -->
```bash
objabn params > docs/parameters.md
```

`objabn params train.lr` prints one key. Change a value in the file, or for one experiment:

```bash
dvc exp run -S datasets.synthetic.loss_weights.mask=5.0
```

Each block says which stages read it. When a value changes, `dvc repro` runs these stages again, and
after them those that use what they wrote. All else is kept.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `params` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser(
        "params",
        description="Prints what each key of params.yaml may be, what it means and which stages read it: all as a page "
        "of Markdown, or those whose key holds the given text.",
    )
    parser.add_argument("key", nargs="?", help="a key or a part of one, such as train.lr")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the page, or the keys that hold the text; 0.

    Raises:
        ValueError: no key holds the text.
    """
    if not Path("params.yaml").is_file():
        load_params()  # says what was expected
    text, pipeline = Path("params.yaml").read_text(encoding="utf-8"), Path("dvc.yaml").read_text(encoding="utf-8")
    found = parameters(text, pipeline)
    if args.key is None:
        print(page(found, read_yaml(text)), end="")
        return 0
    wanted = [each for each in found if args.key in each.key]
    if not wanted:
        raise ValueError(f"params: expected a part of a key of params.yaml, got {args.key!r}")
    for each in wanted:
        print(f"{each.key}{f' ({each.kind})' if each.kind else ''}")
        print(f"    {each.values.replace('`', '')}")
        print(f"    {each.meaning}")
        print(f"    {_readers(each.stages).replace('`', '')}")
    return 0


def page(found: list[Parameter], document: dict[str, Any]) -> str:
    """Write the page of all parameters, Markdown.

    Args:
        document: params.yaml, for the values beside the keys.
    """
    lines = [_HEAD]
    for (block, kind), group in groupby(found, lambda each: (each.key.rpartition(".")[0], each.kind)):
        members = list(group)
        lines += [f"## `{block}`{f', {kind}' if kind else ''}\n" if block else "## Top level\n"]
        if len({each.stages for each in members}) == 1:
            lines += [f"{_readers(members[0].stages)}\n"]
        lines += [*_table(members, document), ""]
    return "\n".join(lines)


def _table(members: list[Parameter], document: dict[str, Any]) -> Iterator[str]:
    """The keys of one block."""
    is_of_data = members[0].key.startswith("datasets.")
    columns = [*(f"`{name}`" for name in _SHOWN)] if is_of_data else ["value"]
    columns = [] if members[0].key.startswith("controls.") else columns
    differ = len({each.stages for each in members}) > 1
    headings = ["key", "may be", *columns, "meaning", *["read by"] * differ]
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for each in members:
        keys = [each.key.replace("<name>", name) for name in _SHOWN] if is_of_data else [each.key]
        values = [_value(document, key, each.kind) for key in keys[: len(columns)]]
        stages = [", ".join(f"`{stage}`" for stage in each.stages) or "no stage"] * differ
        cells = [f"`{each.key.rpartition('.')[2]}`", each.values, *values, each.meaning, *stages]
        yield f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(cell: str) -> str:
    """A cell's text as Markdown shows it: no end of the cell, and no tag but in code."""
    outside = re.split(r"(`[^`]*`)", cell.replace("|", "\\|"))
    return "".join(each if each.startswith("`") else each.replace("<", "&lt;") for each in outside)


def _value(document: dict[str, Any], key: str, kind: str) -> str:
    """The value of a key as YAML in a cell; empty where the file has none, or a block of another kind."""
    value: Any = document
    *blocks, last = key.split(".")
    for name in blocks:
        value = value.get(name) if isinstance(value, dict) else None
    is_other = bool(kind) and isinstance(value, dict) and kind_of_segmenter(value) != kind
    if not isinstance(value, dict) or last not in value or is_other:
        return ""
    value = value[last]
    if isinstance(value, dict):
        return "a block"
    return f"`[{', '.join(map(_scalar, value))}]`" if isinstance(value, list) else f"`{_scalar(value)}`"


def _scalar(value: str | float | None) -> str:
    """A scalar as YAML writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return value if isinstance(value, str) else f"{value:g}"


def _readers(stages: tuple[str, ...]) -> str:
    """Which stages run again when a key changes."""
    if not stages:
        return "Read by no stage: a change runs nothing again."
    return f"Read by {', '.join(f'`{stage}`' for stage in stages)}."
