"""Read and validate params.yaml.

Every stage validates the whole file through `load_params` before it imports anything heavy; all faults come out
together, one line each.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from objabn.config.faults import ParamsError, describe, short
from objabn.config.renamed import added_faults, rename_faults
from objabn.config.schema import Params
from objabn.config.selection import control_faults, put, selection_faults


class _Loader(yaml.SafeLoader):
    """PyYAML with YAML 1.2's scalars and unique text keys.

    `1e-4` is a float (DVC writes floats that way), `yes` and `012` are plain text.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r}: expected text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}  # none of YAML 1.1
_NUMBER_START = list("-+0123456789.")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), _NUMBER_START)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
    ),
    _NUMBER_START,
)


def read_yaml(text: str) -> Any:
    """Parsed YAML with 1.2 scalars. Raises: yaml.YAMLError on a syntax fault or a repeated key."""
    return yaml.load(text, Loader=_Loader)


def parse_params(text: str, name: str = "params.yaml", overrides: Sequence[str] = ()) -> Params:
    """Validated parameters from the text of a parameter file.

    Args:
        overrides: `key=value` with a full dotted key, as for `dvc exp run -S`; they are set before validation.

    Raises:
        ParamsError: with every fault, one line each: `<name>: <full key>: <expected>, got <value>`.
    """
    try:
        values = read_yaml(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an explicit tag that does not fit, as `!!int x`
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ParamsError(f"{name}: {where}not valid YAML: {problem}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{name}: expected a mapping of parameters, got {short(values)}")
    for each in overrides:
        _override(values, each)
    values, renamed = rename_faults(values)
    values, added = added_faults(values)
    faults = renamed + added + selection_faults(values) + control_faults(values)
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        faults = [line for fault in error.errors() for line in describe(fault)] + faults
    if faults:
        raise ParamsError("\n".join(f"{name}: {fault}" for fault in faults))
    return params


def load_params(path: str | Path = "params.yaml", overrides: Sequence[str] = ()) -> Params:
    """Validated parameters of a file, see `parse_params`. Raises: ParamsError (also when it cannot be read)."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        if isinstance(error, FileNotFoundError) and Path(path) == Path("params.yaml"):
            reason += "; it stands in a checkout of objabn: `cd` into one"
        raise ParamsError(f"{path}: expected a readable parameter file, got: {reason}") from None
    return parse_params(text, str(path), overrides)


def last_of_each_key(settings: Sequence[str]) -> list[str]:
    """`KEY=VALUE`, each key once: its last value, where the key came first.

    >>> last_of_each_key(["a=1", "b=2", "a=3"])
    ['a=3', 'b=2']
    """
    return list({each.partition("=")[0]: each for each in settings}.values())


def add_overrides(parser: argparse.ArgumentParser, what: str) -> None:
    """`-S KEY=VALUE` of a command: `args.set_param`, a list for `load_params`; `what` goes into its help."""
    parser.add_argument(
        "-S",
        "--set-param",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"as `dvc exp run -S`, {what}; may be given several times",
    )


def compose_yaml(text: str) -> yaml.Node:
    """The nodes of a YAML text that `read_yaml` can read; they know where in the text they stand."""
    node = yaml.compose(text, Loader=_Loader)
    assert node is not None, "an empty text"
    return node


def parse_override(given: str) -> tuple[str, Any]:
    """Key and value of `key=value`. Raises: ParamsError when it is no such thing."""
    key, equals, text = given.partition("=")
    if not equals or not all(key.split(".")):
        raise ParamsError(f"-S: expected key=value such as dataset=ucf101, got {given!r}")
    try:
        return key, read_yaml(text)
    except (yaml.YAMLError, ValueError):
        raise ParamsError(f"-S {given}: {key}: expected a YAML value, got {text!r}") from None


def _override(values: dict, given: str) -> None:
    """Set one value in place. Raises: ParamsError when it is no `key=value`, or there is no block to set it in."""
    key, value = parse_override(given)
    if missing := put(values, key, value):
        what = "not a known block of parameters"
        if _is_null(values, missing.split(".")):
            what = f"is null; set all of the block at once: -S '{missing}={{NAME: VALUE, ...}}'"
        raise ParamsError(f"-S {given}: {missing}: {what}")


def _is_null(values: Any, keys: Sequence[str]) -> bool:
    """Whether there is such a key, in blocks that are blocks, and its value is null."""
    for key in keys:
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return values is None
