"""Find a finished run and load its network: the one way in for evaluation, audits and explanations."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch

import objabn
from objabn.config.renamed import of_old_run
from objabn.config.rows import NETWORK, map_names
from objabn.config.schema import Dataset, GradCam
from objabn.model.adopted import adopted_record, load_adopted
from objabn.model.interface import VideoNetwork
from objabn.model.network import ObjectABN
from objabn.model.run import RUN, WEIGHTS, Run, build_model, check_backbone_files, load_run
from objabn.stores.splits import folds

DEVICES = ("auto", "cpu", "cuda")
SHIPPED = Path(objabn.__file__).parent / "assets/eight_drawn_actions"  # a run that comes with the package
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class TrainedRun:
    """A run's network in evaluation mode, and what it was trained as.

    Attributes:
        directory: with model.safetensors and run.json; run.json alone of a network that was not trained here.
        params: its data set's parameters, as they were for this run.
        maps: letters of its maps: u, o, b, or g (Grad-CAM) where it has no attention branch.
        record: run.json.
    """

    directory: Path
    model: VideoNetwork
    params: Dataset
    attention: str
    class_names: tuple[str, ...]
    maps: tuple[str, ...]
    device: torch.device
    record: dict[str, Any]


def find_run(directory: Path) -> tuple[Path, str]:
    """Find the directory of a network, and say of how many it was taken.

    The path may be the network's own, or that of a seed with a network a fold, or the parent of several seeds: then it
    is the first fold's of the lowest seed, and the words say so; else they are "".

    Raises:
        ValueError: there is no finished run.
    """
    expected = f"expected a run's directory ({WEIGHTS} and {RUN}) or its parent (seed-0, ...)"
    if not directory.is_dir():
        raise ValueError(f"run {directory}: {expected}, found {'a file' if directory.exists() else 'nothing'}")
    inside = sorted(path.name for path in directory.iterdir())
    if WEIGHTS in inside or RUN in inside:
        return directory, ""
    if networks := folds(inside):
        return directory / networks[0], _of_folds(networks)
    seeds = sorted(int(found[1]) for name in inside if (found := re.fullmatch(r"seed-(\d+)", name)))
    if not seeds:
        listed = ", ".join(inside[:5]) + (", ..." if len(inside) > 5 else "")
        raise ValueError(f"run {directory}: {expected}, found {listed or 'an empty directory'}")
    lowest = directory / f"seed-{seeds[0]}"
    words = f"the lowest of {len(seeds)} seeds" if len(seeds) > 1 else ""
    if not (networks := folds(path.name for path in lowest.iterdir())):
        return lowest, words
    return lowest / networks[0], ", ".join(filter(None, [words, _of_folds(networks)]))


def _of_folds(networks: Sequence[str]) -> str:
    return f"the first of {len(networks)} folds"


def load(run: str | PathLike[str] = SHIPPED, *, device: str = "auto") -> TrainedRun:
    """Load a run, so that explaining many videos reads it once.

    Args:
        run: its directory, or the parent with the directories of several seeds, of which the lowest is taken, or of
            folds, of which the first is taken. Without it the run that comes with the package is loaded: it knows eight
            drawn actions, and nothing else.
        device: "auto" (a CUDA device if there is one), "cpu" or "cuda".

    Raises:
        ValueError: no run there, an incomplete or damaged one, or no such device.
    """
    chosen = choose_device(device)
    directory, _ = find_run(Path(run))
    return load_trained(directory, chosen)


def choose_device(device: str) -> torch.device:
    """Return the device of "auto", "cpu" or "cuda".

    Raises:
        ValueError: another word, or no such device.
    """
    if device not in DEVICES:
        raise ValueError(f"device: expected {', '.join(DEVICES)}, got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: expected auto or cpu on a machine without a CUDA device, got cuda")
    return torch.device("cpu" if device == "cpu" or not torch.cuda.is_available() else "cuda")


def load_trained(directory: Path, device: torch.device = _CPU) -> TrainedRun:
    """Load the run in a directory onto a device, its network in evaluation mode.

    Raises:
        ValueError: an incomplete or damaged run, or one that this version cannot read; a network that was not trained
            here and is not as it was.
    """
    try:
        if (adopted := adopted_record(directory)) is not None:
            return _adopted(directory, adopted, device)
        state, record = load_run(directory)
        params = Dataset.model_validate(of_old_run(record["params"]))
        if params.train.depthwise == "triton":  # the GPU of this process may not run it
            params = params.model_copy(update={"train": params.train.model_copy(update={"depthwise": "auto"})})
        run = Run(params, record["attention"], record["pc"], record["seed"])
        class_names = tuple(record["class_names"])
        check_backbone_files(directory, record)
        model = build_model(run, len(class_names), pretrained=False)
        model.load_state_dict(state)
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        if str(error).startswith(str(directory)):
            raise
        reason = f"no {error} in {RUN}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise ValueError(f"{directory}: expected a run of this version of objabn, got {reason}") from error
    maps = map_names(run.attention)
    return TrainedRun(directory, model.to(device).eval(), params, run.attention, class_names, maps, device, record)


def why_not_finite(model: VideoNetwork) -> str:
    """Say why a network's logits or maps may not be finite, to end a message."""
    if isinstance(model, ObjectABN):
        return "its training went wrong"
    return "it was not trained here, so its weights, precision or normalisation may not fit"


def _adopted(directory: Path, record: dict[str, Any], device: torch.device) -> TrainedRun:
    """Load the network of a run that was not trained here; its Grad-CAM is at the layer that the run names."""
    params = Dataset.model_validate(of_old_run(record["params"]))
    network, class_names = load_adopted(directory, record, params), tuple(record["class_names"])
    params = params.model_copy(update={"gradcam": GradCam(layer=record[NETWORK]["layer"])})
    attention = record["attention"]
    maps = map_names(attention)
    return TrainedRun(directory, network.to(device).eval(), params, attention, class_names, maps, device, record)
