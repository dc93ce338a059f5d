"""`python -m objabn index`: what it writes, what it says."""

import numpy as np
import pandas as pd
import pytest

from objabn.__main__ import main
from objabn.cli.index import main as index
from objabn.index.groups import FOLDER, read_groups
from objabn.index.table import read_index
from objabn.video.write import write_video
from tests.helpers.listed_files import REALDATA, make_files, make_json, make_splits

realdata = [pytest.mark.realdata, pytest.mark.skipif(not REALDATA.is_dir(), reason="no ../shared/realdata")]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def splits_in(name: str) -> dict[str, str]:
    table = read_index(f"data/{name}/index.csv")
    return dict(zip(table["video"], table["split"], strict=True))


def test_listed_found_and_left_out(tmp_path, capsys):
    write_video("v/Bend/v_Bend_g01_c01.avi", np.zeros((40, 16, 16, 3), np.uint8), fps=25)
    make_files(tmp_path / "v", "Jump/v_Jump_g01_c01.avi", "Jump/v_Jump_g02_c01.avi", "Jump/unlisted.avi")
    make_splits(
        tmp_path / "s",
        "Bend/v_Bend_g01_c01.avi 1\r\nJump/v_Jump_g01_c01.avi 2\r\n",
        "Bend/v_Bend_g02_c01.avi\r\nKick/v_Kick_g02_c01.avi\r\nJump/v_Jump_g02_c01.avi\r\n",
        "1 Bend\r\n2 Jump\r\n3 Kick\r\n4 Sit\r\n",
    )
    assert index(["ucf101", "--videos", "v", "--splits", "s"]) == 0
    assert splits_in("ucf101") == {
        "Bend/v_Bend_g01_c01": "train", "Jump/v_Jump_g01_c01": "train", "Jump/v_Jump_g02_c01": "test"
    }  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [
        "listed: 5 videos, 4 classes: 2 train, 3 test",
        "found: 3 videos, 2 classes: 2 train, 1 test; 0.0 MB, 1.6 s (? of 2 videos)",
        "left out: 2 (no such file): Bend/v_Bend_g02_c01.avi, Kick/v_Kick_g02_c01.avi",
        "note: 1 classes without a listed video: Sit",
        "note: 2 files that do not tell their duration: Jump/v_Jump_g01_c01, Jump/v_Jump_g02_c01",
        "warning: 1 listed classes without a found video: Kick",
        "warning: 1 found classes without a test video: Bend",
        "wrote data/ucf101/left_out.csv: all 2 that were left out",
        "wrote data/ucf101/index.csv; params.yaml: datasets.ucf101.videos has to be v",
    ]
    assert (tmp_path / "data/ucf101/left_out.csv").read_text().splitlines() == [
        "path,label,split,reason",
        "Bend/v_Bend_g02_c01.avi,Bend,test,no such file",
        "Kick/v_Kick_g02_c01.avi,Kick,test,no such file",
    ]


def test_left_out_of_a_folder_until_it_is_mended(tmp_path, capsys):
    make_files(tmp_path / "v", "a/1.mp4", "a/2.mp4", "b/1.mp4", "b/2, 3.mp4", "loose.mp4")
    (tmp_path / "v/a/gone.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "train.txt").write_text("a/1.mp4\na/gone.mp4\n")
    (tmp_path / "test.txt").write_text("a/2.mp4\nb/1.mp4\n")
    command = ["folder", "--videos", "v", "--train-list", "train.txt", "--test-list", "test.txt"]
    assert index(command) == 0
    left = pd.read_csv("data/folder/left_out.csv", keep_default_na=False)
    assert left.to_numpy().tolist() == [
        ["a/gone.mp4", "a", "train", "no such file"],
        ["loose.mp4", "", "", "in no class folder"],
        ["b/2, 3.mp4", "b", "", "on neither list"],
    ]
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == [
        "listed: 4 videos, 2 classes: 2 train, 2 test",
        "found: 3 videos, 2 classes: 1 train, 2 test; 0.0 MB, ? s (? of 3 videos)",
    ]
    assert "left out: 1 (in no class folder): loose.mp4" in out
    assert "left out: 1 (on neither list): b/2, 3.mp4" in out
    (tmp_path / "v/loose.mp4").unlink()
    (tmp_path / "v/a/gone.mp4").unlink()
    (tmp_path / "train.txt").write_text("a/1.mp4\nb/2, 3.mp4\n")
    assert index(command) == 0
    assert [path.name for path in (tmp_path / "data/folder").iterdir()] == ["index.csv"]
    assert "left out" not in capsys.readouterr().out


def test_warnings(tmp_path, capsys):
    videos = make_files(
        tmp_path / "v", "Bend/v_Bend_g01_c01.avi", "Bend/v_Bend_g01_c02.avi", "Bend/c.avi", "Jump/d.avi", "Jump/d2.avi"
    )
    for equal in ("Jump/d.avi", "Jump/d2.avi"):
        (videos / equal).write_text("Bend/c.avi")
    (videos / "Bend/empty.avi").touch()
    (videos / "Jump/empty.avi").touch()
    make_splits(
        tmp_path / "s",
        "Bend/v_Bend_g01_c01.avi 1\nBend/c.avi\nBend/empty.avi\n",
        "Bend/v_Bend_g01_c02.avi\nJump/d.avi\nJump/d2.avi\nJump/empty.avi\nJump/e.avi\nJump/f.avi\nJump/g.avi\nJump/h.avi\n",
        "1 Bend\n2 Jump\n3 Kick\n",
    )
    assert index(["ucf101", "--videos", "v", "--splits", "s"]) == 0
    assert capsys.readouterr().out.splitlines()[:-3] == [
        "listed: 11 videos, 3 classes: 3 train, 8 test",
        "found: 7 videos, 2 classes: 3 train, 4 test; 0.0 MB, ? s (? of 7 videos)",
        "recordings: the 7 videos are of 6: 3 train, 4 test",
        "left out: 4 (no such file): Jump/e.avi, Jump/f.avi, Jump/g.avi and 1 more",
        "note: 1 classes without a listed video: Kick",
        "note: 2 videos whose content another of the same split has, too: Jump/d, Jump/d2",
        "note: 5 files that do not tell their duration: Bend/c, Bend/v_Bend_g01_c01, Bend/v_Bend_g01_c02 and 2 more",
        "warning: 1 found classes without a train video: Jump",
        "warning: 1 groups in both train and test: Bend/v_Bend_g01",
        "warning: 3 videos whose content is in both train and test: Bend/c, Jump/d, Jump/d2",
        "warning: 2 empty files (0 bytes): Bend/empty, Jump/empty",
    ]


def test_every_layout(tmp_path, capsys):
    make_files(tmp_path / "v", "Bend/a.avi", "Jump/b.avi", "Jump/c.avi", "7.webm", "8.webm")
    make_splits(tmp_path / "s", "Bend/a.avi 1\nJump/b.avi 2\n", "Jump/c.avi\n")
    make_json(tmp_path / "s/labels.json", {"Closing something": "0", "Opening something": "1"})
    for name, number, what in (("train", "7", "Closing"), ("validation", "8", "Opening")):
        make_json(tmp_path / f"s/{name}.json", [{"id": number, "template": f"{what} [something]"}])
    (tmp_path / "own.csv").write_text("path,label,split\nBend/a.avi,x,train\n8.webm,y,validation\n")
    assert main(["index", "ucf101", "--videos", "v", "--splits", "s"]) == 0
    assert main(["index", "ssv2", "--videos", "v", "--splits", "s"]) == 0
    assert main(["index", "ssv2", "--videos", "v", "--splits", "s", "--dataset", "two",
                 "--train-json", "s/validation.json", "--validation-json", "s/train.json"]) == 0  # fmt: skip
    assert main(["index", "csv", "--videos", "v", "--csv", "own.csv", "--dataset", "own"]) == 0
    assert "note: 1 videos of the split validation count as test" in capsys.readouterr().out
    assert main(["index", "folder", "--videos", "v", "--test-share", "0.5", "--seed", "3"]) == 0
    assert splits_in("ucf101") == {"Bend/a": "train", "Jump/b": "train", "Jump/c": "test"}
    assert splits_in("ssv2") == {"7": "train", "8": "test"}
    assert splits_in("two") == {"7": "test", "8": "train"}
    assert splits_in("own") == {"Bend/a": "train", "8": "test"}
    assert splits_in("folder").keys() == {"Bend/a", "Jump/b", "Jump/c"}
    assert main(["index", "ucf101", "--videos", "v", "--splits", "s", "--split", "2"]) == 2
    assert "trainlist02.txt: expected a text file, got: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["ucf101", "--videos", "."],
            "index ucf101: --splits, expected the directory of the official lists, got nothing",
        ),
        (
            ["csv", "--videos", "."],
            "index csv: --csv, expected the file with the columns path, label and split, got nothing",
        ),
        (
            ["ssv2", "--videos", "."],
            "index ssv2: --splits, expected the directory of the official json files, or --labels-json, got neither",
        ),
        (
            ["jhmdb", "--videos", "."],
            "index jhmdb: --splits, expected the directory of <class>_test_split1.txt, got nothing",
        ),
        (
            ["folder", "--videos", ".", "--splits", "s"],
            "index folder: --splits belongs to index ucf101, ssv2 and jhmdb",
        ),
        (["csv", "--videos", ".", "--train-json", "x"], "index csv: --train-json belongs to index ssv2"),
        (["ssv2", "--videos", ".", "--csv", "x"], "index ssv2: --csv belongs to index csv"),
        (
            ["ssv2", "--videos", ".", "--val-share", "0.1"],
            "index ssv2: --val-share belongs to index ucf101, jhmdb, csv and folder",
        ),
        (["csv", "--videos", ".", "--seed", "1"], "index csv: --seed draws val videos or folds, expected"),
        (
            ["ssv2", "--videos", ".", "--folds", "3"],
            "index ssv2: --folds belongs to index ucf101, jhmdb, csv and folder",
        ),
        (
            ["folder", "--videos", ".", "--folds", "3", "--test-share", "0.2"],
            "index folder: --folds takes the place of splits, expected no --test-share beside it",
        ),
        (["csv", "--videos", ".", "--folds", "3", "--val-share", "0.2"], "expected no --val-share beside it"),
        (["ucf101", "--videos", ".", "--folds", "3", "--split", "2"], "expected no --split beside it"),
        (["folder", "--videos", ".", "--split", "1"], "index folder: --split belongs to index ucf101 and jhmdb"),
        (["ucf101", "--videos", ".", "--test-share", "0"], "index ucf101: --test-share belongs to index folder"),
        (
            ["folder", "--videos", ".", "--dataset", "../x"],
            "--dataset: expected a name of a-z, 0-9 and _, starting with a letter, got '../x'",
        ),
    ],
)
def test_faults_of_the_command_line(tmp_path, argv, message):
    with pytest.raises(ValueError, match=message.replace("..", r"\.\.")):
        index(argv)
    assert not list(tmp_path.iterdir())


def test_groups_of_a_csv_and_its_val_videos(tmp_path, capsys):
    make_files(tmp_path / "v", *(f"{n}.mp4" for n in range(8)))
    rows = ["0.mp4,a,train,Tom", "1.mp4,b,train,Tom", "2.mp4,a,train,Ann", "3.mp4,b,train,", "4.mp4,a,test,Tom",
            "5.mp4,b,test,Eve", "6.mp4,a,val,Eve", "7.mp4,a,val,Ida"]  # fmt: skip
    (tmp_path / "own.csv").write_text("\n".join(["path,label,split,group", *rows]))
    command = ["csv", "--videos", "v", "--csv", "own.csv", "--dataset", "own"]
    assert index(command) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if "duration" not in line] == [
        "listed: 8 videos, 2 classes: 4 train, 2 val, 2 test",
        "found: 8 videos, 2 classes: 4 train, 2 val, 2 test; 0.0 MB, ? s (? of 8 videos)",
        "recordings: the 8 videos are of 5: 3 train, 2 val, 2 test",
        "note: 1 found classes without a val video: b",
        "note: 2 groups with videos of several classes: Eve, Tom",
        "warning: 1 groups in both train and test: Tom",
        "warning: 1 groups in both val and test: Eve",
        "wrote data/video-groups/own.csv: which videos are of one recording; commit it with index.csv",
        "wrote data/own/index.csv; params.yaml: datasets.own.videos has to be v",
    ]
    assert splits_in("own") == dict(zip("01234567", ["train"] * 4 + ["test"] * 2 + ["val"] * 2, strict=True))
    assert read_groups(FOLDER, "own", read_index("data/own/index.csv")).tolist() == [
        "Tom", "Tom", "Ann", "3.mp4", "Tom", "Eve", "Eve", "Ida"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="--val-share: expected a list without val videos, got 2"):
        index([*command, "--val-share", "0.5"])
    lines = [f"{n}.mp4,{'ab'[n % 2]},{('train', 'test')[n // 6]}" for n in range(8)]
    (tmp_path / "own.csv").write_text("\n".join(["path,label,split", *lines]))
    assert index(command) == 0
    assert "removed data/video-groups/own.csv: no two videos are of one recording" in capsys.readouterr().out
    assert not list((tmp_path / "data/video-groups").iterdir())


def test_a_share_for_val_in_each_layout_that_has_none(tmp_path, capsys):
    paths = [f"{label}/v_{label}_g{group:02}_c{clip}.avi" for label in "ab" for group in range(5) for clip in range(2)]
    make_files(tmp_path / "v", *paths)
    train = [path for path in paths if "_g04" not in path]
    test = [path for path in paths if "_g04" in path]
    make_splits(tmp_path / "s", "\n".join(train), "\n".join(test), "1 a\n2 b\n")
    rows = [f"{path},{path[0]},{'train' if path in train else 'test'}" for path in paths]
    (tmp_path / "own.csv").write_text("\n".join(["path,label,split", *rows]))
    share = ["--videos", "v", "--val-share", "0.25", "--seed", "2"]
    assert index(["ucf101", "--splits", "s", *share]) == 0
    assert "found: 20 videos, 2 classes: 12 train, 4 val, 4 test; " in capsys.readouterr().out
    assert index(["csv", "--csv", "own.csv", *share]) == 0
    assert splits_in("csv") == splits_in("ucf101")
    assert index(["folder", *share]) == 0
    drawn = splits_in("folder")
    assert index(["folder", "--videos", "v", "--seed", "2"]) == 0
    without = splits_in("folder")
    assert {video: split.replace("val", "train") for video, split in drawn.items()} == without
    assert sorted(drawn.values()) == ["test"] * 4 + ["train"] * 12 + ["val"] * 4
    assert "val" not in capsys.readouterr().out.split("found: ")[-1].split(";")[0]


def test_folds_in_place_of_a_lists_splits(tmp_path, capsys):
    """Tom's three videos of two classes lie in one fold; equal content in two folds is said once."""
    make_files(tmp_path / "v", *(f"{n}.mp4" for n in range(6)))
    (tmp_path / "v/5.mp4").write_bytes((tmp_path / "v/0.mp4").read_bytes())
    rows = ["0.mp4,a,train,Tom", "1.mp4,b,test,Tom", "2.mp4,a,val,Tom", "3.mp4,a,test,Ann", "4.mp4,b,test,Ann",
            "5.mp4,c,train,"]  # fmt: skip
    (tmp_path / "own.csv").write_text("\n".join(["path,label,split,group", *rows]))
    assert index(["csv", "--videos", "v", "--csv", "own.csv", "--dataset", "own", "--folds", "2", "--seed", "1"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if "duration" not in line] == [
        "listed: 6 videos, 3 classes: 3 fold-1, 3 fold-2",
        "found: 6 videos, 3 classes: 3 fold-1, 3 fold-2; 0.0 MB, ? s (? of 6 videos)",
        "recordings: the 6 videos are of 3: 1 fold-1, 2 fold-2",
        "note: --folds: the splits that the list gives (2 train, 3 test, 1 val) do not count",
        "note: 2 groups with videos of several classes: Ann, Tom",
        "warning: 1 found classes in one fold only, whose network cannot learn them: c",
        "warning: 2 videos whose content is in several folds: 0, 5",
        "wrote data/video-groups/own.csv: which videos are of one recording; commit it with index.csv",
        "wrote data/own/index.csv; params.yaml: datasets.own.videos has to be v",
    ]
    assert splits_in("own") == dict(zip("012345", ["fold-1"] * 3 + ["fold-2"] * 3, strict=True))


def test_folds_of_a_folder_take_no_note_of_drawn_splits(tmp_path, capsys):
    make_files(tmp_path / "v", *(f"{label}/{n}.mp4" for label in "ab" for n in range(4)))
    assert index(["folder", "--videos", "v", "--folds", "2"]) == 0
    out = capsys.readouterr().out
    assert "listed: 8 videos, 2 classes: 4 fold-1, 4 fold-2" in out
    assert "do not count" not in out
    with pytest.raises(ValueError, match=r"^--folds: expected at most 8, the recordings of the videos, got 9"):
        index(["folder", "--videos", "v", "--folds", "9"])


class TestRealData:
    pytestmark = realdata

    def test_two_genuine_clips_are_left_of_13320(self, tmp_path, capsys):
        for source in (REALDATA / "ucf101/videos").iterdir():
            folder = tmp_path / "v" / source.name.split("_")[1]
            folder.mkdir(parents=True)
            (folder / source.name).symlink_to(source)
        command = ["index", "ucf101", "--videos", "v", "--splits", str(REALDATA / "ucf101/ucfTrainTestlist")]
        assert main(command) == 2  # both are test videos
        out = capsys.readouterr().out.splitlines()
        assert out[0] == "listed: 13320 videos, 101 classes: 9537 train, 3783 test"
        assert out[1].startswith("found: 2 videos, 2 classes: 0 train, 2 test; ")
        assert out[1].endswith(" MB, 10.1 s")
        assert out[2].startswith("left out: 13318 (no such file): ")
        assert "groups" not in "".join(out)

    def test_official_validation_of_ssv2(self, tmp_path, capsys):
        train = make_json(tmp_path / "train.json", [{"id": "5000", "template": "Closing [something]"}])
        lists = ["--splits", str(REALDATA / "ssv2"), "--train-json", str(train)]
        assert index(["ssv2", "--videos", str(REALDATA / "ssv2/videos"), *lists]) == 0
        out = capsys.readouterr().out.splitlines()
        assert out[0] == "listed: 24778 videos, 174 classes: 1 train, 24777 test"
        assert out[1].startswith("found: 2 videos, ")

    def test_mini_ssv2(self, capsys):
        files = [f"--{name}-json={REALDATA}/ssv2/mini-{name}.json" for name in ("train", "validation")]
        lists = ["--splits", str(REALDATA / "ssv2"), *files]
        assert index(["ssv2", "--videos", str(REALDATA / "ssv2/videos"), *lists]) == 0
        out = capsys.readouterr().out.splitlines()
        assert out[:3] == [
            "listed: 7 videos, 174 classes: 5 train, 2 test",
            "found: 7 videos, 3 classes: 5 train, 2 test; 0.7 MB, 31.2 s",
            "note: 171 classes without a listed video: Approaching something with your camera, Attaching something to "
            "something, Bending something so that it deforms and 168 more",
        ]
        table = read_index("data/ssv2/index.csv").set_index("video")
        assert table["label"]["93000"] == "Pushing something from left to right"
        assert table["path"]["5002"] == "5002.webm"
        assert splits_in("ssv2") == {
            "5000": "train", "5001": "train", "41000": "train", "41001": "train", "93000": "train",
            "5002": "test", "41002": "test",
        }  # fmt: skip

    def test_weizmann(self, capsys):
        lists = ["--splits", str(REALDATA / "weizmann/splits")]
        assert index(["ucf101", "--videos", str(REALDATA / "weizmann/clips"), *lists]) == 0
        out = capsys.readouterr().out.splitlines()
        assert out[:2] == [
            "listed: 72 videos, 4 classes: 48 train, 24 test",
            "found: 72 videos, 4 classes: 48 train, 24 test; 2.8 MB, 211.6 s",
        ]
        assert len(out) == 5
        assert out[2].startswith("recordings: ")
        assert out[3].startswith("wrote data/video-groups/ucf101.csv: ")
