"""index.csv: official lists and plain folders in, one checked table out."""

import argparse
import hashlib
import re
from pathlib import Path

import pandas as pd
import pytest

from objabn import index as ix
from objabn.listing import read_folder, read_ucf101

REALDATA = Path(__file__).parents[2] / "shared" / "realdata"
realdata = [pytest.mark.realdata, pytest.mark.skipif(not REALDATA.is_dir(), reason="no ../shared/realdata")]


def make_files(root: Path, *paths: str) -> Path:
    """Files whose content is their own path: nothing here decodes them."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def make_splits(root: Path, train: str, test: str, classes: str = "1 Bend\r\n2 Jump\r\n") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in (("classInd", classes), ("trainlist01", train), ("testlist01", test)):
        (root / f"{name}.txt").write_bytes(text.encode())
    return root


def splits_of(listed: pd.DataFrame) -> dict[str, str]:
    return dict(zip(listed["video"], listed["split"], strict=True))


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    ix.add_parser(parser.add_subparsers())
    args = parser.parse_args(["index", *argv])
    return args.run(args)


def test_ucf101_lists_with_crlf_numbers_and_a_missing_file(tmp_path):
    videos = make_files(tmp_path / "v", "Bend/v_Bend_g01_c01.avi", "Jump/v_Jump_g01_c01.avi")
    splits = make_splits(
        tmp_path / "s",
        "Bend/v_Bend_g01_c01.avi 1\r\nJump/v_Jump_g01_c01.avi 2\r\n\r\n",
        "Bend/v_Bend_g02_c01.avi\r\n",
        "\ufeff1 Bend\r\n2 Jump\r\n",
    )
    listed = read_ucf101(videos, splits)
    assert listed.to_dict("list") == {
        "video": ["Bend/v_Bend_g01_c01", "Jump/v_Jump_g01_c01", "Bend/v_Bend_g02_c01"],
        "path": ["Bend/v_Bend_g01_c01.avi", "Jump/v_Jump_g01_c01.avi", "Bend/v_Bend_g02_c01.avi"],
        "label": ["Bend", "Jump", "Bend"],
        "split": ["train", "train", "test"],
    }
    index, missing = ix.build(listed, videos)
    assert index["bytes"].tolist() == ["23", "23"]
    assert index["digest"][0] == hashlib.blake2b(b"Bend/v_Bend_g01_c01.avi", digest_size=16).hexdigest()
    assert missing.to_dict("records") == [
        {
            "video": "Bend/v_Bend_g02_c01",
            "path": "Bend/v_Bend_g02_c01.avi",
            "label": "Bend",
            "split": "test",
            "reason": "no such file",
        }
    ]
    assert ix.summary(index, missing).splitlines() == [
        "2 videos, 2 classes, 2 train, 0 test, 0.0 MB",
        "left out: 1 listed videos (1 no such file): Bend/v_Bend_g02_c01.avi",
        "warning: 2 classes without a test video: Bend, Jump",
    ]


@pytest.mark.parametrize(
    ("train", "test", "classes", "message"),
    [
        (
            "Run/a.avi 1\n",
            "",
            "1 Bend\n",
            r"trainlist01.txt:1: expected a class of classInd.txt, one of its 1 .* got Run",
        ),
        ("\nBend/a.avi 2\n", "", "1 Bend\n", r"trainlist01.txt:2: .* Bend = 1, got Bend = 2"),
        ("Bend/a.avi 1\n", "Bend/a.avi\n", "1 Bend\n", r"Bend/a.avi: expected once in the lists, got train and test"),
        (
            "Bend/a.avi 1\nBend/a.avi 1\n",
            "",
            "1 Bend\n",
            r"Bend/a.avi: expected once in the lists, got train and train",
        ),
        ("a.avi 1\n", "", "1 Bend\n", r"trainlist01.txt:1: expected <class>/<video>.* got 'a.avi 1'"),
        ("../b/a.avi 1\n", "", "1 Bend\n", r"trainlist01.txt:1: expected <class>/<video>"),
        ("", "/b/a.avi\n", "1 Bend\n", r"testlist01.txt:1: expected <class>/<video>"),
        ("", "", "1 Bend\n", "expected at least one listed video, got none"),
        ("", "", "Bend\n", r"classInd.txt:1: expected '<number> <class>', each class once, got 'Bend'"),
        ("", "", "1 Bend\n2 Bend\n", r"classInd.txt:2: .* got '2 Bend'"),
    ],
)
def test_faults_of_ucf101_lists(tmp_path, train, test, classes, message):
    with pytest.raises(ValueError, match=message):
        read_ucf101(tmp_path, make_splits(tmp_path / "s", train, test, classes))


def test_missing_lists_and_directories(tmp_path):
    splits = make_splits(tmp_path / "s", "", "")
    with pytest.raises(ValueError, match=r"trainlist02.txt: expected a text file, got: No such file or directory"):
        read_ucf101(tmp_path, splits, split=2)
    with pytest.raises(ValueError, match="absent: expected the directory of the videos, got nothing"):
        read_ucf101(tmp_path / "absent", splits)
    with pytest.raises(ValueError, match=r"classInd.txt: expected the directory of the videos, got a file"):
        read_folder(splits / "classInd.txt")


def test_folder_takes_any_suffix_and_passes_over_hidden_files_and_texts(tmp_path):
    make_files(
        tmp_path,
        "a/1.mp4",
        "a/deep/2.weird",
        "a/._1.mp4",
        "a/notes.TXT",
        "a/x.json",
        "b/1.avi",
        ".git/x/y.mp4",
        "README.md",
    )
    (tmp_path / "a/broken.mp4").symlink_to(tmp_path / "nowhere")
    listed = read_folder(tmp_path, test_share=0)
    assert listed["path"].tolist() == ["a/1.mp4", "a/broken.mp4", "a/deep/2.weird", "b/1.avi"]
    assert listed["label"].tolist() == ["a", "a", "a", "b"]
    assert set(listed["split"]) == {"train"}
    index, missing = ix.build(listed, tmp_path)
    assert missing["path"].tolist() == ["a/broken.mp4"]
    assert len(index) == 3


def test_class_folders_may_be_links(tmp_path):
    make_files(tmp_path / "far", "1.mp4")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a").symlink_to(tmp_path / "far")
    assert read_folder(tmp_path / "videos")["path"].tolist() == ["a/1.mp4"]


def test_ids_keep_the_suffix_where_they_would_collide(tmp_path):
    listed = read_folder(make_files(tmp_path, "a/1.mp4", "a/1.avi", "a/2.mp4", "b/1.mp4"))
    assert listed.set_index("path")["video"].to_dict() == {
        "a/1.mp4": "a/1.mp4",
        "a/1.avi": "a/1.avi",
        "a/2.mp4": "a/2",
        "b/1.mp4": "b/1",
    }
    make_files(tmp_path, "a/1.mp4.mkv")
    with pytest.raises(ValueError, match=r"a/1.mp4: expected an id for one video, got two"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("num_groups", "clips", "share", "num_test"),
    [(10, 1, 0.2, 2), (5, 4, 0.2, 4), (1, 6, 0.5, 0), (2, 3, 0.01, 3), (3, 2, 0.99, 4), (4, 1, 0.0, 0), (4, 3, 0.5, 6)],
)
def test_a_share_takes_whole_groups(tmp_path, num_groups, clips, share, num_test):
    """Both sides keep a group where there are two: 0.01 of 2 groups is one, and so is all but 0.99 of 3."""
    names = [f"a/v_a_g{g:02d}_c{c:02d}.avi" for g in range(num_groups) for c in range(clips)]
    listed = read_folder(make_files(tmp_path, *names), test_share=share)
    test = listed[listed["split"] == "test"]
    assert len(listed) == num_groups * clips
    assert len(test) == num_test
    sides = listed.groupby(listed["video"].str.rsplit("_c", n=1).str[0])["split"].nunique()
    assert set(sides) == {1}


def test_c01_without_a_group_is_no_group(tmp_path):
    listed = read_folder(make_files(tmp_path, *(f"a/clip_c{c:02d}.avi" for c in range(10))))
    assert (listed["split"] == "test").sum() == 2


def test_a_share_depends_on_the_seed_only(tmp_path):
    make_files(tmp_path, *(f"{label}/{n}.mp4" for label in "ab" for n in range(20)))
    first = splits_of(read_folder(tmp_path, seed=1))
    assert splits_of(read_folder(tmp_path, seed=1)) == first
    assert splits_of(read_folder(tmp_path, seed=2)) != first
    assert {n for n in range(20) if first[f"a/{n}"] == "test"} != {n for n in range(20) if first[f"b/{n}"] == "test"}
    make_files(tmp_path, "c/0.mp4", "c/1.mp4")
    assert first.items() < splits_of(read_folder(tmp_path, seed=1)).items()


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_bad_shares(tmp_path, share):
    with pytest.raises(ValueError, match="--test-share: expected at least 0 and below 1, got"):
        read_folder(tmp_path, test_share=share)


def test_lists_of_a_folder(tmp_path):
    videos = make_files(tmp_path / "v", "a/1.mp4", "a/2.mp4", "b/1.mp4", "b/2.mp4")
    (tmp_path / "train.txt").write_text("./a/1.mp4\nb/1.mp4\n")
    (tmp_path / "test.txt").write_text("a/2.mp4 0\nb/gone.mp4\n")
    train = {"train_list": tmp_path / "train.txt"}
    test = {"test_list": tmp_path / "test.txt"}
    both = read_folder(videos, **train, **test)
    assert splits_of(both) == {"a/1": "train", "b/1": "train", "a/2": "test", "b/gone": "test"}
    assert both.attrs["notes"] == ["1 videos left out, they are on neither list: b/2.mp4"]
    assert splits_of(read_folder(videos, **train)) == {"a/1": "train", "b/1": "train", "a/2": "test", "b/2": "test"}
    assert splits_of(read_folder(videos, **test)) == splits_of(both) | {"b/2": "train"}


def test_nothing_found(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match=r"no videos found, expected <class>/<video> below it, got 0 loose files"):
        read_folder(tmp_path)
    make_files(tmp_path, "1.mp4")
    with pytest.raises(ValueError, match="got 1 loose files"):
        read_folder(tmp_path)
    splits = make_splits(tmp_path / "s", "Bend/a.avi 1\n", "")
    with pytest.raises(ValueError, match=r"expected the 1 listed videos below it, got none, e.g. Bend/a.avi: no such"):
        ix.build(read_ucf101(tmp_path, splits), tmp_path)


def test_the_summary_warns(tmp_path):
    videos = make_files(
        tmp_path / "v", "Bend/v_Bend_g01_c01.avi", "Bend/v_Bend_g01_c02.avi", "Bend/c.avi", "Jump/d.avi"
    )
    (videos / "Jump/d.avi").write_text("Bend/c.avi")  # equal content
    (videos / "Bend/empty.avi").touch()
    (videos / "Jump/empty.avi").touch()
    splits = make_splits(
        tmp_path / "s",
        "Bend/v_Bend_g01_c01.avi 1\nBend/c.avi\nBend/empty.avi\n",
        "Bend/v_Bend_g01_c02.avi\nJump/d.avi\nJump/empty.avi\nJump/e.avi\nJump/f.avi\nJump/g.avi\nJump/h.avi\n",
        "1 Bend\n2 Jump\n3 Kick\n",
    )
    assert ix.summary(*ix.build(read_ucf101(videos, splits), videos)).splitlines() == [
        "6 videos, 2 classes, 3 train, 3 test, 0.0 MB",
        "left out: 4 listed videos (4 no such file): Jump/e.avi, Jump/f.avi, Jump/g.avi and 1 more",
        "note: 1 classes without a listed video: Kick",
        "warning: 1 classes without a train video: Jump",
        "warning: 1 groups in both train and test: Bend/v_Bend_g01",
        "warning: 2 videos whose content is in both train and test: Bend/c, Jump/d",
        "warning: 2 empty files (0 bytes): Bend/empty, Jump/empty",
    ]


def test_written_and_read_again(tmp_path):
    videos = make_files(tmp_path / "v", "NA/1.mp4", "null/ü, x.mp4", "a b/007.mp4", "a b/008.mp4")
    index, _ = ix.build(read_folder(videos), videos)
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
        ("HEAD" + GOOD.replace("train", "val"), ":2: split, expected train or test, got 'val'"),
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


def test_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path / "v", "Bend/a.avi", "Jump/b.avi", "Jump/c.avi")
    make_splits(tmp_path / "s", "Bend/a.avi 1\nJump/b.avi 2\n", "Jump/c.avi\n")
    assert run("ucf101", "--videos", "v", "--splits", "s") == 0
    assert splits_of(ix.read_index("data/ucf101/index.csv")) == {"Bend/a": "train", "Jump/b": "train", "Jump/c": "test"}
    assert capsys.readouterr().out.splitlines() == [
        "3 videos, 2 classes, 2 train, 1 test, 0.0 MB",
        "warning: 1 classes without a test video: Bend",
        "wrote data/ucf101/index.csv; params.yaml: datasets.ucf101.videos has to be v",
    ]
    assert run("folder", "--videos", "v", "--test-share", "0.5", "--seed", "3", "--dataset", "own") == 0
    assert len(ix.read_index("data/own/index.csv")) == 3
    assert ix.main(["folder", "--videos", "v"]) == 0
    assert len(ix.read_index("data/folder/index.csv")) == 3


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["ucf101", "--videos", "."],
            "index ucf101: --splits, expected the directory of the official lists, got nothing",
        ),
        (["folder", "--videos", ".", "--split", "1"], "index folder: --split belongs to index ucf101"),
        (["ucf101", "--videos", ".", "--test-share", "0"], "index ucf101: --test-share belongs to index folder"),
        (
            ["folder", "--videos", ".", "--dataset", "../x"],
            "--dataset: expected a name of a-z, 0-9 and _, starting with a letter, got '../x'",
        ),
    ],
)
def test_faults_of_the_command_line(tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message.replace("..", r"\.\.")):
        run(*argv)
    assert not list(tmp_path.iterdir())


class TestRealData:
    pytestmark = realdata

    def test_official_split_1(self):
        listed = read_ucf101(REALDATA / "ucf101/videos", REALDATA / "ucf101/ucfTrainTestlist")
        assert listed["split"].value_counts().to_dict() == {"train": 9537, "test": 3783}
        assert len(ix.class_names(listed)) == 101
        assert listed.attrs["notes"] == []

    def test_two_genuine_clips_are_left_of_13320(self, tmp_path):
        for source in (REALDATA / "ucf101/videos").iterdir():
            label = source.name.split("_")[1]
            (tmp_path / label).mkdir()
            (tmp_path / label / source.name).symlink_to(source)
        index, missing = ix.build(read_ucf101(tmp_path, REALDATA / "ucf101/ucfTrainTestlist"), tmp_path)
        assert ix.class_names(index) == ["ApplyEyeMakeup", "BaseballPitch"]
        assert len(missing) == 13318
        assert "left out: 13318 listed videos (13318 no such file)" in ix.summary(index, missing)

    def test_weizmann(self):
        videos = REALDATA / "weizmann/clips"
        index, missing = ix.build(read_ucf101(videos, REALDATA / "weizmann/splits"), videos)
        assert index["split"].value_counts().to_dict() == {"train": 48, "test": 24}
        assert missing.empty
        assert ix.class_names(index) == ["Bend", "JumpingJack", "OneHandWave", "TwoHandsWave"]
        assert "warning" not in ix.summary(index, missing)

    def test_weizmann_as_a_folder_keeps_actors_apart(self):
        videos = REALDATA / "weizmann/clips"
        listed = read_folder(videos, test_share=0.33)
        assert listed["split"].value_counts().to_dict() == {"train": 48, "test": 24}
        assert set(listed.groupby(listed["video"].str.rsplit("_c", n=1).str[0])["split"].nunique()) == {1}
