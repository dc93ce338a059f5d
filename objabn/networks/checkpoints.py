"""Read checkpoints of transformers' video networks: a folder becomes a module. Nothing is downloaded."""

import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from objabn.networks.hf_files import PROCESSORS, weights_of
from objabn.networks.weights import RANDOM, fill, read_state
from objabn.segmentation.segmenters import hub
from objabn.system.checkouts import why_absent

KIND = "hf"
_PREDICTOR = "vjepa2.predictor"
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.5,) * 3, (0.5,) * 3


class Known(NamedTuple):
    """A kind of network: the library's class, and how its processor treats pixels unless a checkpoint says else.

    Attributes:
        layers: where its layers are, by number.
        mean, std: of rescaled pixels. rescale: what pixels in [0, 255] are multiplied by. offset: what is subtracted.
    """

    architecture: str
    layers: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rescale: float = 1 / 255
    offset: float = 0.0


NETWORKS = {  # by `model_type` of config.json
    "videomae": Known("VideoMAEForVideoClassification", "videomae.encoder.layer", *_HALF),
    "timesformer": Known("TimesformerForVideoClassification", "timesformer.encoder.layer", *_IMAGENET),
    "vivit": Known("VivitForVideoClassification", "vivit.layers", *_HALF, rescale=1 / 127.5, offset=1.0),
    "vjepa2": Known("VJEPA2ForVideoClassification", "vjepa2.encoder.layer", *_IMAGENET),
}


class Pixels(nn.Module):
    """Turn pixels float32 (B, 3, T, S, S) in [0, 1] into what these networks take, (B, T, 3, S, S).

    Args:
        mean, std: of rescaled pixels, one number of each channel. rescale, offset: as of `Known`.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, mean: tuple[float, ...], std: tuple[float, ...], rescale: float = 1 / 255, offset: float = 0.0
    ) -> None:
        super().__init__()
        means, stds = (torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1, 1) for values in (mean, std))
        self.register_buffer("scale", (255 * rescale / stds).float(), persistent=False)
        self.register_buffer("shift", (-(offset + means) / stds).float(), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Rescale and normalise pixels, and put frames before colours."""
        return (pixels * self.scale + self.shift).transpose(1, 2)


def folder_of(checkpoint: str) -> Path:
    """Find the folder of a checkpoint on this machine.

    Args:
        checkpoint: a folder, or the name of a checkpoint in the library's cache.

    Raises:
        ValueError: it is not there; the line says what to fetch.
    """
    if Path(checkpoint).is_dir():
        return Path(checkpoint)
    if not hub.is_name(checkpoint):
        raise ValueError(f"{KIND}: {hub.no_folder(checkpoint)}")
    if importlib.util.find_spec("huggingface_hub") is not None:
        from huggingface_hub import try_to_load_from_cache

        if isinstance(found := try_to_load_from_cache(checkpoint, hub.CONFIG), str):
            return Path(found).parent
    todo = (
        f"`hf download {checkpoint} --local-dir FOLDER` on a machine with a network, "
        f"copy FOLDER here and name it {KIND}:FOLDER"
    )
    raise ValueError(f"{KIND}: expected a folder or the Hub's {checkpoint} ({todo}){why_absent(checkpoint, 'it')}")


def kind_of(folder: Path) -> Known:
    """Tell the kind of a checkpoint's network.

    Raises:
        ValueError: another kind, or a network without classes.
    """
    if not (folder / hub.CONFIG).is_file():
        raise ValueError(f"{folder}: expected {hub.CONFIG} and weights, got no {hub.CONFIG}")
    config = hub.read_config(folder)
    if (kind := config.get("model_type")) not in NETWORKS:
        raise ValueError(f"{folder / hub.CONFIG}: model_type, expected one of {', '.join(NETWORKS)}, got {kind!r}")
    known = NETWORKS[kind]
    if known.architecture not in (made := config.get("architectures") or [known.architecture]):
        expected = f"expected {known.architecture}, which has classes"
        raise ValueError(f"{folder / hub.CONFIG}: architectures, {expected}, got {made[0]}: fine-tune it first")
    return known


def check_library(spec: str) -> None:
    """Raise ValueError, which says what to install, where the library is not there."""
    if importlib.util.find_spec("transformers") is None:
        raise ValueError(f"{spec}: expected transformers to be installed, found no such library; {hub.INSTALL}")


def build(folder: Path, known: Known, weights: str | None, num_classes: int | None, spec: str) -> nn.Module:
    """Build a module with its weights, in evaluation mode.

    Args:
        weights: None: the folder's; "random"; or another file for the folder's config.
        num_classes: of random weights; None: as the config says.

    Raises:
        ValueError: a config that the library does not take; no weights, or weights that do not fill the whole network.
    """
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    kind = getattr(transformers, known.architecture)
    if weights is None:
        return _from_folder(kind, folder)
    labels = {} if num_classes is None else {"num_labels": num_classes}
    try:
        config = kind.config_class.from_pretrained(str(folder), local_files_only=True, **labels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = kind(config).float().eval()
    except Exception as error:  # values that the library does not take
        raise ValueError(
            f"{folder / hub.CONFIG}: expected a config of {known.architecture}, got {_line(error)}"
        ) from error
    if weights != RANDOM:
        state = {name: value for name, value in read_state(weights).items() if not name.startswith(f"{_PREDICTOR}.")}
        fill(without_predictor(module), state, weights, spec)
    return module


def without_predictor(module: nn.Module) -> nn.Module:
    """Drop what a V-JEPA 2 needs for its pretraining alone.

    Other networks stay as they are.
    """
    if (jepa := getattr(module, "vjepa2", None)) is not None:
        jepa.predictor = nn.Identity()
    return module


def _from_folder(kind: Any, folder: Path) -> nn.Module:
    """Build a module with the weights of its folder, as float32. Raises: ValueError unless all are there and fit."""
    settings = {"local_files_only": True, "dtype": torch.float32, "ignore_mismatched_sizes": True}
    if not weights_of(folder):
        raise ValueError(f"{folder}: expected {hub.CONFIG} and weights, got no {hub.WEIGHTS}")
    try:
        module, found = kind.from_pretrained(str(folder), output_loading_info=True, **settings)
    except Exception as error:  # a broken file, a config of other keys
        raise ValueError(f"{folder}: expected a checkpoint of {kind.__name__}, got {_line(error)}") from error
    missing = sorted(key for key in found["missing_keys"] if not key.startswith(f"{_PREDICTOR}."))
    other = sorted(str(each[0]) for each in found["mismatched_keys"])
    faults = {"missing keys": missing, "tensors of another shape": other}
    if told := [f"{len(keys)} {what} (first: {keys[0]})" for what, keys in faults.items() if keys]:
        raise ValueError(f"{folder}: weights do not fit {hub.CONFIG}: {', '.join(told)}")
    return module.eval()


def pixels_of(folder: Path, known: Known) -> Pixels:
    """Read how a checkpoint's processor treats pixels.

    Raises:
        ValueError: values are no numbers.
    """
    path, said = folder / hub.CONFIG, {}
    for name in PROCESSORS:
        if (folder / name).is_file():
            content = hub.read_config(folder, name)
            if name != PROCESSORS[0] or "video_processor" in content:
                path, said = folder / name, content.get("video_processor", content)
                break
    try:
        rescale = float(said.get("rescale_factor", known.rescale)) if said.get("do_rescale", True) else 1.0
        offset = known.offset if said.get("offset", True) and said.get("do_rescale", True) else 0.0
        if not said.get("do_normalize", True):
            return Pixels((0.0,) * 3, (1.0,) * 3, rescale, offset)
        mean, std = (
            _three(said.get(key) or default)
            for key, default in zip(("image_mean", "image_std"), known[2:4], strict=True)
        )
        return Pixels(mean, std, rescale, offset)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected numbers of image_mean, image_std and rescale_factor, got {error}"
        ) from error


def _three(values: Any) -> tuple[float, ...]:
    numbers = [float(each) for each in values] if isinstance(values, list | tuple) else [float(values)] * 3
    if len(numbers) != 3:
        raise ValueError(f"{len(numbers)} of them")
    return tuple(numbers)


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
