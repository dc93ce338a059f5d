"""Take other networks than X3D as stages, one of which is the split before which an attention branch can stand."""

from importlib import util
from pathlib import Path
from types import ModuleType

from torch import nn

from objabn.system.files import file_digest


def sequential(spec: str, num_classes: int) -> nn.Sequential:
    """Build a backbone as stages with names, the last of which is the head.

    Args:
        spec: `model.backbone`, file.py:function.

    Raises:
        ValueError: the file or the function is not there, or gives something else.
    """
    path, function = _file_and_function(spec)
    make = getattr(_module(path), function, None)
    if make is None:
        raise ValueError(f"model.backbone: expected a function {function} in {path}, found none")
    network = make(num_classes)
    if not isinstance(network, nn.Sequential) or len(network) < 3:
        expected = "an nn.Sequential of two stages at least and a head"
        raise ValueError(f"{spec}: expected {expected}, got {type(network).__name__}")
    return network


def _file_and_function(spec: str) -> tuple[Path, str]:
    path, _, function = spec.rpartition(":")
    if not Path(path).is_file():
        raise ValueError(f"model.backbone: expected a Python file and a function of it, got {spec!r}, no such file")
    return Path(path), function


def _module(path: Path) -> ModuleType:
    spec = util.spec_from_file_location(f"objabn_own_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def identity_of(spec: str) -> dict[str, str]:
    """Return a backbone's name and the digest of its file. Raises: ValueError when there is no such file."""
    return {"spec": spec, "digest": file_digest(_file_and_function(spec)[0])}
