"""Say why something that params.yaml names is not there."""

from os import PathLike
from pathlib import Path


def why_absent(path: str | PathLike[str], key: str = "it") -> str:
    """Explain a path that is not there, as the end of a message; "" where there is nothing to explain.

    Args:
        key: the path's key in params.yaml.
    """
    parts = Path.cwd().parts
    temporary = any(parts[at : at + 3] == (".dvc", "tmp", "exps") for at in range(len(parts)))
    if Path(path).is_absolute() or not temporary:
        return ""
    return (
        f": {key} is relative and this is a temporary checkout of DVC's, which holds only what Git tracks: "
        "give an absolute path"
    )
