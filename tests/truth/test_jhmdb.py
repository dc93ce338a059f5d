"""Puppet masks as truth: of which frames, and which files are left out."""

from pathlib import Path

import numpy as np
import pytest

from objabn.truth.jhmdb import read_jhmdb
from objabn.truth.videos import Video
from objabn.truth.write import UNKNOWN, LeftOut, Masks
from tests.helpers.puppets import columns, write_puppets
from tests.helpers.truth import videos_of

CLIP = "run/Crash_@_run_f_cm_np1_ba_med_0"
VIDEO = Video(CLIP, frames=4, stride=1, fps=25.0, height=8, width=8)


def told(found: Masks | LeftOut) -> tuple[list[bool], list[float], float]:
    """Which frames are known, what share of each a person covers, and the most that others cover."""
    assert isinstance(found, Masks), found
    shares = (found.planes == 255).mean(axis=(2, 3))
    return found.known.tolist(), shares[:, 0].tolist(), float(shares[:, 1].max())


def only(folder: Path, video: Video = VIDEO) -> Masks | LeftOut:
    ((name, found),) = read_jhmdb(folder, videos_of(video))
    assert name == CLIP
    return found


def test_each_frame_of_a_clip(tmp_path: Path) -> None:
    write_puppets(tmp_path, CLIP, columns(2, 0, 8, 4))
    assert told(only(tmp_path)) == ([True] * 4, [0.25, 0, 1, 0.5], 0)


def test_last_frames_without_a_mask_have_no_annotation(tmp_path: Path) -> None:
    write_puppets(tmp_path, CLIP, columns(2, 4))
    assert told(only(tmp_path)) == ([True, True, False, False], [0.25, 0.5, 0, 0], 0)
    write_puppets(tmp_path, CLIP, columns(2, 4, 2, 4, 8, 8))  # and masks behind the last frame have no place
    assert told(only(tmp_path)) == ([True] * 4, [0.25, 0.5, 0.25, 0.5], 0)


def test_with_a_stride_those_of_stored_frames(tmp_path: Path) -> None:
    """Of eight frames 0, 2, 4 and 6 are stored; 6 and 7 have no mask."""
    write_puppets(tmp_path, CLIP, columns(2, 0, 4, 0, 6, 0))
    found = told(only(tmp_path, VIDEO._replace(stride=2)))
    assert found == ([True, True, True, False], [0.25, 0.5, 0.75, 0], 0)


def test_puppets_of_another_clip_are_left_out_and_of_a_cut_video_taken(tmp_path: Path) -> None:
    write_puppets(tmp_path, CLIP, columns(*[4] * 7))
    details = "part_mask, expected 4 frames as its last axis, got (8, 8, 7)"
    assert only(tmp_path) == LeftOut("its puppet masks are of a clip of another length", details)
    assert told(only(tmp_path, VIDEO._replace(is_whole=False))) == ([True] * 4, [0.5] * 4, 0)


def test_turned_puppets_are_left_out(tmp_path: Path) -> None:
    write_puppets(tmp_path, CLIP, np.ones((4, 16, 12), np.uint8))
    details = "part_mask has 16 x 12 pixels, the video 12 x 16"
    assert only(tmp_path, VIDEO._replace(height=12, width=16)) == LeftOut(
        "its puppet masks are of a frame of another shape", details
    )
    assert told(only(tmp_path, VIDEO._replace(height=240, width=180)))[1] == [1] * 4  # another size is none


def test_files_that_cannot_be_read_and_clips_that_are_not_there(tmp_path: Path) -> None:
    path = write_puppets(tmp_path / "puppet_mask", CLIP, columns(1), other=np.ones(3))
    write_puppets(tmp_path / "puppet_mask", "sit/a_sit_f_cm_np1_ba_med_0", columns(1))
    write_puppets(tmp_path / "puppet_mask", "run/.AppleDouble", columns(1))
    reason = f"{path}: expected the variable part_mask, got none of that name"
    assert list(read_jhmdb(tmp_path, videos_of(VIDEO))) == [
        (f"puppet_mask/{CLIP}", LeftOut("its puppet masks cannot be read", reason)),
        ("puppet_mask/sit/a_sit_f_cm_np1_ba_med_0", UNKNOWN),
    ]


def test_no_puppets(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, got in (("", "none below it"), ("file", "a file"), ("gone", "no such directory")):
        expected = f"{tmp_path / name}: expected a directory of <class>/<name>/puppet_mask.mat, got {got}"
        with pytest.raises(ValueError, match=f"^{expected}$"):
            read_jhmdb(tmp_path / name, videos_of(VIDEO))
