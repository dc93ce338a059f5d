"""Say what a row's network is made of, so that a row is stale when its own network changes, and no other row.

Nothing is imported but what reads files: no torch, and none of a user's code. What a user's file imports is found in
its text.
"""

import ast
import importlib.util
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from objabn.networks.hf_files import WEIGHTS
from objabn.system.files import code_digest, file_digest

_ROOT = Path(__file__).parents[2]
_OURS = "objabn"
_LIBRARIES = {"torchvision": "torchvision", "hf": "transformers"}  # by the kind of network
_OF_A_DIRECTORY = ("*.json", *WEIGHTS)  # that transformers reads


def ingredients(spec: str, files: list[str | None]) -> dict[str, object]:
    """Return what determines a network besides parameters, JSON-serialisable.

    Of an X3D that is always the same: its code stands among the dependencies of the stages that use it. Of any other
    network it is the code of `objabn.networks`, the version of the library that it comes from, and digests of files:
    those given, of an hf: folder what transformers reads, of a user's function its file and those beside it that it
    imports. What a file imports by a name that it computes (`importlib`) is not found, nor are files beside a module
    of an installed package.

    Args:
        spec: "x3d", or as `choice.load_network` takes it.
        files: other files that it is made of: weights, labels; of a folder, what transformers reads. None and what is
            not there is left out.

    >>> ingredients("x3d", ["weights.pyth"])
    {'network': 'x3d'}
    """
    if spec == "x3d":
        return {"network": spec}
    kind, _, name = spec.partition(":")
    places = [name if kind == "hf" else None, *files]
    read = {path.as_posix(): path for each in places if each for path in _files_of(Path(each))}
    if kind not in _LIBRARIES:
        read = {**_code_of(spec.rpartition(":")[0]), **read}
    return {
        "network": spec,
        "code": code_digest(_ROOT, ["objabn/networks"]),
        "versions": _versions(kind),
        "files": {key: file_digest(path) for key, path in read.items() if path.is_file()},
    }


def _versions(kind: str) -> dict[str, str]:
    """Return the version of the library that a kind of network comes from; {} of a user's own, or without it."""
    with suppress(KeyError, PackageNotFoundError):
        return {(library := _LIBRARIES[kind]): version(library)}
    return {}


def _files_of(path: Path) -> list[Path]:
    """List of a folder the files that transformers reads; a file is itself."""
    return sorted(each for pattern in _OF_A_DIRECTORY for each in path.glob(pattern)) if path.is_dir() else [path]


def _code_of(place: str) -> dict[str, Path]:
    """List a user's file, FILE.py or that of package.module, and the files beside it that it imports, by path.

    A module is looked for in the working directory, as a program there does it, then among the installed packages: that
    file goes by the module's name, since the packages of another machine lie elsewhere.
    """
    if place.endswith(".py"):
        file = Path(place)
        found = [file, *_imported([file], _links_followed(file).parent)] if file.is_file() else []
    else:
        found = [] if place.partition(".")[0] == _OURS else _modules(place, Path())
        found += _imported(found, Path())
    if not found and (file_of_module := _installed(place)) is not None:
        return {place: file_of_module}
    return {path.as_posix(): path for path in found}


def _links_followed(path: Path) -> Path:
    """Return where a link leads, relative as the link is: Python looks for modules beside that file."""
    while path.is_symlink():
        path = path.parent / path.readlink()
    return path


def _imported(files: list[Path], folder: Path) -> list[Path]:
    """List the files in a folder that some files import, directly or not, as far as their text says.

    Of the modules of this package none is listed.
    """
    found: set[Path] = set()
    todo = list(files)
    while todo:
        names = _names_in(todo.pop(), folder)
        new = {path for name in names if name.partition(".")[0] != _OURS for path in _modules(name, folder)} - found
        found |= new
        todo += new
    return sorted(found - set(files))


def _names_in(file: Path, folder: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, anywhere in it, seen from a folder; none of a file that is no Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = file.parents[node.level - 1 : node.level] if node.level else ()
            packages = [
                part for each in above if each.is_relative_to(folder) for part in each.relative_to(folder).parts
            ]
            module = ".".join([*packages, *filter(None, [node.module])])
            if not node.level or packages:  # else it leaves the folder, or there is no package
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)


def _modules(name: str, folder: Path) -> list[Path]:
    """List the files in a folder that an import of a dotted name runs: those of the packages, and the module's."""
    parts = name.split(".")
    paths = [folder.joinpath(*parts[: number + 1]) for number in range(len(parts))]
    candidates = [each for path in paths for each in (path / "__init__.py", Path(f"{path}.py"))]
    return [path for path in candidates if path.is_file()]


def _installed(name: str) -> Path | None:
    """Find the file of an installed module without running its package; None if there is no such file."""
    top, *inside = name.split(".")
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # no name of a module
        return None
    for part in inside:
        if found is None or found.submodule_search_locations is None:
            return None
        found = PathFinder.find_spec(f"{found.name}.{part}", found.submodule_search_locations)
    return None if found is None or found.origin is None else Path(found.origin)
