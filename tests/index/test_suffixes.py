"""What counts as a video, and what beside videos is passed over."""

from pathlib import Path

from objabn.index.suffixes import files_below, is_video, told_by_suffix
from tests.helpers.listed_files import make_files


def test_a_video_is_told_by_its_suffix_in_any_case() -> None:
    assert all(is_video(name) for name in ("a.mp4", "a.MOV", "b c.webm", "a/b.TS"))
    assert not any(is_video(name) for name in (".mp4", "mp4", "a.mp4.part", "a.srt", "a.h264", "mp4/a"))


def test_files_below_and_what_was_passed_over(tmp_path: Path) -> None:
    make_files(
        tmp_path / "v", "a/1.mp4", "a/Thumbs.db", "a/1.srt", "a/2.srt", "a/deep/2.avi", "a/@eaDir/1.mp4/small.mp4",
        "a/._1.mp4", "a/plain", ".git/x/y.mp4", "__MACOSX/a/1.mp4", "$RECYCLE.BIN/old.mp4", "loose.mkv", "notes.txt",
    )  # fmt: skip
    make_files(tmp_path / "far", "3.mp4")
    (tmp_path / "v/b").symlink_to(tmp_path / "far")  # a class
    (tmp_path / "v/a/more").symlink_to(tmp_path / "far")
    below = files_below(tmp_path / "v")
    assert below.videos == ["a/1.mp4", "a/deep/2.avi", "b/3.mp4", "loose.mkv"]
    assert below.folders == ["a", "b"]
    assert below.notes() == [
        "passed over 5 files without the suffix of a video: 2 .srt (a/1.srt), 1 .db (a/Thumbs.db), 1 .txt (notes.txt), "
        "1 without a suffix (a/plain)",
        "passed over 5 hidden files and folders of the system: $RECYCLE.BIN, .git, __MACOSX and 2 more",
        "passed over 1 links to folders within a class: a/more",
    ]


def test_told_by_suffix_the_most_frequent_first() -> None:
    names = ["x.b", "y.a", "z.B", "w", "v.c", "u.d", "t.e"]
    assert told_by_suffix(names) == "2 .b (x.b), 1 .a (y.a), 1 .c (v.c), 1 .d (u.d) and 2 others"
    assert told_by_suffix(["w"]) == "1 without a suffix (w)"
