"""Change values in params.yaml and leave all else of its text as it is: comments, order, empty lines."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from objabn.config.faults import ParamsError
from objabn.config.file import compose_yaml, load_params, parse_override, parse_params, read_yaml
from objabn.config.schema import Params
from objabn.config.selection import put

PARAMS = Path("params.yaml")


class Edited(NamedTuple):
    """A parameter file with other values.

    Attributes:
        params: the validated parameters.
        text: of the file.
        changes: what differs, a line each: `key: old -> new`.
    """

    params: Params
    text: str
    changes: list[str]


def edit(given: Sequence[str]) -> Edited:
    """Change values in the text of params.yaml, which is not written here.

    Lists and blocks are written a line an item, as the whole file is. A value that stands there already is no change.

    Args:
        given: `key=value` with a full dotted key that the file has, as for `dvc exp run -S`.

    Raises:
        ParamsError: a key that is not there, parameters at fault with these values, or a text in which a value cannot
            be replaced (`key: &anchor value`).
    """
    load_params(PARAMS, given)  # before a fault of the file could look like one of its text
    text, changes = PARAMS.read_text(encoding="utf-8"), []
    for each in given:
        key, value = parse_override(each)
        old = _value(read_yaml(text), key, each)
        if _flow(old) == _flow(value):
            continue
        wanted = read_yaml(text)
        put(wanted, key, value)
        text = _replaced(text, key, value)
        try:
            is_right = _flow(read_yaml(text)) == _flow(wanted)
        except (yaml.YAMLError, ValueError):
            is_right = False
        if not is_right:
            raise ParamsError(f"-S {each}: {PARAMS}: expected a value that can be replaced, got {_flow(old)}; edit it")
        changes.append(f"{key}: {_flow(old)} -> {_flow(value)}")
    return Edited(parse_params(text, str(PARAMS)), text, changes)


def _value(values: Any, key: str, given: str) -> Any:
    """The value of a dotted key. Raises: ParamsError when the file has no such key."""
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            raise ParamsError(f"-S {given}: {key}: expected a key that stands in {PARAMS}; add it there first")
        values = values[part]
    return values


def _flow(value: Any) -> str:
    """A value in one line, by which values are compared, too: 1, 1.0 and true differ."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _replaced(text: str, key: str, value: Any) -> str:
    """The text with another value of a key that it has."""
    node: yaml.Node = compose_yaml(text)
    for part in key.split("."):
        assert isinstance(node, yaml.MappingNode)
        name, node = next(pair for pair in node.value if pair[0].value == part)
    colon = text.index(":", name.end_mark.index) + 1
    start, end = node.start_mark.index, _end(node)
    if "\n" in text[colon:start]:  # it stands below its key, whose comment stays
        before, rest = text[colon : text.rindex("\n", colon, start)], text[end:]
        if re.match(r"[ \t]+#", rest):  # a comment of the last old value
            rest = rest[rest.find("\n") :] if "\n" in rest else ""
    else:  # what stands behind it in its line stays behind the key
        line_end = text.find("\n", end)
        line_end = len(text) if line_end < 0 else line_end
        before, rest = text[end:line_end], text[line_end:]
    if isinstance(value, list | dict) and value:
        indent = " " * (name.start_mark.column + 2)
        block = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=float("inf"))
        lines = [f"\n{indent}{line}" for line in block.splitlines()]
        return text[:colon] + before + "".join(lines) + rest
    return f"{text[:colon]} {_flow(value)}{before}{rest}"


def _end(node: yaml.Node) -> int:
    """Where a value ends; a block's own mark lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index
