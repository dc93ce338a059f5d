"""Read files of weights, and fill networks with them. Nothing in a file is run: no pickled object but tensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from objabn.system.checkouts import why_absent
from objabn.system.downloads import not_whole

RANDOM = "random"  # in place of a file: weights as the network draws them, by a fixed seed
_INSIDE = ("state_dict", "model_state_dict", "model_state", "model")  # where training programs put the weights
_DISTRIBUTED = "module."  # what DistributedDataParallel puts before all names


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a file, by name: a state_dict (.pth, .pt, .bin), alone or in a checkpoint; or safetensors.

    Raises:
        ValueError: there is no such file, or it holds anything else.
    """
    expected = "expected a file of weights: a state_dict (.pth, .pt, .bin) or .safetensors"
    if not Path(path).is_file():
        raise ValueError(f"{path}: {expected}, got no such file{why_absent(path, 'weights')}")
    try:
        if Path(path).suffix == ".safetensors":
            return load_file(path)
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: {expected}, got a broken file ({_first_line(error)})") from error
    except Exception as error:  # torch.load raises half a dozen types for a file that is not its own
        got = not_whole(Path(path)) or f"a file that torch cannot read as weights alone ({type(error).__name__})"
        raise ValueError(f"{path}: {expected}, got {got}") from error
    for key in _INSIDE:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not state or not all(isinstance(each, Tensor) for each in state.values()):
        raise ValueError(f"{path}: {expected}, got something else than a dictionary of tensors")
    if all(name.startswith(_DISTRIBUTED) for name in state):
        state = {name.removeprefix(_DISTRIBUTED): value for name, value in state.items()}
    return dict(state)


def fill(module: nn.Module, state: dict[str, Tensor], path: str | Path, name: str) -> None:
    """Fill a network with weights.

    Args:
        path: of the file, and `name`: of the network, for the message.

    Raises:
        ValueError: unless each finds its place, with its shape.
    """
    try:
        # Not a comparison of names: torchvision renames those of older files while it loads.
        missing, unexpected = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines() if "size mismatch" in line), _first_line(error))
        raise ValueError(f"{path}: does not fit {name}: {first}") from error
    kinds = {"missing": missing, "unexpected": unexpected}
    if faults := [f"{len(keys)} {kind} keys (first: {keys[0]})" for kind, keys in kinds.items() if keys]:
        raise ValueError(f"{path}: does not fit {name}: {', '.join(faults)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
