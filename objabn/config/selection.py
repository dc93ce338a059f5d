"""Checks what parameters select: the data set, the rows, and what controls change in a data set's block."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from objabn.config.control_masks import TrueMasks
from objabn.config.faults import ParamsError, describe
from objabn.config.rows import CHANGEABLE, CONTROL_NAME, LOSSES, Control, NetworkControl, Table
from objabn.config.schema import NAME, Dataset, Params


def put(values: dict, key: str, value: Any) -> str | None:
    """Set a dotted key in place; the part of it that should be a block and is none, or None when it is set."""
    *parents, last = key.split(".")
    block = values
    for depth, parent in enumerate(parents, 1):
        block = block.get(parent)  # type: ignore[assignment]
        if not isinstance(block, dict):
            return ".".join(parents[:depth])
    block[last] = value
    return None


def control_and_block(params: Params, dataset: Dataset, name: str) -> tuple[Control | NetworkControl, Dataset]:
    """A control, and a data set's parameters as it changes them.

    Raises:
        ParamsError: there is no such control, or its changes do not fit this data set: a fault of the file only while
            this data set is the chosen one and its table names the control.
    """
    if name not in params.controls:
        raise ParamsError(f"params.yaml: controls.{name}: missing; known: {', '.join(sorted(params.controls))}")
    values, faults = changed(dataset.model_dump(), params.controls[name].set)
    if faults:
        raise ParamsError("\n".join(f"params.yaml: controls.{name}.set.{fault}" for fault in faults))
    if isinstance(params.controls[name].masks, TrueMasks) and dataset.truth is None:
        raise ParamsError(f"params.yaml: {_no_truth(name)}")
    # Of `machine` no control changes anything, and not all of it stands in `values`.
    return params.controls[name], Dataset.model_validate(values).model_copy(update={"machine": dataset.machine})


def trained_table(params: Params) -> Table:
    """The table without the controls that are not trained here."""
    table = params.table
    trained = [name for name in table.controls if not isinstance(params.controls.get(name), NetworkControl)]
    return table.model_copy(update={"controls": trained})


def _no_truth(name: str) -> str:
    return f"controls.{name}.masks.of: expected own or motion (the data set's truth is null), got 'truth'"


def changed(block: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[dict, list[str]]:
    """A data set's block whose dotted keys have other values, and what is wrong with it, beginning with the key."""
    values, faults = deepcopy(dict(block)), []
    for key, value in changes.items():
        if key.split(".")[0] not in CHANGEABLE:
            faults.append(f"{key}: expected a parameter of {', '.join(CHANGEABLE)}")
        elif put(values, key, value):
            faults.append(f"{key}: not a known parameter")
    try:
        Dataset.model_validate(values)
    except ValidationError as error:
        faults += [line for fault in error.errors() for line in describe(fault)]
    return values, faults


def control_faults(values: dict) -> list[str]:
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
    sound = {name: block for name, block in datasets.items() if isinstance(block, dict) and not changed(block, {})[1]}
    for name, control in controls.items():
        if name in LOSSES or not CONTROL_NAME.fullmatch(str(name)):
            expected = f"a name of a-z, 0-9, - and _, starting with a letter, other than {', '.join(LOSSES)}"
            faults.append(f"controls.{name}: expected {expected}, got {name!r}")
        masks = control.get("masks") if isinstance(control, dict) else None
        if name in named and isinstance(masks, dict) and masks.get("of") == "truth" and _lacks_truth(datasets, chosen):
            faults.append(_no_truth(name))
        changes = control.get("set") if isinstance(control, dict) else None
        if not isinstance(changes, dict) or not all(isinstance(key, str) for key in changes):
            continue  # the schema says what is wrong there
        found = {dataset: changed(block, changes)[1] for dataset, block in sound.items()}
        if name in named and isinstance(chosen, str) and chosen in found:
            wrong = found[chosen]
        else:
            wrong = next(iter(found.values()), []) if all(found.values()) else []
        faults += [f"controls.{name}.set.{fault}" for fault in wrong]
    return faults


def _lacks_truth(datasets: dict, chosen: Any) -> bool:
    block = datasets.get(chosen) if isinstance(chosen, str) else None
    return isinstance(block, dict) and "truth" in block and block["truth"] is None


def selection_faults(values: dict) -> list[str]:
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
