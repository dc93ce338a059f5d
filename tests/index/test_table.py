"""index.csv: built from listed videos, written, read again, and one line for what is wrong with it."""

import hashlib
import re
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from objabn.index import table as ix
from objabn.index.durations import video_seconds
from objabn.index.folder import read_folder
from objabn.video.read import read_video
from objabn.video.write import write_video
from tests.helpers.listed_files import REALDATA, make_files

realdata = [pytest.mark.realdata, pytest.mark.skipif(not REALDATA.is_dir(), reason="no ../shared/realdata")]


def table(*paths: str) -> pd.DataFrame:
    return pd.DataFrame([(path, path, "a", "train") for path in paths], columns=ix.LISTED)


def test_built_from_files_and_what_is_missing(tmp_path):
    videos = make_files(tmp_path, "a/1.avi", "a/2.avi")
    (videos / "a/folder.avi").mkdir()
    listed = table("a/2.avi", "a/gone.avi", "a/1.avi", "a/folder.avi")
    index, missing = ix.build(listed, videos)
    assert list(index.columns) == ix.COLUMNS
    assert index["path"].tolist() == ["a/2.avi", "a/1.avi"]
    assert index["bytes"].tolist() == ["7", "7"]
    assert index["digest"][0] == hashlib.blake2b(b"a/2.avi", digest_size=16).hexdigest()
    assert missing[["video", "path", "label", "split"]].equals(listed.iloc[[1, 3]].reset_index(drop=True))
    assert missing["reason"].tolist() == ["no such file", "cannot be read: is a directory"]


@pytest.mark.parametrize("num_threads", [1, 3, 8])
def test_threads_change_neither_order_nor_content(tmp_path, num_threads):
    names = [f"a/{n}.avi" for n in range(100)]
    make_files(tmp_path, *names[::2])
    index, missing = ix.build(table(*names), tmp_path, num_threads=num_threads)
    assert index["path"].tolist() == names[::2]
    assert missing["path"].tolist() == names[1::2]
    assert index["digest"].tolist() == [hashlib.blake2b(n.encode(), digest_size=16).hexdigest() for n in names[::2]]


def test_seconds_are_for_looking_at_only(tmp_path):
    make_files(tmp_path, "text.mp4", "empty.mp4")
    (tmp_path / "empty.mp4").write_bytes(b"")
    write_video(tmp_path / "two.mp4", np.zeros((50, 16, 16, 3), np.uint8), fps=25)
    index, _ = ix.build(table("two.mp4", "text.mp4", "empty.mp4"), tmp_path, seconds_of=video_seconds)
    assert index["seconds"].fillna(-1).tolist() == [2.0, -1, -1]
    ix.write_index(index, tmp_path / "index.csv")
    assert list(ix.read_index(tmp_path / "index.csv").columns) == ix.COLUMNS


def test_seconds_of_what_is_no_video(tmp_path):
    make_files(tmp_path, "1.mp4")
    assert video_seconds(tmp_path / "1.mp4") is None
    assert video_seconds(tmp_path / "absent.mp4") is None
    assert video_seconds(tmp_path) is None
    write_video(tmp_path / "2.mp4", np.zeros((30, 16, 16, 3), np.uint8), fps=float(Fraction(30000, 1001)))
    assert video_seconds(tmp_path / "2.mp4") == pytest.approx(1.001)


def test_written_and_read_again(tmp_path):
    videos = make_files(tmp_path / "v", "NA/1.mp4", "null/ü, x.mp4", "a b/007.mp4", "a b/008.mp4")
    index, _ = ix.build(read_folder(videos).videos, videos)
    ix.write_index(index, tmp_path / "data/own/index.csv")
    ix.write_index(index.sample(frac=1, random_state=0), tmp_path / "data/own/again.csv")
    content = (tmp_path / "data/own/index.csv").read_bytes()
    assert content == (tmp_path / "data/own/again.csv").read_bytes()
    assert b"\r" not in content
    assert sorted(path.name for path in (tmp_path / "data/own").iterdir()) == ["again.csv", "index.csv"]
    read = ix.read_index(tmp_path / "data/own/index.csv")
    assert read["video"].tolist() == ["NA/1", "a b/007", "a b/008", "null/ü, x"]
    pd.testing.assert_frame_equal(read, index.sort_values("video", ignore_index=True))
    assert ix.class_names(read) == ["NA", "a b", "null"]


GOOD = "a/1,a/1.mp4,a,train,12,00ff\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a csv, got: No columns to parse"),
        ("video,path\n", "columns, expected video,path,label,split,bytes,digest, got video,path"),
        ("HEAD", "expected at least one video, got none"),
        ("HEAD" + GOOD + GOOD, ":3: video, expected each id once, got 'a/1'"),
        (
            "HEAD" + GOOD.replace("train", "dev"),
            ":2: split, expected train, val or test, or fold-1, fold-2 and so on, got 'dev'",
        ),
        ("HEAD" + GOOD.replace("train", "fold-0"), ":2: split, expected train, val or test, or fold-1, fold-2 and so"),
        (
            "HEAD" + GOOD + GOOD.replace("a/1", "a/2").replace("train", "fold-3"),
            ":2: split, expected a fold as in other rows, such as fold-3, got 'train'",
        ),
        ("HEAD" + GOOD.replace("12", "1.5"), ":2: bytes, expected a number, got '1.5'"),
        (
            "HEAD" + GOOD.replace("a/1.mp4", "../1.mp4"),
            ":2: path, expected one below the videos directory, got '../1.mp4'",
        ),
        ("HEAD" + GOOD.replace("a/1.mp4", "/1.mp4"), ":2: path, expected one below"),
        ("HEAD" + GOOD.replace(",a,", ",,"), ":2: label, expected a value, got 'a/1'"),
        ("HEAD" + "a/1,a/1.mp4,a\n", ":2: split, expected a value, got 'a/1'"),
    ],
)
def test_faults_of_an_index(tmp_path, text, message):
    path = tmp_path / "index.csv"
    path.write_text(text.replace("HEAD", ",".join(ix.COLUMNS) + "\n"))
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        ix.read_index(path)
    assert str(error.value).startswith(f"{path}:")
    assert "\n" not in str(error.value)


def test_an_absent_index_names_the_command(tmp_path):
    with pytest.raises(
        ValueError, match=r"absent.csv: no such file, expected an index; `python -m objabn index` writes it"
    ):
        ix.read_index(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        ("weizmann/clips/Bend/v_Bend_g01_c01.avi", 61 / 25),
        ("ucf101/videos/v_ApplyEyeMakeup_g01_c01.avi", 164 / 25),
        ("ssv2/videos/5000.webm", 52 / 12),
        ("ssv2/videos/93000.webm", None),
        ("odd/av1_video.mkv", None),
        ("odd/video_90.mov", None),
        ("odd/h264_10bits.mp4", None),
    ],
)
@realdata[0]
@realdata[1]
def test_seconds_of_genuine_files_are_those_of_their_frames(path, seconds):
    frames, info = read_video(REALDATA / path, size=(16, 16))
    expected = len(frames) / info.fps if seconds is None else seconds
    assert video_seconds(REALDATA / path) == pytest.approx(expected, abs=0.05)


@realdata[0]
@realdata[1]
def test_a_song_has_no_seconds_of_video():
    assert video_seconds(REALDATA / "odd/nasa_13013.mp4.audio.mp3") is None
