"""A run directory is a contract: model.safetensors (weights), run.json (what they are), curves.csv (how they came)."""

import csv
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from objabn import __version__
from objabn.config.schema import Dataset
from objabn.video.read import file_digest

WEIGHTS, RUN, CURVES = "model.safetensors", "run.json", "curves.csv"


def run_record(
    attention: str,
    pc: bool,
    seed: int,
    class_names: list[str],
    params: Dataset,
    inputs: Sequence[Path],
    *,
    control: str | None = None,
    masks: str = "own",
) -> dict[str, Any]:
    """What run.json says: the configuration, class names, all parameters, versions, and digests of the inputs.

    Args:
        params: as they are for this row.
        control: its name, if the row is one.
        masks: which it is trained with, as in `params.Control`.
    """
    return {
        "attention": attention,
        "pc": pc,
        "seed": seed,
        "control": control,
        "masks": masks,
        "class_names": class_names,
        "params": params.model_dump(),
        "versions": versions(),
        "inputs": {path.as_posix(): file_digest(path) for path in inputs},
    }


def versions() -> dict[str, str]:
    """Of this package and of those that have a say in a result."""
    packages = ("torch", "pytorchvideo", "lightning-fabric", "zarr", "decord", "av")
    installed = {name: found for name in packages if (found := _version(name))}  # decord has no wheel on some systems
    return {"objabn": __version__, **installed}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cpu_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights and statistics as safetensors takes them."""
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def save_run(directory: Path, model: torch.nn.Module, run: dict[str, Any]) -> None:
    """Writes the weights and run.json (`run_record`)."""
    save_file(cpu_state(model), directory / WEIGHTS)
    (directory / RUN).write_text(json.dumps(run, indent=2) + "\n")


def load_run(directory: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights and run.json of a run. Raises: ValueError when it is incomplete or damaged."""
    for name in (WEIGHTS, RUN):
        if not (directory / name).is_file():
            raise ValueError(f"{directory}: expected a finished run with {name}, found none")
    try:
        return load_file(directory / WEIGHTS), json.loads((directory / RUN).read_text())
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{directory}: damaged run: {error}") from None


def write_rows(file: IO[str], rows: list[dict[str, float]], *, header: bool) -> None:
    """Appends rows of curves.csv, under a header if they are the first."""
    if rows:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)
        file.flush()
