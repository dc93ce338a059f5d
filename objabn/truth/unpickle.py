"""Load pickles of numbers and texts, and nothing that could run code."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_KINDS = "biufSU"  # of numpy's types: numbers and texts


def _scalar(dtype: np.dtype, content: bytes | str) -> Any:
    """Make a number or text of numpy's from its bytes; Python 2 wrote them as text."""
    if dtype.kind not in _KINDS:
        raise pickle.UnpicklingError(f"a value of the type {dtype}")
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, dtype)[0]


def _encode(text: str, encoding: str) -> bytes:
    """Make bytes of a text, as Python 3 writes them for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {encoding}")
    return text.encode("latin1")


_CORES = ("numpy.core", "numpy._core")  # of numpy 1 and 2
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
    **{(f"{core}.multiarray", "_reconstruct"): np._core.multiarray._reconstruct for core in _CORES},  # type: ignore[attr-defined]
    **{(f"{core}.multiarray", "scalar"): _scalar for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): np._core.numeric._frombuffer for core in _CORES},  # type: ignore[attr-defined]
}


class _Unpickler(pickle.Unpickler):
    """Knows arrays, numbers and texts of numpy's, and Python's own containers."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return _ALLOWED[module, name]


def load_pickle(path: Path) -> Any:
    """Load a pickle of Python's containers, numbers and texts and numpy's arrays; texts of Python 2 are Latin-1.

    Raises:
        ValueError: it cannot be read, or names anything else; nothing of that was called.
    """
    try:
        with open(path, "rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # whatever a pickle that is none makes of it
        got = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: expected a pickle of arrays, numbers and texts, got {got}") from error
