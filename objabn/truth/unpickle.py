"""Load pickles of numbers and texts, and nothing that could run code."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

_TYPE = re.compile(r"[biufSU][0-9]*")  # numpy's codes of numbers and texts
_NDARRAY = object()  # stands for the class, which can be called on bytes as if they were pointers


class _Type:
    """A type of numpy's in a pickle: a number or a text. No pickle gets hold of the `np.dtype`, whose state may lie."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not _TYPE.fullmatch(code):
            raise pickle.UnpicklingError(f"values of the type {code}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        """Take the order of the bytes. Raises: UnpicklingError for a type with parts."""
        _, order, *parts = state[:5]
        if order not in tuple("<>|=") or parts != [None] * 3:
            raise pickle.UnpicklingError(f"values of the type {self.dtype} with parts")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """An array of numbers or texts."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, kind, is_fortran, content = state
        super().__setstate__((version, shape, _type_of(kind).dtype, is_fortran, content))  # checks the length


def _type_of(kind: Any) -> _Type:
    if type(kind) is not _Type:
        raise pickle.UnpicklingError(f"a type of values that is a {type(kind).__name__}")
    return kind


def _empty_array(kind: Any, *_: Any) -> np.ndarray:
    """Make the array whose state comes next in the pickle."""
    if kind is not _NDARRAY:
        raise pickle.UnpicklingError("an array of another class than numpy.ndarray")
    return _Array((0,), np.uint8)


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any, *_: Any) -> np.ndarray:
    """Make an array from its bytes, as protocol 5 has it."""
    return np.frombuffer(content, _type_of(kind).dtype).reshape(shape, order=order)


def _scalar(kind: Any, content: bytes | str) -> Any:
    """Make a number or text of numpy's from its bytes; Python 2 wrote them as text."""
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, _type_of(kind).dtype)[0]


def _encode(text: str, encoding: str) -> bytes:
    """Make bytes of a text, as Python 3 writes them for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {encoding}")
    return text.encode("latin1")


_CORES = ("numpy.core", "numpy._core")  # of numpy 1 and 2
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    **{(f"{core}.multiarray", "_reconstruct"): _empty_array for core in _CORES},
    **{(f"{core}.multiarray", "scalar"): _scalar for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): _from_buffer for core in _CORES},
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
