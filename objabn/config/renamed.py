"""Parameters that had another name, or that were not there: what an old params.yaml is told, how an old run is read."""

import json
import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import yaml

# Within a data set's block: the old key and the new one.
RENAMED = {
    "weights": "loss_weights",
    "decode.workers": "machine.decode_workers",
    "decode.timeout_sec": "machine.decode_timeout_sec",
    "decode.max_failed": "machine.max_failed",
    "segment.engine": "machine.segment_engine",
    "segment.workers": "machine.segment_workers",
    "train.workers": "machine.loader_workers",
    "train.checkpoint_minutes": "machine.checkpoint_minutes",
}

# Parameters that old runs' records lack -> the value that they were trained with.
ADDED = {
    "decode.stride": 1,
    "segment.stride": 1,
    "segment.sparse": "none",
    "segment.images": None,
    "segment.groups": None,
    "data.colour": 0.0,
    "mask.time": "max",
    "model.backbone": "x3d",
    "model.attention_convs": 3,
    "model.attention_gamma": 0.0,
    "model.class_pool": "mean",
    "model.feature_pool": "mean",
    "model.mixer_bias": True,
    "loss_weights.even": 0.0,
    "train.share": 1.0,
    "train.push_centroid_lr": None,
    "train.weight_decay": 0.0,
    "train.pc_centroids": "one",
    "train.pc_between": True,
    "train.report": "last",
    "train.threads": None,
    "train.depthwise": "channels_last",
    "train.compile": False,
    "train.deterministic": False,
    "eval.flat_range": 1e-6,
    "eval.entropy_bins": 10,
    "eval.entropy_size": None,
    "eval.ranking_videos": 0,
    "eval.ranking_seeds": "first",
    "eval.camera": "still",
}

# Parameters that only this backend has, and those that it lacks.
_OF_IMPORT = ("segment.sparse", "segment.images", "segment.groups")
_NOT_OF_IMPORT = ("segment.stride",)  # masks of all frames are there

# Keys that controls of old files lack -> what they were.
ADDED_TO_CONTROLS = {"pc": False, "labels": "own"}

# Keys that `table` of old files lacks -> what pictures had then.
ADDED_TO_TABLE = {"colours": "jet"}

# Blocks that old runs' records lack as a whole. Grad-CAM was drawn at the split then, where it is nearly random. It
# explains a network that it did not help to train: an old network is explained as well as a new one.
ADDED_BLOCKS = {
    "gradcam": {"layer": "res5"},
}


def of_old_run(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a data set's block, as a run's record has it, with all present parameters.

    >>> trained = of_old_run({"train": {"epochs": 4, "workers": 2}})["train"]
    >>> trained["epochs"], trained["report"], "workers" in trained
    (4, 'last', False)
    """
    renamed = _with_truth_block(with_new_names(block))
    for key, value in ADDED.items():
        parent, name = key.split(".")
        known = renamed.get(parent)
        if isinstance(known, dict) and _belongs(key, known):
            known.setdefault(name, value)
    for name, added in ADDED_BLOCKS.items():
        renamed.setdefault(name, dict(added))
    return renamed


def _belongs(key: str, parent: Mapping[str, Any]) -> bool:
    """Whether a block has a parameter: those of a segmenter depend on its backend."""
    return key not in (_NOT_OF_IMPORT if parent.get("backend") == "import" else _OF_IMPORT)


def _with_truth_block(block: dict[str, Any]) -> dict[str, Any]:
    """The block itself, or with a block in place of a text that names the store of the truth.

    Masks of the truth were read with the threshold and the groups of `mask` then.
    """
    if not isinstance(block.get("truth"), str):
        return block
    mask = block.get("mask")
    names = ("score_threshold", "groups")
    read = {name: mask[name] for name in names if name in mask} if isinstance(mask, dict) else {}
    return {**block, "truth": {"store": block["truth"], **read}}


def with_new_names(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a data set's block in which all parameters have their present names.

    >>> with_new_names({"weights": {"pc": 0.5}, "train": {"epochs": 4, "workers": 2}})
    {'train': {'epochs': 4}, 'loss_weights': {'pc': 0.5}, 'machine': {'loader_workers': 2}}
    """
    renamed: dict[str, Any] = deepcopy(dict(block))
    for old in old_names(renamed):
        *parents, name = old.split(".")
        source = renamed[parents[0]] if parents else renamed
        value = source.pop(name)
        *parents, name = RENAMED[old].split(".")
        target = renamed.setdefault(parents[0], {}) if parents else renamed
        if isinstance(target, dict):
            target.setdefault(name, value)
    return renamed


def old_names(block: Any) -> list[str]:
    """List the keys of a data set's block that have another name now."""
    return [old for old in RENAMED if _has(block, old.split("."))]


def _has(block: Any, keys: list[str]) -> bool:
    return isinstance(block, dict) and keys[0] in block and (len(keys) == 1 or _has(block[keys[0]], keys[1:]))


def rename_faults(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a whole parameter file with present names, and a line for each old name in it.

    Args:
        values: the raw file, which may have any other fault.
    """
    values, faults = dict(values), []
    datasets, controls = values.get("datasets"), values.get("controls")
    if isinstance(datasets, dict):
        where = {old: [str(name) for name, block in datasets.items() if _has(block, old.split("."))] for old in RENAMED}
        faults += [
            f"datasets.<name>.{old}: is datasets.<name>.{RENAMED[old]} now (in {', '.join(names)})"
            for old, names in where.items()
            if names
        ]
        faults += [
            f"datasets.{name}.truth: is a block now: {_flow(_with_truth_block(with_new_names(block))['truth'])}"
            for name, block in datasets.items()
            if isinstance(block, dict) and isinstance(block.get("truth"), str)
        ]
        values["datasets"] = {
            name: _with_truth_block(with_new_names(block)) if isinstance(block, dict) else block
            for name, block in datasets.items()
        }
    if isinstance(controls, dict):
        renamed = {}
        for name, control in controls.items():
            changes = control.get("set") if isinstance(control, dict) else None
            if not isinstance(changes, dict):
                renamed[name] = control
                continue
            new = {key: _new_name(key) for key in changes}
            moved = [key for key in changes if new[key] != key and new[key].startswith("machine.")]
            faults += [f"controls.{name}.set.{key}: changes no result; remove it" for key in moved]
            faults += [
                f"controls.{name}.set.{key}: is {new[key]} now"
                for key in changes
                if new[key] != key and key not in moved
            ]
            renamed[name] = {**control, "set": {new[key]: changes[key] for key in changes if key not in moved}}
        values["controls"] = renamed
    return values, faults


def _flow(block: Mapping[str, Any]) -> str:
    """A block in one line of YAML."""
    return yaml.safe_dump(dict(block), default_flow_style=True, sort_keys=False, width=math.inf).strip()


def added_faults(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a whole parameter file with all present keys, and a line for each key that several blocks lack.

    An old file lacks a new key in all of its data sets or controls: one line says so, not one for each. The line has
    the value with which older runs are read. A key that one block lacks is left to the schema, but for those of
    `table`: their line has the value that older pictures have.

    >>> added_faults({"controls": {"a": {"pc": True, "labels": "own"}, "b": {"pc": False}, "c": {"pc": False}}})[1]
    ['controls.<name>.labels: missing (in b, c); older runs are read with "own"']
    """
    filled: dict[str, Any] = deepcopy(dict(values))
    faults = []
    if isinstance(table := filled.get("table"), dict):
        for key, shown in ADDED_TO_TABLE.items():
            if key not in table:
                faults.append(f"table.{key}: missing; older pictures have {json.dumps(shown)}")
                table[key] = shown
    places = {"datasets": {**ADDED, **ADDED_BLOCKS}, "controls": ADDED_TO_CONTROLS}
    for kind, added in places.items():
        blocks = filled.get(kind)
        if not isinstance(blocks, dict):
            continue
        for key, value in added.items():
            *parents, name = key.split(".")
            lacking = {}
            for owner, block in blocks.items():
                parent = block.get(parents[0]) if parents and isinstance(block, dict) else block
                if isinstance(parent, dict) and name not in parent and _belongs(key, parent):
                    lacking[str(owner)] = parent
            if len(lacking) > 1:
                names = ", ".join(lacking)
                line = f"{kind}.<name>.{key}: missing (in {names})"
                faults.append(f"{line}; older runs are read with {json.dumps(value)}")
                for parent in lacking.values():
                    parent[name] = deepcopy(value)
    return filled, faults


def _new_name(key: Any) -> Any:
    """The present name of a dotted key within a data set's block, or the key itself."""
    for old, new in RENAMED.items():
        if isinstance(key, str) and (key == old or key.startswith(f"{old}.")):
            return new + key.removeprefix(old)
    return key
