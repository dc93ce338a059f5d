"""Videos of one recording: what names tell, the file that says more, and one line for what is wrong with it."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from objabn.index.groups import FOLDER, group_of, read_groups, write_groups

ROOT = Path(__file__).parents[2]
PATHS = {"b/v_X_g01_c02": "b/v_X_g01_c02.avi", "a/2": "a/2.mp4", "b/v_X_g01_c01": "b/v_X_g01_c01.avi"}
VIDEOS = pd.DataFrame({"video": list(PATHS), "path": list(PATHS.values())})


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("Bend/v_Bend_g01_c02.avi", "Bend/v_Bend_g01"),
        ("v_Bend_g01_c02.avi", "v_Bend_g01"),
        ("HandstandPushups/v_HandStandPushups_g25_c07.avi", "HandstandPushups/v_HandStandPushups_g25"),
        ("Bend/v_Bend_g01_c02_flipped.avi", "Bend/v_Bend_g01_c02_flipped.avi"),
        ("78687.webm", "78687.webm"),
    ],
)
def test_groups(path, group):
    assert group_of(path) == group


def given(*groups: str) -> pd.Series:
    """Groups of VIDEOS."""
    return pd.Series(groups, index=list(PATHS))


def test_without_a_file_the_names_tell(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        groups = read_groups(folder, "own", VIDEOS)
        assert groups.to_dict() == {"b/v_X_g01_c02": "b/v_X_g01", "a/2": "a/2.mp4", "b/v_X_g01_c01": "b/v_X_g01"}
        assert groups.index.tolist() == list(PATHS)  # in the order of the videos


def test_what_is_written_wins_over_the_names(tmp_path: Path) -> None:
    said = write_groups(given('Tom, "1"', "NA", "NA"), tmp_path / "video-groups", "own")
    path = tmp_path / "video-groups/own.csv"
    assert said == f"wrote {path}: which videos are of one recording; commit it with index.csv"
    assert path.read_bytes() == b'video,group\na/2,NA\nb/v_X_g01_c01,NA\nb/v_X_g01_c02,"Tom, ""1"""\n'
    read = read_groups(path.parent, "own", VIDEOS)
    assert read.to_dict() == {"b/v_X_g01_c02": 'Tom, "1"', "a/2": "NA", "b/v_X_g01_c01": "NA"}
    assert read.index.tolist() == list(PATHS)
    assert read_groups(path.parent, "own", VIDEOS[1:]).tolist() == ["NA", "NA"]  # rows of other videos are no fault
    assert read_groups(path.parent, "other", VIDEOS)["a/2"] == "a/2.mp4"


def test_a_file_that_says_nothing_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    assert write_groups(given("x", "y", "z"), tmp_path, "own") == ""
    assert not path.exists()
    assert write_groups(given("x", "y", "z"), tmp_path, "own", are_named=True).startswith("wrote ")
    assert write_groups(given("x", "y", "z"), tmp_path, "own") == f"removed {path}: no two videos are of one recording"
    assert not path.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", ": columns, expected video,group, got an empty file"),
        (b"group,video\nx,a/2\n", ": columns, expected video,group, got group,video"),
        (b"video,group\na/2,x\n", ": expected a row for each of 3 videos, got none for 2, such as b/v_X_g01_c02"),
        (b"video,group\na/2,x\nb/v_X", ":3: expected a video and its group, got 'b/v_X'"),
        (b"video,group\na/2,\n", ":2: expected a video and its group, got 'a/2,'"),
        (b"video,group\na/2,x,y\n", ":2: expected a video and its group, got 'a/2,x,y'"),
        (b"video,group\na/2,x\na/2,y\n", ":3: video, expected each id once, got 'a/2' again"),
        (b'video,group\na/2,"x\n', ": expected a csv, got: unexpected end of data"),
        (b"video,group\na/2,\xff\n", ": expected a csv, got: 'utf-8' codec can't decode byte"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "own.csv").write_bytes(text)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / 'own.csv'}{message}")) as error:
        read_groups(tmp_path, "own", VIDEOS)
    assert str(error.value).endswith("; run `python -m objabn index` again")
    assert "\n" not in str(error.value)


def test_git_takes_them_and_the_folder_is_in_every_checkout(tmp_path: Path) -> None:
    assert (ROOT / FOLDER / "README.md").is_file()  # DVC wants a dependency to exist
    shutil.copy(ROOT / ".gitignore", tmp_path)
    write_groups(given("x", "x", "y"), tmp_path / FOLDER, "own")
    (tmp_path / FOLDER / ".own.csv.partial-host-1").touch()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    command = ["git", "ls-files", "--others", "--exclude-standard", "data"]
    untracked = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert untracked.splitlines() == ["data/video-groups/own.csv"]
