"""J-HMDB's puppets as imported masks: their cells, their number, and one line for what is wrong with a file."""

import sys
from pathlib import Path

import numpy as np
import pytest

from objabn.segmentation.segmenters import choice
from objabn.segmentation.segmenters.puppets import read_puppets, wrong_length
from tests.helpers.puppets import columns, write_puppets

CLIP = "wave/#1_(a)_[b]_&!_wave_u_cm_np1_fr_med_0"


def imported(folder: Path, frames: int, **settings: object) -> list[float]:
    """What share of the frame each frame's persons cover."""
    segment = choice.build("import", masks=str(folder), format="jhmdb", class_name="person", **settings)
    found = segment(np.zeros((frames, 4, 4, 3), np.uint8), CLIP)
    assert {name for each in found for name in each.classes} == {"person"}
    assert all(each.scores.tolist() == [1] * len(each.masks) for each in found)
    return [float(each.masks.mean()) if len(each.masks) else 0.0 for each in found]


def test_every_value_above_0_is_the_actor(tmp_path: Path) -> None:
    path = write_puppets(tmp_path, CLIP, columns(2, 0, 8))
    puppets = read_puppets(path)
    assert (puppets.shape, puppets.dtype) == ((3, 8, 8), bool)
    assert puppets.mean(axis=(1, 2)).tolist() == [0.25, 0, 1]
    assert imported(tmp_path, 3) == [0.25, 0, 1]


@pytest.mark.parametrize(
    ("masks", "frames", "shares"),
    [
        (columns(2, 4), 4, [0.25, 0.5, 0.5, 0.5]),  # two fewer
        (columns(2, 4, 6, 8, 8), 3, [0.25, 0.5, 0.75]),  # two more
        (columns(4)[0], 1, [0.5]),  # MATLAB has no last axis of one
        (columns(4).astype(np.float64), 1, [0.5]),
        (columns(4).astype(bool), 1, [0.5]),
    ],
)
def test_few_frames_more_or_less(tmp_path: Path, masks: np.ndarray, frames: int, shares: list[float]) -> None:
    if masks.ndim == 2:
        write_puppets(tmp_path, CLIP, masks, part_mask=masks)
    else:
        write_puppets(tmp_path, CLIP, masks)
    assert imported(tmp_path, frames) == shares


def test_of_stored_frames_only(tmp_path: Path) -> None:
    """Of seven frames 0, 3 and 6 are stored, of five (the last two have no mask) the same."""
    write_puppets(tmp_path, CLIP, columns(2, 0, 0, 4, 0, 0, 6))
    assert imported(tmp_path, 3, decode_stride=3) == [0.25, 0.5, 0.75]
    write_puppets(tmp_path, CLIP, columns(2, 0, 0, 4, 6))
    assert imported(tmp_path, 3, decode_stride=3) == [0.25, 0.5, 0.75]


def test_puppets_of_another_length(tmp_path: Path) -> None:
    path = write_puppets(tmp_path, CLIP, columns(*[1] * 6))
    with pytest.raises(ValueError, match="expected") as fault:
        imported(tmp_path, 3)
    assert str(fault.value) == f"{path}: part_mask, expected 3 frames as its last axis, got (8, 8, 6)"
    turned = columns(*[1] * 5).transpose(1, 2, 0)  # frames first in the file
    write_puppets(tmp_path, CLIP, turned)
    with pytest.raises(ValueError, match=r"expected 5 frames as its last axis, got \(8, 5, 8\)$"):
        imported(tmp_path, 5)
    masks = np.zeros((20, 8, 8), bool)
    fits = [wrong_length(masks, frames, 4) is None for frames in (3, 4, 5, 6, 7)]  # of 9-12, 13-16, ... frames
    assert fits == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"puppet": np.ones((4, 4, 2))}, "expected the variable part_mask, got none of that name"),
        ({"part_mask": np.ones((2, 2, 2, 2))}, "part_mask, expected numbers (height, width, frames), got float64 "
                                               "(2, 2, 2, 2)"),
        ({"part_mask": np.array(["a", "b"])}, "part_mask, expected numbers (height, width, frames), got <U1 (2,)"),
        ({"part_mask": np.zeros((4, 4, 0))}, "part_mask, expected numbers (height, width, frames), got float64 "
                                             "(4, 4, 0)"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(512), "expected a file of MATLAB up to 7, got 7.3 "
                                                                         "(HDF5); save it with -v7"),
        (b"no such thing" * 20, "expected a file of MATLAB with part_mask, got one that cannot be read (ValueError)"),
        (b"", "expected a file of MATLAB with part_mask, got one that cannot be read (MatReadError)"),
    ],
)  # fmt: skip
def test_files_that_are_something_else(tmp_path: Path, content: dict | bytes, message: str) -> None:
    path = write_puppets(tmp_path, CLIP, columns(1), **(content if isinstance(content, dict) else {}))
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(ValueError, match="expected") as fault:
        imported(tmp_path, 1)
    assert str(fault.value) == f"{path}: {message}"


def test_a_file_that_is_cut(tmp_path: Path) -> None:
    path = write_puppets(tmp_path, CLIP, np.random.default_rng(0).integers(0, 2, (4, 60, 80)))
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"puppet_mask.mat: expected .*, got one that cannot be read \(\w+\)$"):
        read_puppets(path)


def test_a_clip_without_puppets(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"/puppet_mask.mat: expected the puppets of video .*, got no such file$"):
        imported(tmp_path, 1)
    with pytest.raises(ValueError, match=r"got no directory .*/gone$"):
        imported(tmp_path / "gone", 1)


def test_keys_follow_the_file(tmp_path: Path) -> None:
    path = write_puppets(tmp_path, CLIP, columns(1))
    key = choice.video_key("import", masks=str(tmp_path), format="jhmdb")
    first = key(CLIP)
    assert key(CLIP) == first
    path.write_bytes(write_puppets(tmp_path / "other", CLIP, columns(2)).read_bytes())
    assert key(CLIP) != first
    settings = {"masks": "m", "class_name": "person"}
    assert choice.settings_key("import", format="jhmdb", **settings) == {
        "backend": "import", "version": 2, "weights": None, "format": "jhmdb", "class_name": "person",
    }  # fmt: skip


def test_without_scipy_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(
        ValueError, match=r"^puppet_mask.mat: expected scipy, .*; `pip install '.\[jhmdb\]'` in a check"
    ):
        choice.build("import", masks=str(tmp_path), format="jhmdb")
