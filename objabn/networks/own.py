"""Load a user's own network: a function in a Python file or in a package that returns an nn.Module or an `Adapter`.

    network = load("my_model.py:load")
    network = load("package.module:function")

The file is run, as any program is. Files beside it are found while it is run and its function is called, not later:
imports belong at the top, not into `forward`. A plain nn.Module is adapted by what one pass shows; whoever wants other
clips, another normalisation or token grids returns an `Adapter`.
"""

import hashlib
import importlib
import importlib.util
import itertools
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from objabn.networks.adapter import Adapter
from objabn.networks.weights import RANDOM, fill, read_state
from objabn.system.files import file_digest

NUM_FRAMES, SIZE = 16, 112  # of clips for a plain nn.Module
_OURS = "objabn"
_SPECS = "torchvision:NAME, hf:FOLDER, FILE.py:FUNCTION or a module"
_numbers = itertools.count()


def load(
    spec: str,
    *,
    weights: str | None = None,
    num_frames: int | None = None,
    size: int | None = None,
    layer: str | None = None,
) -> Adapter:
    """Load the network that a user's function returns.

    Args:
        spec: FILE.py:FUNCTION or package.module:function; the function takes no arguments.
        weights: a file for the module; None: as the function returns it. What it draws is drawn by a fixed seed.
        num_frames, size: of the clips for a plain nn.Module; None: 16 of 112 pixels.
        layer: of Grad-CAM; None: the adapter's, of a plain nn.Module the last with cells that the logits read.

    Raises:
        ValueError: there is no such file, module or function; it raises, or returns something else; weights that do not
            fit; a network that takes no such clips, has no classes, or no such layer.
    """
    if weights == RANDOM:
        raise ValueError(f"{spec}: weights, expected a file or none, since the function makes them, got {weights!r}")
    with seeded():
        made, digests = call(spec)
    if weights is not None:
        fill(made.module if isinstance(made, Adapter) else made, read_state(weights), weights, spec)
    network = made if isinstance(made, Adapter) else _adapted(made, num_frames, size, layer, spec)
    network.spec = spec
    for key, given in (("num_frames", num_frames), ("size", size)):
        if given not in (None, getattr(network, key)):
            expected = f"expected {getattr(network, key)}, which its Adapter says"
            raise ValueError(f"{spec}: {key}, {expected}, got {given}")
    if layer is not None:
        network.tap(layer)
        network.layer = network.split if layer == "split" else layer
    own = {"state": state_digest(network.module)} if weights is None else {"weights": file_digest(weights)}
    network.digests = {**digests, **own}
    return network.eval()


def _adapted(module: nn.Module, num_frames: int | None, size: int | None, layer: str | None, spec: str) -> Adapter:
    return Adapter(module, num_frames=num_frames or NUM_FRAMES, size=size or SIZE, layer=layer, spec=spec)


@contextmanager
def seeded() -> Iterator[None]:
    """Draw by a fixed seed, and put the states of torch, NumPy and Python back."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002  # a user's function may draw with it
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002


def state_digest(module: nn.Module) -> str:
    """Digest a module's weights and statistics: their names, types, shapes and bits."""
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def call(spec: str, *arguments: Any) -> tuple[Any, dict[str, str]]:
    """Call a user's function.

    Returns:
        what it returns, an nn.Module; and digests of the code: of its file, and of those beside it by their names.

    Raises:
        ValueError: as `load`.
    """
    place, _, name = spec.rpartition(":")
    if place.endswith(".py") and not Path(place).is_file():
        raise ValueError(f"{spec}: expected a Python file, got no such file")
    folder = Path(place).resolve().parent if place.endswith(".py") else Path.cwd()
    with _importable(folder) as beside:
        module = _import(place, spec)
        function = _function(module, name, spec)
        made = _tried(lambda: function(*arguments), f"{spec}: expected a network from {name}()")
        files = {path.relative_to(folder).as_posix(): file_digest(path) for path in beside()}
    if not isinstance(made, nn.Module):
        raise ValueError(f"{spec}: expected {name}() to return an nn.Module or an Adapter, got a {type(made).__name__}")
    file = getattr(module, "__file__", None)
    return made, {**({} if file is None else {"file": file_digest(file)}), **files}


def file_of(place: str) -> Path | None:
    """Find the file of FILE.py or of package.module, running nothing.

    Returns None where there is none.
    """
    if place.endswith(".py"):
        return Path(place)
    places, whole, found = [str(Path.cwd()), *sys.path], "", None
    for part in place.split("."):
        whole = f"{whole}.{part}".removeprefix(".")
        found = PathFinder.find_spec(whole, places)
        if found is None:
            return None
        places = list(found.submodule_search_locations or [])
    return Path(found.origin) if found is not None and found.origin else None


def digests_of_files(spec: str, names: Iterable[str]) -> dict[str, str]:
    """Digest the files that `call` names, those that are there, running nothing.

    Args:
        spec: of a user's network; of others, and of modules, there are none.
        names: keys of `call`'s digests; others are passed over.
    """
    place = spec.rpartition(":")[0]
    if not place.endswith(".py"):
        return {}
    beside = {name: Path(place).parent / name for name in names if name.endswith(".py")}
    files = {"file": Path(place), **beside}
    return {name: file_digest(path) for name, path in files.items() if path.is_file()}


def _import(place: str, spec: str) -> ModuleType:
    """Run a file under a name that nobody has, so that files of one name do not clash, or import a module."""
    if not place.endswith(".py"):
        return _tried(lambda: importlib.import_module(place), f"{spec}: expected {_SPECS} that can be imported")
    name = f"{_OURS}_own_{next(_numbers)}"
    found = importlib.util.spec_from_file_location(name, Path(place).resolve())
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look their module up
    loader = found.loader
    _tried(lambda: loader.exec_module(module), f"{spec}: expected a Python file that runs")
    return module


def _function(module: ModuleType, name: str, spec: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if callable(function):
        return function
    own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    there = [key for key in own if callable(getattr(module, key)) and not key.startswith("_")]
    raise ValueError(f"{spec}: expected a function of {', '.join(there) or 'the file, which has none'}, got {name!r}")


def _tried(running: Callable[[], Any], expected: str) -> Any:
    try:
        return running()
    except Exception as error:  # a user's code raises what it likes
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{expected}, got {type(error).__name__}: {reason}") from error


@contextmanager
def _importable(folder: Path) -> Iterator[Callable[[], list[Path]]]:
    """Let code import what lies in a folder, as Python does for a program there, and forget those modules afterwards.

    Else a second network, of a folder with modules of the same names, would get the first one's. Gives a function that
    lists the files that were imported so.
    """
    before = set(sys.modules)

    def fresh() -> dict[str, Path]:
        new = {name: module for name, module in sys.modules.items() if name not in before}
        tops = {name: module for name, module in new.items() if "." not in name and not name.startswith(_OURS)}
        of_folder = {name for name, module in tops.items() if _lies_in(module, folder)}
        files = {name: getattr(new[name], "__file__", None) for name in new if name.partition(".")[0] in of_folder}
        return {name: Path(file or folder) for name, file in files.items()}

    sys.path.insert(0, str(folder))
    try:
        yield lambda: sorted(path for path in fresh().values() if path.is_file() and path.is_relative_to(folder))
    finally:
        sys.path.remove(str(folder))
        for name in fresh():
            del sys.modules[name]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    """Whether a module is a file of a folder, or a package that is a folder in it."""
    places = [*getattr(module, "__path__", []), getattr(module, "__file__", None)][:1]
    return any(place is not None and Path(place).resolve().parent == folder for place in places)
