"""Object-ABN: sharp attention maps for action recognition, as a reproducible DVC pipeline."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`objabn.explain` and `objabn.load`, imported when they are asked for: torch takes seconds.

    By name, since an `import` here would make all of it a dependency of each stage, which all import this package.
    """
    if name in ("explain", "load"):
        return getattr(import_module("objabn.explanation.explain"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
