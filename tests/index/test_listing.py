"""Official lists, tables and plain folders: which videos they name, and one line for what is wrong with them."""

import re

import pytest

from objabn.index.csv_list import read_csv
from objabn.index.folder import read_folder
from objabn.index.groups import group_of
from objabn.index.ssv2 import read_ssv2
from objabn.index.table import build
from objabn.index.ucf101 import read_ucf101
from tests.helpers.listed_files import REALDATA, make_files, make_json, make_splits, splits_of

realdata = [pytest.mark.realdata, pytest.mark.skipif(not REALDATA.is_dir(), reason="no ../shared/realdata")]


def test_ucf101_lists_with_crlf_numbers_and_a_missing_file(tmp_path):
    videos = make_files(tmp_path / "v", "Bend/v_Bend_g01_c01.avi", "Jump/v_Jump_g01_c01.avi")
    splits = make_splits(
        tmp_path / "s",
        "Bend/v_Bend_g01_c01.avi 1\r\nJump/v_Jump_g01_c01.avi 2\r\n\r\n",
        "Bend/v_Bend_g02_c01.avi\r\n",
        "\ufeff1 Bend\r\n2 Jump\r\n",
    )
    listing = read_ucf101(videos, splits)
    assert listing.videos.to_dict("list") == {
        "video": ["Bend/v_Bend_g01_c01", "Jump/v_Jump_g01_c01", "Bend/v_Bend_g02_c01"],
        "path": ["Bend/v_Bend_g01_c01.avi", "Jump/v_Jump_g01_c01.avi", "Bend/v_Bend_g02_c01.avi"],
        "label": ["Bend", "Jump", "Bend"],
        "split": ["train", "train", "test"],
    }
    assert listing.classes == ["Bend", "Jump"]
    assert (listing.notes, listing.left_out) == ([], [])


def test_three_official_splits_in_one_directory(tmp_path):
    splits = make_splits(tmp_path, "Bend/1.avi 1\r\n", "Jump/2.avi\r\n")
    for number, (train, test) in {2: ("Bend/3.avi 1", "Jump/4.avi"), 3: ("Bend/5.avi 1", "Jump/6.avi 2")}.items():
        (splits / f"trainlist0{number}.txt").write_bytes(f"{train}\r\n".encode())
        (splits / f"testlist0{number}.txt").write_bytes(f"{test}\r\n".encode())
    assert [splits_of(read_ucf101(tmp_path, splits, split=number)) for number in (1, 2, 3)] == [
        {"Bend/1": "train", "Jump/2": "test"},
        {"Bend/3": "train", "Jump/4": "test"},
        {"Bend/5": "train", "Jump/6": "test"},
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
        (
            "Bend/a.avi 1\n",
            "Bend/a.avi\n",
            "1 Bend\n",
            r"testlist01.txt:1: expected each video once, got Bend/a.avi again, in test; .*trainlist01.txt:1, in train",
        ),
        (
            "Bend/a.avi 1\nBend/a.avi 1\n",
            "",
            "1 Bend\n",
            r"trainlist01.txt:2: expected each video once, got Bend/a.avi again, in train; first at .*:1, in train",
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


def test_folder_takes_videos_and_passes_over_hidden_files_and_whatever_else(tmp_path):
    make_files(
        tmp_path,
        "a/1.mp4",
        "a/deep/2.mkv",
        "a/3.weird",
        "a/._1.mp4",
        "a/notes.TXT",
        "a/x.json",
        "b/1.avi",
        ".git/x/y.mp4",
        "README.md",
        "loose.mp4",
    )
    (tmp_path / "a/broken.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "c").mkdir()
    listing = read_folder(tmp_path, test_share=0)
    listed = listing.videos
    assert listed["path"].tolist() == ["a/1.mp4", "a/broken.mp4", "a/deep/2.mkv", "b/1.avi"]
    assert listed["label"].tolist() == ["a", "a", "a", "b"]
    assert set(listed["split"]) == {"train"}
    assert listing.classes == ["a", "b", "c"]
    assert listing.left_out == [("loose.mp4", "", "in no class folder")]
    index, missing = build(listed, tmp_path)
    assert missing["path"].tolist() == ["a/broken.mp4"]
    assert len(index) == 3


SIDE_FILES = (
    "a/Thumbs.db", "a/desktop.ini", "a/.DS_Store", "a/@eaDir/1.mp4/SYNOVIDEO_FILM.mp4", "__MACOSX/a/._1.mp4",
    "__MACOSX/a/1.mp4", "a/._1.mp4", "a/1.srt", "a/2.mp4.part", "a/3.jpg", "a/1.nfo", "a/1.mp4.aria2", "a/noname",
    "lost+found/5.mp4",
)  # fmt: skip


def test_side_files_are_no_videos_and_change_no_id(tmp_path):
    make_files(tmp_path, "a/1.mp4", "a/4.mp4", "b/1.mp4", "b/2.mp4")
    before = read_folder(tmp_path)
    make_files(tmp_path, *SIDE_FILES)
    after = read_folder(tmp_path)
    assert after.videos.equals(before.videos)
    assert set(after.videos["video"]) == {"a/1", "a/4", "b/1", "b/2"}
    assert after.classes == ["a", "b"]
    assert before.notes == []
    assert after.notes[0].startswith("passed over 8 files without the suffix of a video: ")
    assert after.notes[1].startswith("passed over 5 hidden files and folders of the system: ")


def test_a_list_names_files_of_any_suffix(tmp_path):
    make_files(tmp_path / "v", "a/1.mp4", "a/2.weird", "b/1.mp4", "b/noname")
    (tmp_path / "test.txt").write_text("a/2.weird\nb/noname\n")
    (tmp_path / "own.csv").write_text("path,label,split\na/2.weird,a,train\nb/noname,b,test\n")
    expected = {"a/1": "train", "a/2": "test", "b/1": "train", "b/noname": "test"}
    listing = read_folder(tmp_path / "v", test_list=tmp_path / "test.txt")
    assert splits_of(listing) == expected
    assert listing.notes == []
    assert splits_of(read_csv(tmp_path / "v", tmp_path / "own.csv")) == {"a/2": "train", "b/noname": "test"}


def test_a_folder_of_pictures_says_so(tmp_path):
    make_files(tmp_path, "a/1.jpg", "a/2.jpg")
    with pytest.raises(
        ValueError, match=r"got 0 loose files; passed over 2 files without the suffix of a video: 2 .jpg"
    ):
        read_folder(tmp_path)


def test_videos_within_folders_of_their_classes_are_a_note(tmp_path):
    make_files(tmp_path, "a/x/1.mp4", "a/y/1.mp4", "b/x/1.mp4")
    assert read_folder(tmp_path).notes == ["all videos lie in folders within the class folders: a/x/1.mp4"]
    make_files(tmp_path, "b/1.mp4")
    assert read_folder(tmp_path).notes == []


def test_class_folders_may_be_links(tmp_path):
    make_files(tmp_path / "far", "1.mp4")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a").symlink_to(tmp_path / "far")
    assert read_folder(tmp_path / "videos").videos["path"].tolist() == ["a/1.mp4"]


def test_ids_keep_the_suffix_where_they_would_collide(tmp_path):
    listed = read_folder(make_files(tmp_path, "a/1.mp4", "a/1.avi", "a/2.mp4", "b/1.mp4")).videos
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
    listed = read_folder(make_files(tmp_path, *names), test_share=share).videos
    test = listed[listed["split"] == "test"]
    assert len(listed) == num_groups * clips
    assert len(test) == num_test
    sides = listed.groupby(listed["video"].str.rsplit("_c", n=1).str[0])["split"].nunique()
    assert set(sides) == {1}


def test_c01_without_a_group_is_no_group(tmp_path):
    listed = read_folder(make_files(tmp_path, *(f"a/clip_c{c:02d}.avi" for c in range(10)))).videos
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
    assert both.left_out == [("b/2.mp4", "b", "on neither list")]
    assert splits_of(read_folder(videos, **train)) == {"a/1": "train", "b/1": "train", "a/2": "test", "b/2": "test"}
    assert splits_of(read_folder(videos, **test)) == splits_of(both) | {"b/2": "train"}


def test_nothing_found(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match=r"no videos found, expected <class>/<video> below it, got 0 loose files"):
        read_folder(tmp_path)
    make_files(tmp_path, "1.mp4")
    with pytest.raises(
        ValueError, match=rf"got 1 loose files; did you mean --videos {re.escape(str(tmp_path.parent))}\?$"
    ):
        read_folder(tmp_path)
    splits = make_splits(tmp_path / "s", "Bend/a.avi 1\n", "")
    with pytest.raises(ValueError, match=r"expected the 1 listed videos below it, got none, e.g. Bend/a.avi: no such"):
        build(read_ucf101(tmp_path, splits).videos, tmp_path)


LABELS = {"Closing something": "1", "Moving something away from the camera": "0", "Poking one of many things": "2"}


def entry(number: str, template: str = "Closing [something]") -> dict:
    return {"id": number, "label": "closing box", "template": template, "placeholders": ["box"]}


def make_ssv2(root, train, validation, labels=LABELS, prefix="something-something-v2-"):
    for name, content in (("labels", labels), ("train", train), ("validation", validation)):
        make_json(root / f"{prefix}{name}.json", content)
    return root


@pytest.mark.parametrize("prefix", ["something-something-v2-", ""])
def test_ssv2_in_either_official_naming(tmp_path, prefix):
    videos = make_files(tmp_path / "v", "78687.webm", "3.mp4", "5.mp4", "5.webm")
    train = [entry("78687"), entry("3", "Moving [something] away from the camera")]
    validation = [entry("5", "Poking [one of many things]"), entry("9")]
    splits = make_ssv2(tmp_path / "s", train, validation, prefix=prefix)
    listing = read_ssv2(videos, splits)
    assert listing.videos.to_dict("list") == {
        "video": ["78687", "3", "5", "9"],
        "path": ["78687.webm", "3.mp4", "5.webm", "9.webm"],
        "label": [
            "Closing something",
            "Moving something away from the camera",
            "Poking one of many things",
            "Closing something",
        ],
        "split": ["train", "train", "test", "test"],
    }
    assert listing.classes == list(LABELS)
    assert build(listing.videos, videos)[1]["path"].tolist() == ["9.webm"]


def test_ssv2_files_that_lie_elsewhere(tmp_path):
    splits = make_ssv2(tmp_path / "s", [entry("1")], [entry("2")])
    mini = make_json(tmp_path / "mini.json", [entry("7")])
    assert splits_of(read_ssv2(tmp_path, splits, train_json=mini)) == {"7": "train", "2": "test"}
    files = {f"{name}_json": splits / f"something-something-v2-{name}.json" for name in ("labels", "validation")}
    assert splits_of(read_ssv2(tmp_path, train_json=mini, **files)) == {"7": "train", "2": "test"}
    with pytest.raises(
        ValueError, match=r"--splits, expected the directory of the official json files, or --train-json, got neither"
    ):
        read_ssv2(tmp_path, **files)


@pytest.mark.parametrize(
    ("train", "validation", "labels", "message"),
    [
        (
            [entry("1"), entry("2", "Opening [something]")],
            [],
            LABELS,
            r"train.json: entry 2 \(id 2\): template, expected one of the 3 classes of .*-labels.json, "
            r"got 'Opening \[something\]'$",
        ),
        (
            [entry("1")],
            [entry("2"), entry("1")],
            LABELS,
            r"validation.json: entry 2 \(id 1\): expected each video once, got 1.webm again, in test; "
            r"first at .*train.json: entry 1 \(id 1\), in train$",
        ),
        ([entry("1"), entry("1")], [], LABELS, r"train.json: entry 2 \(id 1\): expected each video once, .* in train$"),
        ([], [], LABELS, r"^expected at least one listed video, got none$"),
        ("[{]", [], LABELS, r"train.json:1:3: expected json, got: Expecting property name"),
        ("[" * 200000, [], LABELS, r"train.json: expected json, got: nested too deeply"),
        ([], '[\n{"id": "1"\n', LABELS, r"validation.json:3:1: expected json, got: Expecting ',' delimiter"),
        (LABELS, [], LABELS, r'train.json: expected a list of {"id": ..., "template": ...}, got an object of 3$'),
        (["1"], [], LABELS, r'train.json: entry 1: expected {"id": ..., "template": ...}, got "1"$'),
        ([{"id": "1"}], [], LABELS, r'train.json: entry 1: expected "template", a string, got the keys id$'),
        ([{}], [], LABELS, r'entry 1: expected "id", a string, got the keys \(none\)$'),
        ([entry(1)], [], LABELS, r'entry 1: expected "id", a string, got 1$'),
        ([entry("../1")], [], LABELS, r'entry 1: expected "id", letters and digits such as "78687", got \'../1\'$'),
        ([entry("1", ["a"])], [], LABELS, r'entry 1: expected "template", a string, got a list of 1$'),
        ([], [], [entry("1")], r"labels.json: expected an object of the classes, .*, got a list of 1$"),
        ([], [], {}, r"labels.json: expected an object of the classes, .*, got an object of 0$"),
        ([], [], {"Closing something": 5}, r"labels.json: expected an object .*, got 'Closing something': 5$"),
        ([], [], {"a": "0", "b": "0"}, r"labels.json: expected each number once, got '0' for 'a' and 'b'$"),
    ],
)
def test_faults_of_ssv2_files(tmp_path, train, validation, labels, message):
    with pytest.raises(ValueError, match=message) as error:
        read_ssv2(tmp_path, make_ssv2(tmp_path / "s", train, validation, labels))
    assert "\n" not in str(error.value)


def test_missing_ssv2_files_and_directories(tmp_path):
    splits = make_ssv2(tmp_path / "s", [], [])
    (splits / "something-something-v2-train.json").unlink()
    with pytest.raises(
        ValueError, match=r"s: expected something-something-v2-train.json or train.json, or --train-json, got neither$"
    ):
        read_ssv2(tmp_path, splits)
    with pytest.raises(ValueError, match=r"absent: expected the directory of the official json files, got nothing$"):
        read_ssv2(tmp_path, tmp_path / "absent")
    with pytest.raises(ValueError, match=r"absent: expected the directory of the videos, got nothing$"):
        read_ssv2(tmp_path / "absent", splits)
    with pytest.raises(ValueError, match=r"absent.json: expected a json file, got: No such file or directory$"):
        read_ssv2(tmp_path, splits, train_json=tmp_path / "absent.json")
    (splits / "train.json").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"train.json: expected a json file, got: not UTF-8$"):
        read_ssv2(tmp_path, splits)


def test_a_csv_of_flat_and_nested_paths(tmp_path):
    table = tmp_path / "own.csv"
    table.write_bytes(
        "\ufefflabel, path ,fps,split\r\nwave, ./deep/er/1.mp4,25,train\r\n\r\n"
        '"bend, slowly",2.mp4,,val\r\n007,"a ""b"".mp4",25,val\r\n'.encode()
    )
    listing = read_csv(tmp_path, table)
    assert listing.videos.to_dict("list") == {
        "video": ["deep/er/1", "2", 'a "b"'],
        "path": ["deep/er/1.mp4", "2.mp4", 'a "b".mp4'],
        "label": ["wave", "bend, slowly", "007"],
        "split": ["train", "test", "test"],
    }
    assert listing.classes == ["007", "bend, slowly", "wave"]
    assert listing.notes == ["2 videos of the split val count as test", "columns of own.csv that are not read: fps"]


HEAD = "path,label,split\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": expected a header with the columns path,label,split, got an empty file"),
        ("1.mp4,a,train\n", ":1: expected a header with the columns path,label,split, got 1.mp4,a,train"),
        ("path|label|split\n", ":1: expected a header with the columns path,label,split, got path|label|split"),
        (
            "path,label,split,path\n",
            ":1: expected a header with the columns path,label,split, got path,label,split,path",
        ),
        (HEAD, ": expected at least one listed video, got none"),
        (HEAD + "1.mp4,a\n", ":2: expected 3 values, as in the header, got 2"),
        (HEAD + "\n1.mp4,a,train,25\n", ":3: expected 3 values, as in the header, got 4"),
        (HEAD + "1.mp4, ,train\n", ":2: label, expected a value, got none"),
        (HEAD + ",a,train\n", ":2: path, expected a value, got none"),
        (HEAD + "1.mp4,a,dev\n", ":2: split, expected train, test, val, validation, got 'dev'"),
        (HEAD + "../1.mp4,a,train\n", ":2: path, expected one relative to the videos and below them, got '../1.mp4'"),
        (HEAD + "/v/1.mp4,a,train\n", ":2: path, expected one relative to the videos and below them, got '/v/1.mp4'"),
        (HEAD + ".,a,train\n", ":2: path, expected one relative to the videos and below them, got '.'"),
        (
            HEAD + "1.mp4,a,train\n2.mp4,a,test\n./1.mp4,a,test\n",
            ":4: expected each video once, got 1.mp4 again, in test; first at PATH:2, in train",
        ),
        (HEAD + '"1.mp4"x,a,train\n', ":2: expected a csv, got: ',' expected after '\"'"),
        (HEAD + '"1.mp4,a,train\n', ":2: expected a csv, got: unexpected end of data"),
    ],
)
def test_faults_of_a_csv(tmp_path, text, message):
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(message.replace("PATH", str(path))) + "$") as error:
        read_csv(tmp_path, path)
    assert str(error.value).startswith(f"{path}:")


def test_a_missing_csv(tmp_path):
    with pytest.raises(ValueError, match=r"own.csv: expected a csv, got: No such file or directory$"):
        read_csv(tmp_path, tmp_path / "own.csv")
    with pytest.raises(ValueError, match=r"absent: expected the directory of the videos, got nothing$"):
        read_csv(tmp_path / "absent", tmp_path / "own.csv")


class TestRealData:
    pytestmark = realdata

    def test_official_split_1_of_ucf101(self):
        listing = read_ucf101(REALDATA / "ucf101/videos", REALDATA / "ucf101/ucfTrainTestlist")
        assert listing.videos["split"].value_counts().to_dict() == {"train": 9537, "test": 3783}
        assert len(listing.classes) == 101
        assert set(listing.classes) == set(listing.videos["label"])
        groups = listing.videos.groupby(listing.videos["path"].map(group_of))
        assert len(groups) == 101 * 25
        assert set(groups["split"].nunique()) == {1}

    def test_official_validation_of_ssv2(self, tmp_path):
        train = make_json(tmp_path / "train.json", [entry("0")])
        listing = read_ssv2(REALDATA / "ssv2/videos", REALDATA / "ssv2", train_json=train)
        assert listing.videos["split"].value_counts().to_dict() == {"train": 1, "test": 24777}
        assert len(listing.classes) == 174
        assert set(listing.classes) == set(listing.videos["label"])
        assert listing.videos["path"].str.endswith(".webm").all()

    def test_weizmann_as_a_folder_keeps_actors_apart(self):
        listed = read_folder(REALDATA / "weizmann/clips", test_share=0.33).videos
        assert listed["split"].value_counts().to_dict() == {"train": 48, "test": 24}
        assert set(listed.groupby(listed["video"].str.rsplit("_c", n=1).str[0])["split"].nunique()) == {1}
