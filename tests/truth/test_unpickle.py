"""Pickles of numbers and texts are loaded; whatever could run code is refused before it runs."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objabn.truth.unpickle import load_pickle


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("module", [b"numpy._core", b"numpy.core"])
def test_arrays_numbers_and_texts(tmp_path: Path, protocol: int, module: bytes) -> None:
    content = {np.str_("a/b"): [np.uint8(7), np.arange(6.0).reshape(2, 3), "text", 1.5, (True, None), b"\xff"]}
    path = tmp_path / "a.pkl"
    dumped = pickle.dumps(content, protocol=protocol)
    if protocol < 4:  # later ones have the length of a name before it
        dumped = dumped.replace(b"numpy._core", module)
    path.write_bytes(dumped)
    loaded = load_pickle(path)
    assert list(loaded) == ["a/b"]
    number, array, *rest = loaded["a/b"]
    assert (int(number), rest) == (7, ["text", 1.5, (True, None), b"\xff"])
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])


def test_a_number_as_python_2_wrote_it(tmp_path: Path) -> None:
    """Bytes are a text there: `\\xc8` is 200, and Latin-1's."""
    path = tmp_path / "a.pkl"
    path.write_bytes(
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbS'\\xc8'\ntR."
    )
    assert load_pickle(path) == 200


class Runs:
    """A value whose loading would make a directory."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self._what = call, arguments

    def __reduce__(self) -> Any:
        return self._what


@pytest.mark.parametrize(
    ("call", "name"),
    [(os.mkdir, "posix.mkdir"), (eval, "builtins.eval"), (getattr, "builtins.getattr"), (np.load, "numpy.load")],
)
def test_what_could_run_code_is_refused(tmp_path: Path, call: Any, name: str) -> None:
    path, made = tmp_path / "a.pkl", tmp_path / "made"
    path.write_bytes(pickle.dumps({"a": [Runs(call, str(made))]}))
    with pytest.raises(ValueError, match=rf"^{path}: expected a pickle of arrays, numbers and texts, got {name}$"):
        load_pickle(path)
    assert not made.exists()


def text_of(code: str) -> bytes:
    return b"X" + len(code).to_bytes(4, "little") + code.encode()


def type_of(code: str, state: bytes = b"") -> bytes:
    return b"cnumpy\ndtype\n" + text_of(code) + b"\x85R" + state


ADDRESS = b"C\x08AAAAAAAA"  # eight bytes, which would be a pointer
BUFFER = b"cnumpy.core.numeric\n_frombuffer\n("
EMPTY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
FLAGS_OFF = b"(K\x03" + text_of("|") + b"NNNK\x08K\x08K\x00tb"  # as of a type without pointers


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"cnumpy\nndarray\nK\x01\x85" + type_of("u1") + ADDRESS + b"\x87R", "'object' object is not callable"),
        (b"cnumpy\nndarray\nK\x01\x85" + type_of("u1") + ADDRESS + b"\x87\x81", "NEWOBJ class argument must be a type"),
        (EMPTY + b"(K\x01K\x01\x85" + type_of("O8", FLAGS_OFF) + b"\x89" + ADDRESS + b"tb", "values of the type O8"),
        (EMPTY + b"(K\x01K\x01\x85cnumpy\nndarray\n\x89" + ADDRESS + b"tb", "a type of values that is a object"),
        (b"cnumpy.core.multiarray\nscalar\n" + type_of("V8") + ADDRESS + b"\x86R", "values of the type V8"),
        (BUFFER + ADDRESS + type_of("O") + b"K\x01\x85" + text_of("C") + b"tR", "values of the type O"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\nK\x00\x85C\x01btR", "an array of another class than"),
        (type_of("u1", b"(K\x03X\x01\0\0\0|NX\x01\0\0\0a}K\x08K\x08K\x00tb"), "values of the type uint8 with parts"),
        (EMPTY + b"(K\x01K\x09\x85" + type_of("u1") + b"\x89" + ADDRESS + b"tb", "buffer size does not match"),
    ],
)  # fmt: skip
def test_no_bytes_become_pointers(tmp_path: Path, content: bytes, got: str) -> None:
    """With numpy's own classes some of these make arrays of objects at any address, and crash."""
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x03" + content + b".")
    with pytest.raises(ValueError, match=rf"^{path}: expected a pickle of arrays, numbers and texts, got {got}"):
        load_pickle(path)


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(np.array([{}, None], object)))
    with pytest.raises(ValueError, match=r"got values of the type O8$"):
        load_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", [">i4", "<f8", "?", "S3", "<U2"])
def test_orders_of_bytes_and_of_axes(tmp_path: Path, protocol: int, dtype: str) -> None:
    path, array = tmp_path / "a.pkl", np.asfortranarray(np.array([[1, 0, 2], [3, 4, 5]]).astype(dtype))
    path.write_bytes(pickle.dumps([array, array[:, 0].copy()], protocol=protocol))
    for loaded, expected in zip(load_pickle(path), (array, array[:, 0]), strict=True):
        np.testing.assert_array_equal(loaded, expected)


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps([1, 2])[:-3], b"\x80\x03]q\x00(K\x01"])
def test_what_is_no_pickle_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^{path}: expected a pickle of arrays, numbers and texts, got [^\n]+$"):
        load_pickle(path)
    with pytest.raises(ValueError, match=r"cannot be read: No such file or directory$"):
        load_pickle(tmp_path / "none.pkl")
