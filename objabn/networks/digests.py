"""Say what a row's network is made of, so that a row is stale when its own network changes, and no other row."""

from pathlib import Path

from objabn.system.files import code_digest, file_digest

_ROOT = Path(__file__).parents[2]
_OF_A_DIRECTORY = ("config.json", "preprocessor_config.json", "*.safetensors", "*.bin")  # that transformers reads


def ingredients(spec: str, files: list[str | None]) -> dict[str, object]:
    """Return what determines a network besides parameters, JSON-serialisable.

    Of an X3D that is always the same: its code stands among the dependencies of the stages that use it. Of any other
    network it is the code of `objabn.networks`, and digests of the files.

    Args:
        spec: "x3d", or as `choice.load_network` takes it.
        files: other files that it is made of: weights, labels. None and what is no file is left out.

    >>> ingredients("x3d", ["weights.pyth"])
    {'network': 'x3d'}
    """
    if spec == "x3d":
        return {"network": spec}
    paths = [*_own_files(spec), *(Path(each) for each in files if each)]
    return {
        "network": spec,
        "code": code_digest(_ROOT, ["objabn/networks"]),
        "files": {path.as_posix(): file_digest(path) for path in paths if path.is_file()},
    }


def _own_files(spec: str) -> list[Path]:
    """List the files that a spec names: of a directory for transformers all that it reads, or a user's Python file."""
    kind, _, name = spec.partition(":")
    if kind == "hf":
        return sorted(path for pattern in _OF_A_DIRECTORY for path in Path(name).glob(pattern))
    return [Path(spec.rpartition(":")[0])] if spec.rpartition(":")[0].endswith(".py") else []
