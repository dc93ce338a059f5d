"""A store of ground truth from boxes: whole or not at all, and what it leaves out by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.stores.truth import open_truth
from objabn.truth.boxes import Boxes
from objabn.truth.videos import Video, Videos
from objabn.truth.write import UNKNOWN, LeftOut, Masks, write_store
from tests.helpers.truth import truth_of

TABLE = pd.DataFrame(
    {"video": ["x/a", "x/b", "x/lost", "x/c"], "frames": [4, 3, 0, 2], "fps": [25.0, 25.0, np.nan, 25.0]}
).assign(height=240, width=320, status=["ok", "ok", "failed", "truncated"])
VIDEOS = Videos(TABLE, 1)


def annotation(frames: int, *numbers: int) -> Boxes:
    """A box over the left half of these frames, of a person."""
    known = np.zeros(frames, bool)
    known[list(numbers)] = True
    boxes = np.array([[0, 0, 0.5, 1.0]] * len(numbers)).reshape(-1, 4)
    return Boxes(known, np.array(numbers, int), boxes, np.zeros(len(numbers), int))


def test_the_decoded_videos() -> None:
    """Found by id, or by a last part that no other has; a video without frames is none."""
    assert list(VIDEOS.by_id) == ["x/a", "x/b", "x/c"]
    other = pd.DataFrame([{"video": "y/b", "frames": 2, "fps": 25.0, "height": 2, "width": 2, "status": "ok"}])
    videos = Videos(pd.concat([TABLE, other]), 2)
    assert videos.find("x/b") == Video("x/b", frames=3, stride=2, fps=25.0, height=240, width=320)
    assert [videos.find(name) is None for name in ("b", "B", "z/b", "lost")] == [True] * 4
    assert [VIDEOS.find(name).is_whole for name in "abc"] == [True, True, False]
    assert [videos.find(name).id for name in ("a", "z/A", "y/b")] == ["x/a", "x/a", "y/b"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    read = [
        ("A", annotation(4, 0, 1, 3)), ("y/other", UNKNOWN), ("b", LeftOut("is broken", "by 7")),
        ("x/b", LeftOut("is broken", "by 8")), ("x/c", annotation(2)),
        ("a", Masks(np.ones(4, bool), np.zeros((4, 2, 128, 128), np.uint8))), ("another", UNKNOWN),
    ]  # fmt: skip
    written = write_store(tmp_path / "truth", VIDEOS, read, ["person"])
    assert (written.videos, written.frames) == (["x/a"], 3)
    assert written.left_out == {
        "not among the data set's decoded videos": ["y/other", "another"],
        "is broken": ["b", "x/b"],
        "no annotation of a stored frame": ["x/c"],
        "annotated twice": ["a"],
    }
    assert list(written.details.values()) == ["", "by 7", "", ""]  # of the first
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
    for read, reason in (
        ([("z", UNKNOWN), ("b", LeftOut("is broken"))], "z: not among the data set's decoded videos"),
        ([("b", LeftOut("is broken", "by 7"))], "b: is broken: by 7"),
    ):
        with pytest.raises(ValueError, match=f"^annotations: {expected}; {reason}$"):
            write_store(store, VIDEOS, read, ["person"])
    assert {path.name: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["truth"]
