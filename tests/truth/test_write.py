"""A store of ground truth from boxes: whole or not at all, and what it leaves out by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.stores.truth import open_truth
from objabn.truth.boxes import Annotation, Video
from objabn.truth.write import videos_of, write_store
from tests.helpers.truth import truth_of

TABLE = pd.DataFrame(
    {"video": ["x/a", "x/b", "x/lost", "x/c"], "frames": [4, 3, 0, 2], "fps": [25.0, 25.0, np.nan, 25.0]}
).assign(height=240, width=320)
VIDEOS = videos_of(TABLE, 1)


def annotation(frames: int, *numbers: int) -> Annotation:
    """A box over the left half of these frames, of a person."""
    known = np.zeros(frames, bool)
    known[list(numbers)] = True
    boxes = np.array([[0, 0, 0.5, 1.0]] * len(numbers)).reshape(-1, 4)
    return Annotation(known, np.array(numbers, int), boxes, np.zeros(len(numbers), int))


def test_the_decoded_videos() -> None:
    assert list(VIDEOS) == ["x/a", "x/b", "x/c"]
    assert videos_of(TABLE, 2)["x/b"] == Video(frames=3, stride=2, fps=25.0, height=240, width=320)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    read = [
        ("A", annotation(4, 0, 1, 3)), ("y/other", ""), ("b", "is broken"), ("x/c", annotation(2)),
        ("a", annotation(4, 0)), ("another", ""),
    ]  # fmt: skip
    written = write_store(tmp_path / "truth", VIDEOS, read, ["person"])
    assert (written.videos, written.frames) == (["x/a"], 3)
    assert written.left_out == {
        "not among the data set's decoded videos": ["y/other", "another"],
        "is broken": ["b"],
        "no annotation of a stored frame": ["x/c"],
        "annotated twice": ["a"],
    }
    reader = open_truth(truth_of(tmp_path / "truth", ["person"]), TABLE, 1)
    numbers = np.arange(4)
    assert reader.known("x/a", numbers).tolist() == [True, True, False, True]
    areas = reader.union("x/a", numbers).mean(axis=(1, 2))
    assert areas.tolist() == [0.5, 0.5, 0, 0.5]
    assert reader.annotated_groups == ("person",)
    assert not reader.has("x/b")


def test_without_a_video_or_after_a_fault_the_old_store_stays(tmp_path: Path) -> None:
    store = tmp_path / "truth"
    write_store(store, VIDEOS, [("a", annotation(4, 2))], ["person"])
    before = {path.name: path.read_bytes() for path in store.rglob("*") if path.is_file()}

    def broken():
        yield "a", annotation(4, 1)
        raise ValueError("a.json: is broken")

    with pytest.raises(ValueError, match=r"^a.json: is broken$"):
        write_store(store, VIDEOS, broken(), ["person"])
    expected = "expected some of the 3 decoded videos, such as x/a, got none of them"
    reason = "z: not among the data set's decoded videos"
    with pytest.raises(ValueError, match=f"^annotations: {expected}; {reason}$"):
        write_store(store, VIDEOS, [("z", ""), ("b", "is broken")], ["person"])
    assert {path.name: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["truth"]
