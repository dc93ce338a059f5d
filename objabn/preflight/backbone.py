"""The backbone: is it there, with its pretrained weights, and do they fit the network that will be trained?"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from objabn.config.schema import X3D, Dataset
from objabn.preflight.findings import Finding, fault, ok
from objabn.preflight.rows import Row
from objabn.preflight.weights import X3D_M, Download, file_fault
from objabn.system.downloads import torch_path

KINETICS = "kinetics400"
FACTORS = {"width_factor": 2.0, "depth_factor": 2.2}  # of X3D-M
EXPECTED = f"{KINETICS}, null or the path of a checkpoint"


def backbone_downloads(rows: Iterable[Row]) -> list[Download]:
    """List the downloads that the rows' backbones ask for."""
    known = [(row.key, row.block.model) for row in rows]
    keys = [f"{key}.model.pretrained" for key, model in known if (model.backbone, model.pretrained) == (X3D, KINETICS)]
    return [Download("train", keys[0], X3D_M, torch_path(X3D_M))] if keys else []


def backbone_findings(rows: Iterable[Row]) -> list[Finding]:
    """Look at each row's backbone, once for each that differs.

    Of an X3D at its checkpoint alone.
    """
    found: list[Finding] = []
    seen: list[tuple[Any, ...]] = []
    for row in rows:
        config, data = row.block.model, row.block.data
        if config.backbone != X3D:
            asked = (config, row.block.gradcam.layer, data.num_frames, data.crop, _processes(row))
            found += [] if asked in seen else _of_other(row)
            seen.append(asked)
            continue
        network = (config.pretrained, config.width_factor, config.depth_factor, data.num_frames, data.crop)
        if config.pretrained is None or network in seen:
            continue
        seen.append(network)
        key = f"{row.key}.model.pretrained"
        if config.pretrained == KINETICS:
            wrong = _other_factors(row.block, FACTORS)
            found += [fault("train", f"{key}: {wrong}")] if wrong else []  # where the file is, its download says
        elif line := file_fault(key, config.pretrained, EXPECTED):
            found.append(fault("train", line))
        elif wrong := _misfit(config.pretrained, row.block):
            found.append(fault("train", f"{key}: {wrong}"))
        else:
            found.append(ok("train", f"{key}: {config.pretrained}"))
    return found


def _of_other(row: Row) -> list[Finding]:
    """Look at a backbone other than an X3D by making it, weights and all."""
    from objabn.networks.backbone import check_backbone

    model, data = row.block.model, row.block.data
    try:
        layer = row.block.gradcam.layer
        check_backbone(model, layer, num_frames=data.num_frames, crop=data.crop, processes=_processes(row))
    except ValueError as error:
        line = str(error)
        key = row.key if line.startswith(("model.", "gradcam.")) else f"{row.key}.model.backbone"
        separator = "." if key == row.key else ": "
        return [fault("train", f"{key}{separator}{line}")]
    weights = f", {model.pretrained}" if model.pretrained else ""
    return [ok("train", f"{row.key}.model.backbone: {model.backbone}{weights}")]


def _processes(row: Row) -> int:
    return row.block.train.devices * row.block.train.nodes


def _misfit(path: str, block: Dataset) -> str | None:
    """Say why a checkpoint does not fit, or None.

    One of `python -m objabn pretrain backbone` says beside it what it is for, so that nothing has to be loaded.
    """
    model, data = block.model, block.data
    if recipe := _recipe(Path(path).with_suffix(".json")):
        return _other_factors(block, recipe)
    from objabn.model.x3d import check_backbone

    shape = {"width_factor": model.width_factor, "depth_factor": model.depth_factor}
    try:
        check_backbone(path, num_frames=data.num_frames, crop=data.crop, **shape)
    except ValueError as error:
        return str(error)
    return None


def _recipe(path: Path) -> dict[str, Any] | None:
    """Read the factors that a pretraining has written beside its weights, or None."""
    try:
        model = json.loads(path.read_bytes())["model"]
        return {name: float(model[name]) for name in FACTORS}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _other_factors(block: Dataset, factors: dict[str, Any]) -> str | None:
    expected = " and ".join(f"{name} {value:g}" for name, value in factors.items())
    given = {name: getattr(block.model, name) for name in factors}
    if given == factors:
        return None
    got = " and ".join(f"{value:g}" for value in given.values())
    return f"expected {expected}, as the weights of {block.model.pretrained} have them, got {got}"
