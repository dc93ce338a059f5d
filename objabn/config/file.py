"""Reads and validates params.yaml.

Every stage validates the whole file through `load_params` before it imports anything heavy; all faults come out
together, one line each.
"""

import argparse
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from objabn.config.schema import CHANGEABLE, CONTROL_NAME, LOSSES, NAME, Control, Dataset, Params
from objabn.config.yaml12 import read_yaml


class ParamsError(ValueError):
    """All faults of a parameter file, one line each."""


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
        raise ParamsError(f"{name}: expected a mapping of parameters, got {_short(values)}")
    for each in overrides:
        _override(values, each)
    faults = _selection_faults(values) + _control_faults(values)
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        faults = [line for fault in error.errors() for line in _describe(fault)] + faults
    if faults:
        raise ParamsError("\n".join(f"{name}: {fault}" for fault in faults))
    return params


def load_params(path: str | Path = "params.yaml", overrides: Sequence[str] = ()) -> Params:
    """Validated parameters of a file, see `parse_params`. Raises: ParamsError (also when it cannot be read)."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ParamsError(f"{path}: expected a readable parameter file, got: {reason}") from None
    return parse_params(text, str(path), overrides)


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


def _override(values: dict, given: str) -> None:
    """Sets one value in place. Raises: ParamsError when it is no `key=value`, or there is no block to set it in."""
    key, equals, text = given.partition("=")
    *parents, last = key.split(".")
    if not equals or not all((*parents, last)):
        raise ParamsError(f"-S: expected key=value such as dataset=ucf101, got {given!r}")
    try:
        value = read_yaml(text)
    except (yaml.YAMLError, ValueError):
        raise ParamsError(f"-S {given}: {key}: expected a YAML value, got {text!r}") from None
    if missing := _put(values, key, value):
        raise ParamsError(f"-S {given}: {missing}: not a known block of parameters")


def _put(values: dict, key: str, value: Any) -> str | None:
    """Sets a dotted key in place; the part of it that should be a block and is none, or None when it is set."""
    *parents, last = key.split(".")
    block = values
    for depth, parent in enumerate(parents, 1):
        block = block.get(parent)  # type: ignore[assignment]
        if not isinstance(block, dict):
            return ".".join(parents[:depth])
    block[last] = value
    return None


def control_and_block(params: Params, dataset: Dataset, name: str) -> tuple[Control, Dataset]:
    """A control, and a data set's parameters as it changes them.

    Raises:
        ParamsError: there is no such control, or its changes do not fit this data set: a fault of the file only while
            this data set is the chosen one and its table names the control.
    """
    if name not in params.controls:
        raise ParamsError(f"params.yaml: controls.{name}: missing; known: {', '.join(sorted(params.controls))}")
    values, faults = _changed(dataset.model_dump(), params.controls[name].set)
    if faults:
        raise ParamsError("\n".join(f"params.yaml: controls.{name}.set.{fault}" for fault in faults))
    return params.controls[name], Dataset.model_validate(values)


def _changed(block: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[dict, list[str]]:
    """A data set's block whose dotted keys have other values, and what is wrong with it, beginning with the key."""
    values, faults = deepcopy(dict(block)), []
    for key, value in changes.items():
        if key.split(".")[0] not in CHANGEABLE:
            faults.append(f"{key}: expected a parameter of {', '.join(CHANGEABLE)}")
        elif _put(values, key, value):
            faults.append(f"{key}: not a known parameter")
    try:
        Dataset.model_validate(values)
    except ValidationError as error:
        faults += [line for fault in error.errors() for line in _describe(fault)]
    return values, faults


def _control_faults(values: dict) -> list[str]:
    """Faults of controls beside those of their own blocks.

    What a control changes may fit some data sets and not others: a fault is what fits none, or does not fit the chosen
    data set while the table names the control.
    """
    datasets, controls, table = (values.get(key) or {} for key in ("datasets", "controls", "table"))
    if not all(isinstance(block, dict) for block in (datasets, controls, table)):
        return []
    faults = []
    listed, chosen = table.get("controls"), values.get("dataset")
    named = listed if isinstance(listed, list) else []
    for number, name in enumerate(named):
        if isinstance(name, str) and name not in controls:
            known = ", ".join(sorted(map(str, controls)))
            faults.append(f"table.controls.{number}: expected one of {known}, got {name!r}")
    sound = {name: block for name, block in datasets.items() if isinstance(block, dict) and not _changed(block, {})[1]}
    for name, control in controls.items():
        if name in LOSSES or not CONTROL_NAME.fullmatch(str(name)):
            expected = f"a name of a-z, 0-9, - and _, starting with a letter, other than {', '.join(LOSSES)}"
            faults.append(f"controls.{name}: expected {expected}, got {name!r}")
        changes = control.get("set") if isinstance(control, dict) else None
        if not isinstance(changes, dict) or not all(isinstance(key, str) for key in changes):
            continue  # the schema says what is wrong there
        found = {dataset: _changed(block, changes)[1] for dataset, block in sound.items()}
        if name in named and isinstance(chosen, str) and chosen in found:
            wrong = found[chosen]
        else:
            wrong = next(iter(found.values()), []) if all(found.values()) else []
        faults += [f"controls.{name}.set.{fault}" for fault in wrong]
    return faults


def _selection_faults(values: dict) -> list[str]:
    """Faults between blocks, on the raw values so that they come out beside the faults within a block."""
    datasets, table, loss = (values.get(key) or {} for key in ("datasets", "table", "loss"))
    if not all(isinstance(block, dict) for block in (datasets, table, loss)):
        return []
    faults = [] if "synthetic" in datasets or not datasets else ["datasets.synthetic: missing (the embedded data)"]
    faults += [
        f"datasets.{name}: expected a name of a-z, 0-9 and _, starting with a letter, got {name!r}"
        for name in datasets
        if not NAME.fullmatch(name)
    ]
    dataset = values.get("dataset")
    if isinstance(dataset, str) and dataset not in datasets:
        faults.append(f"dataset: expected one of {', '.join(sorted(datasets))}, got {dataset!r}")
    for key, kind in (("attention", str), ("pc", bool)):
        rows = table.get(key)
        if isinstance(loss.get(key), kind) and isinstance(rows, list) and loss[key] not in rows:
            faults.append(f"loss.{key}: expected one of the rows in table.{key} {rows}, got {loss[key]!r}")
    return faults


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _describe(fault: Any) -> list[str]:
    """Lines for one pydantic fault: the full dotted key, what was expected, what was found."""
    parts = [str(part) for part in fault["loc"]]
    if len(parts) > 3 and parts[2] == "segment":
        del parts[3]  # pydantic names the chosen backend there
    key, kind, got = ".".join(parts), fault["type"], fault["input"]
    if kind == "extra_forbidden":
        return [f"{key}: not a known parameter"]
    if kind == "missing":
        return [f"{key}: missing"]
    if kind == "value_error":  # raised by our own validators, whose messages begin with the key below `key`
        return [f"{key}.{line}" if key else line for line in str(fault["ctx"]["error"]).splitlines()]
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return [f"{key}: expected a block of parameters, got {_short(got)}"]
    if kind == "union_tag_not_found":
        return [f"{key}.backend: missing"]
    if kind == "union_tag_invalid":
        return [f"{key}.backend: expected {fault['ctx']['expected_tags']}, got {fault['ctx']['tag']!r}"]
    if kind == "too_short":
        return [f"{key}: expected at least one value, got {_short(got)}"]
    message = fault["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return [f"{key}: expected {message}, got {_short(got)}"]
