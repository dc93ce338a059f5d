"""State of a training that may be killed: kept beside its output until that is complete, and bound to its settings."""

import io
from pathlib import Path
from typing import Any

import torch

from objabn.system.files import write_bytes


def encode(content: Any) -> bytes:
    """What `torch.save` would write."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def state_path(out: Path) -> Path:
    """Where the state of an unfinished training of `out` is kept."""
    return out.with_name(f"{out.name}.unfinished")


def save_state(out: Path, settings: dict[str, Any], state: dict[str, Any]) -> None:
    """Keeps the state, whole or not at all. `settings` and `state` hold tensors and plain values."""
    write_bytes(state_path(out), encode({"settings": settings, "state": state}))


def load_state(out: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The kept state, None where there is none.

    Raises:
        ValueError: when it was begun with other settings, or is no such state.
    """
    path = state_path(out)
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        begun, state = content["settings"], content["state"]
    except Exception as error:  # torch.load raises half a dozen types for a file that is not its own
        raise ValueError(f"{path}: expected the state of an unfinished training, got another file") from error
    other = [f"{name} {value!r}" for name, value in begun.items() if settings.get(name) != value]
    if other:
        raise ValueError(f"{path}: expected to be resumed with {', '.join(other)}; leave --resume out to start afresh")
    return state
