"""What an exported file says of itself, so that another program can prepare clips and read the answer."""

import re
from pathlib import Path
from typing import Any

import torch

from objabn import __version__
from objabn.clips.geometry import MEAN, STD
from objabn.config.rows import MAPS, NETWORK
from objabn.evaluation.trained import TrainedRun
from objabn.explanation.models import is_model
from objabn.export.formats import OPERATORS
from objabn.export.graph import BATCH, CLIPS, LOGITS
from objabn.export.graph import MAPS as MAPS_OUTPUT
from objabn.model.run import WEIGHTS
from objabn.system.files import file_digest

_OF_A_ROW = re.compile(r"[^/]+/[^/]+/[^/]+/seed-\d+(/fold-\d+)?")  # behind `runs`
_OF_ONE = re.compile(r"(seed|fold)-\d+")  # of several networks in a folder
_MEANINGS = {"u": "M_u, unconstrained", "o": "M_o, of the object", "b": "M_b, of the background"}


def notes_of(run: TrainedRun, file_format: str) -> dict[str, Any]:
    """Collect the notes of an exported network, JSON-serialisable.

    Its keys are those of docs/export.md.
    """
    data, weights = run.params.data, run.directory / WEIGHTS
    maps = MAPS[run.attention]
    size = [BATCH, 3, data.num_frames, data.crop, data.crop]
    outputs: dict[str, Any] = {LOGITS: {"shape": [BATCH, len(run.class_names)], "of": "class_names; before softmax"}}
    if maps:
        side = run.model.map_size
        shape = [BATCH, len(maps), data.num_frames, side, side]
        outputs[MAPS_OUTPUT] = {"shape": shape, "of": "map_names; in [0, 1], over the crop"}
    return {
        "class_names": list(run.class_names),
        "map_names": list(maps),
        "map_meanings": {letter: _MEANINGS[letter] for letter in maps},
        "preprocess": preprocessing(run),
        "inputs": {CLIPS: {"shape": size, "dtype": "float32", "colours": "RGB"}},
        "outputs": outputs,
        "row": _row(run),
        "run": run_name(run.directory),
        "weights_digest": file_digest(weights) if weights.is_file() else None,
        "operators": OPERATORS[file_format],
        "versions": {"objabn": __version__, "torch": torch.__version__},
    }


def run_name(directory: Path) -> str:
    """Name a run by its row and seed below `runs`, elsewhere by its folder.

    A folder of several seeds or folds is named with the one that is meant.

    >>> run_name(Path("/home/me/runs/synthetic/mask/pc-true/seed-0")), run_name(Path("/home/runs/mine"))
    ('synthetic/mask/pc-true/seed-0', 'mine')
    >>> run_name(Path("shared/mine/seed-0"))
    'mine/seed-0'
    """
    parts = directory.absolute().parts
    behind = "/".join(parts[-parts[::-1].index("runs") :]) if "runs" in parts[:-1] else ""
    if _OF_A_ROW.fullmatch(behind):
        return behind
    first = len(parts) - 1
    while first > 1 and _OF_ONE.fullmatch(parts[first]):
        first -= 1
    return "/".join(parts[first:])


def preprocessing(run: TrainedRun) -> dict[str, Any]:
    """Describe how a video becomes a clip of a network.

    The keys stand in the order of the steps of docs/export.md. `resize` is [height, width], or None where the short
    side becomes `short_side` pixels.
    """
    data, decode = run.params.data, run.params.decode
    return {
        "decode_stride": decode.stride,
        "num_frames": data.num_frames,
        "frame_stride": data.frame_stride,
        "pad": data.pad,
        "resize": None if is_model(run) else [decode.height, decode.width],
        "short_side": data.short_side_eval,
        "crop": data.crop,
        "mean": MEAN,
        "std": STD,
    }


def _row(run: TrainedRun) -> dict[str, Any]:
    if run.record.get(NETWORK):
        return {key: run.record[NETWORK][key] for key in ("spec", "weights", "digests")}
    return {key: run.record.get(key) for key in ("attention", "pc", "seed", "control", "masks", "labels", "fold")}
