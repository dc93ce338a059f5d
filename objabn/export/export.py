"""Write a trained network to a file that runs without this package, and check the file against PyTorch.

    export(load("runs/synthetic/mask/pc-true"), Path("mask.onnx")).differences

Shapes: B clips, T frames, S pixels.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from objabn.evaluation.trained import TrainedRun, why_not_finite
from objabn.export.clips import clips_of
from objabn.export.formats import ONNX, Runner, check_format, open_file, write
from objabn.export.graph import output_names, outputs, trace
from objabn.export.notes import notes_of
from objabn.model.interface import VideoNetwork
from objabn.system.files import replace_file

BATCHES = (1, 5)  # sizes of the batches that are compared
LIMIT = 1e-4  # largest difference of a logit, or of a map's value in [0, 1]


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how far its answers are from PyTorch's.

    Attributes:
        notes: what the file says of itself.
        differences: largest absolute difference of each output, by the size of the batch.
        videos: on which, as words.
    """

    path: Path
    notes: dict[str, Any]
    differences: dict[int, dict[str, float]]
    videos: str


def export(
    run: TrainedRun, path: Path, *, file_format: str = ONNX, videos: Sequence[Path] = (), force: bool = False
) -> Exported:
    """Write a network's graph and weights to a file, whole or not at all.

    The graph takes clips and returns logits, and the maps where the network has an attention branch.

    Args:
        run: on the CPU.
        file_format: "onnx" or "pt2".
        videos: whose clips the file is checked on; none: `clips_of` chooses.
        force: whether a file that is there is replaced.

    Raises:
        ValueError: no such format, or its packages are missing; a file is there already; a network that cannot be
            exported; answers that are not finite, or further from PyTorch's than `LIMIT`; a video without frames.
    """
    check_format(file_format)
    check_path(path, file_format, force=force)
    clips, words = clips_of(run, videos)
    names, notes = output_names(run.model), notes_of(run, file_format)
    program = trace(run.model, run.params.data)
    with replace_file(path) as partial:
        write(program, names, notes, partial, file_format)
        runner, found = open_file(partial, file_format)
        differences = {size: compare(runner, run.model, names, batches(clips, size)) for size in BATCHES}
        _check(differences, run, file_format)
    return Exported(path, found, differences, words)


def check_path(path: Path, file_format: str, *, force: bool) -> None:
    """Check that a file may be written.

    Raises:
        ValueError: a directory, another suffix than the format's, one below a file, or a file is there and `force` is
            not set.
    """
    if file := next((each for each in path.parents if each.exists() and not each.is_dir()), None):
        raise ValueError(f"out: expected a file in a directory, got {path}, where {file} is a file")
    if path.is_dir():
        raise ValueError(f"out: expected a file to write, got the directory {path}")
    if path.suffix != f".{file_format}":
        raise ValueError(f"out: expected a name that ends with .{file_format}, got {path}")
    if os.path.lexists(path) and not force:
        raise ValueError(f"out: expected no file there, found {path}; --force replaces it")


def batches(clips: Sequence[Sequence[Tensor]], size: int) -> list[Tensor]:
    """Make batches in which each video's first clip is.

    Returns float32 (size, 3, T, S, S) each.

    The last batch is filled up with the videos' second clips, then with those that it began with.
    """
    first, second = [each[0] for each in clips], [each[1] for each in clips if len(each) > 1]
    number = -(-len(first) // size) * size
    filled = [*first, *second, *first * size][:number]
    return list(torch.stack(filled).split(size))


@torch.no_grad()
def compare(runner: Runner, network: VideoNetwork, names: Sequence[str], clips: Sequence[Tensor]) -> dict[str, float]:
    """Return the largest absolute difference of each output, by name.

    It is NaN where a value is not finite.

    Args:
        names: of the outputs. clips: batches, float32 (B, 3, T, S, S).
    """
    largest = dict.fromkeys(names, 0.0)
    for batch in clips:
        for name, found, expected in zip(names, runner(batch), outputs(network, batch), strict=True):
            assert found.shape == expected.shape, f"{name}: {found.shape} {expected.shape}"
            difference = (found - expected).abs().amax().item()
            largest[name] = max(largest[name], difference, key=lambda value: (value != value, value))
    return largest


def _check(differences: dict[int, dict[str, float]], run: TrainedRun, file_format: str) -> None:
    """Raises: ValueError for a difference above the limit, or none that is finite."""
    for size, of_batch in differences.items():
        for name, difference in of_batch.items():
            if difference != difference:
                raise ValueError(f"{run.directory}: its {name} are not finite: {why_not_finite(run.model)}")
            if difference > LIMIT:
                got = f"{difference:.1e} in {name} at batch {size}"
                raise ValueError(
                    f"format {file_format}: expected PyTorch's answers within {LIMIT:.0e}, got {got}; not written"
                )
