"""J-HMDB's published layout: which clips its lists name, the films that they are cut from, what is refused."""

import csv
import re
from pathlib import Path

import pytest

from objabn.index.jhmdb import film_of, read_jhmdb
from objabn.index.listing import Listing
from tests.helpers.listed_files import REALDATA, make_files, splits_of

RUN, WAVE = "Crash_run_f_cm_np1_ba_med_{}.avi", "#(Crash)_@&!_[1]_wave_u_nm_np1_fr_goo_{}.avi"
# Crash has clips in both classes; one clip is in neither part of split 1.
LISTS = {
    "run_test_split1.txt": f"{RUN.format(0)} 1\r\n{RUN.format(1)} 2 \r\n\r\n",
    "run_test_split2.txt": f"{RUN.format(0)} 2\n{RUN.format(1)} 1\n",
    "wave_test_split1.txt": f"Crash_wave_u_cm_np1_fr_med_0.avi 1\n{WAVE.format(3)} 2\n{WAVE.format(4)} 0\nmy own.avi 1",
    "wave_test_split2.txt": f"{WAVE.format(4)} 1\n",
}


def make_lists(root: Path, **changed: str) -> Path:
    """The lists of two classes and two splits; `changed`: other texts, by the names without suffix."""
    root.mkdir(parents=True)
    for name, text in (LISTS | {f"{key}.txt": text for key, text in changed.items()}).items():
        (root / name).write_bytes(text.encode())
    return root


def make_clips(root: Path) -> Path:
    names = ["run/" + RUN.format(0), "run/" + RUN.format(1), "run/unlisted_run_f_cm_np1_ba_med_0.avi"]
    names += ["wave/Crash_wave_u_cm_np1_fr_med_0.avi", "wave/" + WAVE.format(3), "wave/" + WAVE.format(4)]
    return make_files(root, *names, "wave/my own.avi", "sit/a_sit_f_cm_np1_ba_med_0.avi", "wave/.AppleDouble/x.avi")


def rows(listing: Listing) -> list[tuple[str, str, str]]:
    """Path, split and group of each listed clip."""
    videos = listing.videos
    return list(zip(videos["path"], videos["split"], listing.groups_of(videos["path"]), strict=True))


def test_a_split_and_its_films(tmp_path: Path) -> None:
    listing = read_jhmdb(make_clips(tmp_path / "v"), make_lists(tmp_path / "s"))
    assert rows(listing) == [
        ("run/" + RUN.format(0), "train", "Crash"),
        ("run/" + RUN.format(1), "test", "Crash"),
        ("wave/Crash_wave_u_cm_np1_fr_med_0.avi", "train", "Crash"),
        ("wave/" + WAVE.format(3), "test", "#(Crash)_@&!_[1]"),
        ("wave/my own.avi", "train", "wave/my own.avi"),
    ]
    assert listing.videos["label"].tolist() == ["run", "run", "wave", "wave", "wave"]
    assert listing.classes == ["run", "wave"]
    assert listing.left_out == [
        ("run/unlisted_run_f_cm_np1_ba_med_0.avi", "run", "not in its class's list"),
        ("sit/a_sit_f_cm_np1_ba_med_0.avi", "sit", "its class has no list"),
        ("wave/" + WAVE.format(4), "wave", "in neither part of split 1"),
    ]
    assert listing.notes == [
        "passed over 1 hidden files and folders of the system: wave/.AppleDouble",
        "1 names do not tell a film (<film>_<class>_...), each is a group: wave/my own.avi",
    ]


def test_another_split_may_name_clips_that_are_not_there(tmp_path: Path) -> None:
    videos = make_files(tmp_path / "v", "run/" + RUN.format(0))
    listing = read_jhmdb(videos, make_lists(tmp_path / "s"), split=2)
    assert [row[1] for row in rows(listing)] == ["test", "train", "train"]
    assert listing.left_out == []


def test_every_listed_clip_whatever_its_number(tmp_path: Path) -> None:
    videos, lists = make_clips(tmp_path / "v"), make_lists(tmp_path / "s")
    listing = read_jhmdb(videos, lists, every=True)
    assert len(rows(listing)) == 6
    assert splits_of(listing)["wave/" + WAVE.format(4).removesuffix(".avi")] == "train"
    assert [path for path, *_ in listing.left_out] == [
        "run/unlisted_run_f_cm_np1_ba_med_0.avi", "sit/a_sit_f_cm_np1_ba_med_0.avi",
    ]  # fmt: skip


def test_without_lists_the_class_folders_tell(tmp_path: Path) -> None:
    videos = make_clips(tmp_path / "v")
    make_files(videos, "loose.avi")
    listing = read_jhmdb(videos, every=True)
    assert len(rows(listing)) == 8
    assert listing.classes == ["run", "sit", "wave"]
    assert ("run/" + RUN.format(1), "train", "Crash") in rows(listing)
    assert listing.left_out == [("loose.avi", "", "in no class folder")]
    with pytest.raises(ValueError, match=r"^index jhmdb: --splits, expected the directory of .*, got nothing$"):
        read_jhmdb(videos)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"run_test_split1": "a.avi 1\n\nb.avi 3\n"}, "run_test_split1.txt:3: expected '<name>.avi' and 1 (train), 2 "
                                                      "(test) or 0, got 'b.avi 3'"),
        ({"run_test_split1": "a.avi\n"}, "run_test_split1.txt:1: expected '<name>.avi' and 1 (train), 2 (test) or 0, "
                                         "got 'a.avi'"),
        ({"run_test_split1": "wave/a.avi 1\n"}, "run_test_split1.txt:1: expected the name of a file in run/, got "
                                                "'wave/a.avi'"),
        ({"run_test_split1": ".. 1\n"}, "run_test_split1.txt:1: expected the name of a file in run/, got '..'"),
        ({"run_test_split1": "a.avi 1\nb.avi 2\na.avi 0\n"}, "run_test_split1.txt:3: expected each video once, got "
                                                             "run/a.avi again; first at {0}/run_test_split1.txt:1"),
        ({"sit_test_split2": "a.avi 1\n"}, "sit_test_split1.txt: expected a list beside sit_test_split2.txt, got none"),
    ],
)  # fmt: skip
def test_faults_of_lists(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    lists = make_lists(tmp_path / "s", **changed)
    expected = f"{lists}/{message.format(lists)}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        read_jhmdb(make_clips(tmp_path / "v"), lists)


def test_lists_that_are_elsewhere(tmp_path: Path) -> None:
    videos = make_clips(tmp_path / "v")
    make_lists(tmp_path / "s")
    for splits, split, got in (
        (tmp_path, 1, f"none; did you mean --splits {tmp_path}/s?"),
        (tmp_path / "gone", 1, "no such directory"),
        (tmp_path / "s/run_test_split1.txt", 1, f"a file; did you mean --splits {tmp_path}/s?"),
        (tmp_path / "s", 3, "those of split 1 and 2"),
    ):
        expected = f"{splits}: expected the lists <class>_test_split{split}.txt, got {got}"
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            read_jhmdb(videos, splits, split)


@pytest.mark.realdata
@pytest.mark.skipif(not REALDATA.is_dir(), reason="no ../shared/realdata")
def test_films_of_the_genuine_names_are_those_that_the_csv_says_without_their_parts() -> None:
    with (REALDATA / "jhmdb/jhmdb.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    films = {line["path"]: film_of(line["path"], line["label"]) for line in lines}
    of_parts = {line["group"]: films[line["path"]] for line in lines if films[line["path"]] != line["group"]}
    assert all(re.fullmatch(r"(_Part)?_\d{1,2}", group.removeprefix(film)) for group, film in of_parts.items())
    assert {film for film in of_parts.values() if list(of_parts.values()).count(film) > 1} == {
        "A_Beautiful_Mind",
        "Fellowship",
        "The_Fugitive",
        "Veoh_Alpha_Dog",
    }
    listing = read_jhmdb(REALDATA / "jhmdb/videos", every=True)
    assert {path: group for path, _, group in rows(listing)} == films
    assert len(lines) == 441
