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


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps([1, 2])[:-3], b"\x80\x03]q\x00(K\x01"])
def test_what_is_no_pickle_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^{path}: expected a pickle of arrays, numbers and texts, got [^\n]+$"):
        load_pickle(path)
    with pytest.raises(ValueError, match=r"cannot be read: No such file or directory$"):
        load_pickle(tmp_path / "none.pkl")
