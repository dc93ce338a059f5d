"""What an exported file says of itself, so that another program can prepare clips and read the answer."""

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

_MEANINGS = {"u": "M_u, unconstrained", "o": "M_o, of the object", "b": "M_b, of the background"}


def notes_of(run: TrainedRun, file_format: str) -> dict[str, Any]:
    """Collect the notes of an exported network, JSON-serialisable.

    Its keys are those of docs/export.md.
    """
    data, record = run.params.data, run.record
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
        "weights_digest": record.get("weights_digest"),
        "operators": OPERATORS[file_format],
        "versions": {"objabn": __version__, "torch": torch.__version__},
    }


def run_name(directory: Path) -> str:
    """Name a run by what stands behind `runs` in its path, else by its folder.

    >>> run_name(Path("/home/me/runs/synthetic/mask/pc-true/seed-0")), run_name(Path("elsewhere/mine"))
    ('synthetic/mask/pc-true/seed-0', 'mine')
    """
    parts = directory.absolute().parts
    behind = parts[-parts[::-1].index("runs") :] if "runs" in parts[:-1] else parts[-1:]
    return "/".join(behind)


def preprocessing(run: TrainedRun) -> dict[str, Any]:
    """Describe how a video becomes a clip of a network.

    The keys stand in the order of the steps of docs/export.md. `resize` is [height, width], or None where the short
    side becomes `short_side` pixels.
    """
    data, decode = run.params.data, run.params.decode
    return {
        "num_frames": data.num_frames,
        "frame_stride": data.frame_stride * decode.stride,
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
    return {key: run.record.get(key) for key in ("attention", "pc", "seed", "control", "fold")}
