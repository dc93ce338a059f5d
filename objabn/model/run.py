"""Define a run, and write and read the directory of a run.

A run is one training. The directory holds model.safetensors, run.json (configuration) and curves.csv (by epoch). The
directory is a contract: code that reads a run reads these files and nothing else.
"""

import csv
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from objabn import __version__
from objabn.config.control_masks import GivenMasks, TrueMasks
from objabn.config.schema import X3D, Dataset, Train
from objabn.model.network import ObjectABN
from objabn.system.files import file_digest

WEIGHTS, RUN, CURVES = "model.safetensors", "run.json", "curves.csv"
_SEED = re.compile(r"seed-(\d+)")
_DIGEST = "weights_digest"  # in run.json; runs that were trained before have none


@dataclass(frozen=True)
class Run:
    """The definition of one training: a row of the table with one seed.

    Attributes:
        params: parameters of the data set, as they are for this row.
        attention: "abn", "mask", "mha" or "plain".
        pc: with the PC loss.
        control: the row's name if the row is a control.
        masks: which masks the row is trained with, "own", "shifted", "other", or a control's block.
        labels: which labels the row is trained with, "own" or "shuffled".
        fold: of a cross-validation: it was trained on the other folds. None: on the split "train".
    """

    params: Dataset
    attention: str
    pc: bool
    seed: int
    control: str | None = None
    masks: str | GivenMasks = "own"
    labels: str = "own"
    fold: str | None = None


def run_record(run: Run, class_names: list[str], inputs: Sequence[Path]) -> dict[str, Any]:
    """Collect the content of run.json.

    The content is the row, the class names, all parameters, the threads on the CPU, the versions, and digests of the
    input files and of a backbone that is downloaded. Behind a training, what it has computed on joins it.

    Raises:
        ValueError: the backbone cannot be downloaded.
    """
    return {
        "attention": run.attention,
        "pc": run.pc,
        "seed": run.seed,
        "control": run.control,
        "masks": run.masks if isinstance(run.masks, str) else _masks_record(run.masks, run.params),
        "labels": run.labels,
        "fold": run.fold,
        "class_names": class_names,
        "params": run.params.model_dump(),
        "threads": num_threads(run.params.train),
        "versions": versions(run.params.model.backbone),
        "inputs": {**{path.as_posix(): file_digest(path) for path in inputs}, **_backbone_digests(run, class_names)},
    }


def _backbone_digests(run: Run, class_names: Sequence[str]) -> dict[str, str]:
    """Of what is downloaded for an X3D, or of what another backbone depends on: code, the user's files."""
    config = run.params.model
    if config.backbone == X3D:
        from objabn.model.x3d import downloaded_digest

        return downloaded_digest(config.pretrained)
    networks = _other_networks()
    return {**networks.code(), **networks.inputs_of(config.backbone, len(class_names), config.pretrained)}


def check_backbone_files(directory: Path, record: Mapping[str, Any]) -> None:
    """Check that the files of a run's backbone are those that it was trained with.

    They are a user's files, none of which is run, or a checkpoint's config.

    Args:
        directory: the run's. record: its run.json.

    Raises:
        ValueError: a file has changed since the training, or is gone; the line begins with the directory.
    """
    spec = record["params"]["model"].get("backbone", X3D)
    if spec == X3D:
        return
    try:
        changed = _other_networks().changed_file(spec, record["inputs"])
    except ValueError as error:
        raise ValueError(f"{directory}: {error}") from error
    if changed:
        expected = f"expected {changed} as it was at the training, got another file or none"
        where = (
            ""
            if Path(changed.removeprefix("hf:")).is_absolute()
            else f" (looked for in {Path.cwd()}; start in the checkout)"
        )
        todo = f"bring it back, or train again: `dvc repro -f -s {stages_of(directory)}`"
        raise ValueError(f"{directory}: {expected}{where}; {todo}")


def stages_of(directory: Path) -> str:
    """Name the stages that train a row's seeds.

    Args:
        directory: of one of the row's runs; of one that lies elsewhere the name is "STAGE".

    >>> stages_of(Path("runs/synthetic/mask/pc-false/seed-0")), stages_of(Path("elsewhere"))
    ('train@synthetic-mask-False-0', 'STAGE')
    """
    for place in (directory, *directory.parents):
        *_, dataset, kind, row, own = ("",) * 4 + place.parts
        if _SEED.fullmatch(own) and (kind == "controls" or row in ("pc-false", "pc-true")):
            names = {own, *(path.name for path in place.parent.glob("seed-*"))}
            seeds = sorted(int(found[1]) for name in names if (found := _SEED.fullmatch(name)))
            loss = f"train@{dataset}-{kind}-{row.removeprefix('pc-').capitalize()}"  # as DVC writes a bool
            stage = f"train-control@{dataset}-{row}" if kind == "controls" else loss
            return " ".join(f"{stage}-{seed}" for seed in seeds)
    return "STAGE"


def _other_networks() -> Any:
    """The module that knows other backbones than X3D. By its name: no stage of an X3D depends on it."""
    return import_module("objabn.networks.backbone")


def _masks_record(masks: GivenMasks, params: Dataset) -> dict[str, Any]:
    """The control's block; with true masks, how they are read besides, since that determines them."""
    truth = {"truth": params.truth.model_dump()} if isinstance(masks, TrueMasks) and params.truth else {}
    return {**masks.model_dump(), **truth}


def num_threads(asked: Train) -> int:
    """Return how many threads a training's process takes on the CPU.

    Sums in another number of parts round differently. CUDA is not asked anything.
    """
    return asked.threads or threads_of_each(asked.devices)


def threads_of_each(processes: int) -> int:
    """Share the threads of a CPU among several processes.

    OMP_NUM_THREADS, where it is set, says how many each takes.
    """
    sharing = 1 if "OMP_NUM_THREADS" in os.environ else processes
    return max(torch.get_num_threads() // sharing, 1)


def versions(backbone: str = X3D) -> dict[str, str]:
    """Return the versions of this package and of the packages that affect results.

    Args:
        backbone: `model.backbone`; one of another library's has its version besides.
    """
    packages = ("torch", "pytorchvideo", "lightning-fabric", "zarr", "decord", "av", *library_of(backbone))
    # decord has no wheel on some systems.
    installed = {name: release for name in packages if (release := _version(name))}
    return {"objabn": __version__, **installed}


def library_of(backbone: str) -> tuple[str, ...]:
    """Return the package whose network a backbone is; none of an X3D or a user's own."""
    library = {"torchvision": "torchvision", "hf": "transformers"}.get(backbone.partition(":")[0])
    return () if library is None else (library,)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cpu_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a model's weights and statistics in the form that safetensors takes."""
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def save_run(directory: Path, model: torch.nn.Module, run: dict[str, Any]) -> None:
    """Write the weights and run.json (`run_record`) into a run's directory."""
    save_file(cpu_state(model), directory / WEIGHTS)
    (directory / RUN).write_text(json.dumps(run, indent=2) + "\n")


def seal_run(directory: Path) -> None:
    """Note the digest of a run's weights in its run.json, so that damage is found."""
    record = json.loads((directory / RUN).read_text())
    record[_DIGEST] = file_digest(directory / WEIGHTS)
    (directory / RUN).write_text(json.dumps(record, indent=2) + "\n")


def load_run(directory: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read the weights and run.json of a run.

    Raises:
        ValueError: the run is incomplete or damaged.
    """
    for name in (WEIGHTS, RUN):
        if not (directory / name).is_file():
            raise ValueError(f"{directory}: expected a finished run with {name}, found none")
    try:
        record = json.loads((directory / RUN).read_text())
        if _DIGEST in record and file_digest(directory / WEIGHTS) != record.pop(_DIGEST):
            raise ValueError(f"{WEIGHTS} is not what {RUN} says; make it again: `dvc repro -f -s STAGE`")
        return load_file(directory / WEIGHTS), record
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{directory}: damaged run: {error}") from None


def write_rows(file: IO[str], rows: list[dict[str, float]], *, header: bool) -> None:
    """Append rows to curves.csv.

    `header` writes the header before the rows; set it for the first rows of a file.
    """
    if rows:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)
        file.flush()


def build_model(run: Run, num_classes: int, *, pretrained: bool = True) -> ObjectABN:
    """Build the network of a run, with any backbone.

    `pretrained` False skips the pretrained weights of the backbone. Use it where other weights will be loaded.
    """
    params = run.params
    config = params.model if pretrained else params.model.model_copy(update={"pretrained": None})
    clips = {"num_classes": num_classes, "num_frames": params.data.num_frames, "crop": params.data.crop}
    return ObjectABN(
        config,
        attention=run.attention,
        pc=run.pc,
        **clips,
        centroid_std=params.train.centroid_std,
        push_centroids=params.train.pc_centroids == "two",
        with_even=params.loss_weights.even > 0,
        depthwise=params.train.depthwise,
        backbone=None if config.backbone == X3D else _other_networks().backbone_for(config, **clips),
    )


def model_of_shapes(run: Run, num_classes: int) -> ObjectABN:
    """Build the network of a run on torch's `meta` device.

    It has shapes, and no memory. A backbone of another kind than X3D is built on the CPU and moved, since its code may
    read numbers. Nothing is drawn from torch's generator.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta" if run.params.model.backbone == X3D else "cpu"):
        network = build_model(run, num_classes, pretrained=False)
    torch.nn.Module.to(network, "meta")  # its own `to` would choose kernels for a device
    return network
