"""`python -m objabn explain`: which videos and under which names, what goes wrong in a line, and the exit status."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import objabn
from objabn.__main__ import main
from objabn.config.schema import Dataset
from objabn.evaluation.trained import find_run
from objabn.explanation.explain import explain
from objabn.explanation.inputs import find_videos
from objabn.video.write import write_video
from tests.helpers.runs import T, parameters, write_run
from tests.helpers.videos import cut, encode, moving_bar

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runs(synthetic: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mask` with seeds 3 and 12, `plain`, and others that are not whole."""
    folder, params = tmp_path_factory.mktemp("runs"), parameters(synthetic)
    for seed in (12, 3):
        write_run(folder / f"mask/seed-{seed}", params, "mask", seed=seed)
    write_run(folder / "plain/seed-0", params, "plain", pc=False)
    for name in ("no-weights", "damaged", "old", "other", "text"):
        shutil.copytree(folder / "mask/seed-3", folder / name)
    (folder / "no-weights/model.safetensors").unlink()
    (folder / "damaged/model.safetensors").write_bytes(b"0" * 100)
    record = json.loads((folder / "old/run.json").read_text())
    (folder / "old/run.json").write_text(json.dumps({"params": record["params"]}))
    record["class_names"].append("one more")
    (folder / "other/run.json").write_text(json.dumps(record))
    (folder / "text/run.json").write_text("text")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with videos in `in`."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("in/a.mp4", "in/deep/er/b.mp4", "in/deep/c.MP4", "in/.hidden/d.mp4", "e.mp4")):
        write_video(Path(name), moving_bar(9 + number))
    Path("in/notes.txt").write_text("not a video")
    return tmp_path


def written(folder: str) -> list[str]:
    """Directories of explained videos."""
    return sorted(path.parent.relative_to(folder).as_posix() for path in Path(folder).rglob("explanation.json"))


def test_a_directory_and_a_file(videos: Path, runs: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["explain", "in", "e.mp4", "--run", str(runs / "mask")]) == 0
    output, errors = capsys.readouterr()
    lines = output.splitlines()
    assert errors == ""
    assert lines[0] == f"run: {runs}/mask/seed-3, the lowest of 2 seeds"
    shares = r"(?:[\w $]+ \d+\.\d%, ){4}[\w $]+ \d+\.\d%"
    patterns = [rf"{re.escape(path)}: {shares}; explained/{name}"
                for path, name in (("in/a.mp4", "a"), ("in/deep/c.MP4", "deep/c"), ("in/deep/er/b.mp4", "deep/er/b"),
                                   ("e.mp4", "e"))]  # fmt: skip
    for line, pattern in zip(lines[1:-1], patterns, strict=True):
        assert re.fullmatch(pattern, line), line
    assert lines[-1] == "explained 4 of 4 videos in explained/"
    assert written("explained") == ["a", "deep/c", "deep/er/b", "e"]
    assert sorted(path.name for path in Path("explained/a").iterdir()) == [
        "explanation.json", "maps.npz", "overlay.mp4", "strip.png"
    ]  # fmt: skip


def test_maps_have_the_colours_that_are_asked_for(videos: Path, runs: Path) -> None:
    """And nothing but the pictures depends on them."""
    strips, maps = set(), set()
    for colours in ("turbo", "viridis", "jet"):
        more = [] if colours == "turbo" else ["--colours", colours]
        assert main(["explain", "e.mp4", "--run", str(runs / "mask/seed-3"), "--out", colours, *more]) == 0
        strips.add(Path(colours, "e/strip.png").read_bytes())
        maps.add(Path(colours, "e/explanation.json").read_text())
    assert (len(strips), len(maps)) == (3, 1)
    with pytest.raises(ValueError, match="colours: expected one of turbo, viridis, jet, got 'rainbow'"):
        explain("e.mp4", runs / "mask/seed-3", colours="rainbow")


def test_its_own_overlays_are_not_explained(videos: Path, runs: Path, capsys: pytest.CaptureFixture) -> None:
    for _ in range(2):
        assert main(["explain", ".", "--run", str(runs / "mask/seed-12"), "--out", "in"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "explained 4 of 4 videos in in/"
    for pattern in ("in/**/*.mp4", "in/**"):
        assert not [each for each in find_videos([pattern])[0] if each.path.name == "overlay.mp4"]
    write_video(Path("in/overlay.mp4"), moving_bar(5))
    assert len(find_videos(["in"])[0]) == 4  # somebody else's


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("in/**", {"in/a.mp4": "a", "in/deep/c.MP4": "deep/c", "in/deep/er/b.mp4": "deep/er/b"}),
        ("in/**/*.mp4", {"in/a.mp4": "a", "in/deep/er/b.mp4": "deep/er/b"}),
        ("**/er/*", {"in/deep/er/b.mp4": "in/deep/er/b"}),
        ("*", {"in/a.mp4": "in/a", "in/deep/c.MP4": "in/deep/c", "in/deep/er/b.mp4": "in/deep/er/b", "e.mp4": "e"}),
        ("in/*", {"in/a.mp4": "a", "in/deep/c.MP4": "deep/c", "in/deep/er/b.mp4": "deep/er/b"}),
        ("in/n*s.txt", {"in/notes.txt": "notes"}),  # asked for
        ("[e].mp4", {"e.mp4": "e"}),
        ("?.mp4", {"e.mp4": "e"}),
    ],
)
def test_patterns_for_shells_that_do_not_expand_them(
    videos: Path, capsys: pytest.CaptureFixture, pattern: str, found: dict[str, str]
) -> None:
    given, missing = find_videos([pattern])
    assert {each.path.as_posix(): each.name for each in given} == found
    assert (missing, capsys.readouterr().err) == (0, "")
    absolute, _ = find_videos([str(videos / pattern)])
    assert {each.path.relative_to(videos).as_posix(): each.name for each in absolute} == found


def test_what_may_be_a_video_and_is_passed_over_is_a_line(videos: Path, capsys: pytest.CaptureFixture) -> None:
    beside = ("in/x.h264", "in/deep/y.H264", "in/noname", "in/@eaDir/a.mp4", "in/.hidden/z", "in/p.jpg", "in/maps.npz")
    for name in beside:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    Path("in/explanation.json").touch()  # maps.npz is ours
    line = (
        "passed over 3 files without the suffix of a video: 2 .h264 (EXAMPLE), 1 without a suffix (in/noname); "
        "name a file itself to have it explained\n"
    )
    for argument, example in (("in", "in/deep/y.H264"), ("in/*", "in/x.h264"), ("in/**", "in/deep/y.H264")):
        found, missing = find_videos([argument])
        assert [each.path.as_posix() for each in found] == ["in/a.mp4", "in/deep/c.MP4", "in/deep/er/b.mp4"]
        assert (missing, capsys.readouterr().err) == (0, f"{argument}: {line.replace('EXAMPLE', example)}")
    assert [each.name for each in find_videos(["in/x.h264", "in/nona*"])[0]] == ["x", "noname"]  # asked for
    assert capsys.readouterr().err == ""
    Path("raw").mkdir()
    Path("in/x.h264").rename("raw/x.h264")
    assert find_videos(["raw"]) == ([], 1)
    assert capsys.readouterr().err.splitlines()[0].startswith("raw: passed over 1 files without the suffix of a video")


def test_a_name_that_is_not_utf_8_costs_itself_only(videos: Path, runs: Path, capsys: pytest.CaptureFixture) -> None:
    try:
        Path("in/a.mp4").rename(os.fsdecode(b"in/b\xe4r.mp4"))
        Path("in/deep").rename(os.fsdecode(b"in/\xff"))
    except OSError:
        pytest.skip("a file system that holds only UTF-8")
    Path("e.mp4").rename("e\r.mp4")
    assert main(["explain", "in", "e\r.mp4", os.fsdecode(b"\xe4*"), "--run", str(runs / "plain"), "--out", "o"]) == 2
    output, errors = capsys.readouterr()
    assert errors.splitlines() == [
        "in/b\\xe4r.mp4: its path is not UTF-8; rename it, or make a link to it elsewhere",
        "in/\\xff/c.MP4: its path is not UTF-8; rename it, or make a link to it elsewhere",
        "in/\\xff/er/b.mp4: its path is not UTF-8; rename it, or make a link to it elsewhere",
        "\\xe4*: expected a video, a directory of videos or a pattern that matches some, found none",
    ]
    assert output.splitlines()[1].startswith("e\\r.mp4: ")
    assert output.splitlines()[2] == "explained 1 of 5 videos in o/"


def test_a_file_that_looks_like_a_pattern(videos: Path) -> None:
    Path("e.mp4").rename("[e].mp4")
    assert [(each.path.name, each.name) for each in find_videos(["[e].mp4"])[0]] == [("[e].mp4", "[e]")]


def test_names_that_collide_keep_their_suffix(videos: Path) -> None:
    for path in ("in/a.avi", "other/a.avi", "other/e.mp4"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).touch()
    found, _ = find_videos(["in", "other", "e.mp4", "other/../in/deep/er/b.mp4"])
    assert [(each.path.as_posix(), each.name) for each in found] == [
        ("in/a.avi", "a.avi"), ("in/a.mp4", "a.mp4"), ("in/deep/c.MP4", "deep/c"), ("in/deep/er/b.mp4", "deep/er/b"),
        ("other/a.avi", "a.avi-2"), ("other/e.mp4", "e.mp4"), ("e.mp4", "e.mp4-2"),
    ]  # fmt: skip


def test_what_is_wrong_with_a_video_is_a_line_and_the_rest_is_done(
    videos: Path, runs: Path, capsys: pytest.CaptureFixture
) -> None:
    Path("in/empty.mp4").touch()
    Path("in/text.mkv").write_text("words\n" * 99)
    encode(Path("in/cut.avi"), moving_bar(40), codec="mpeg4")
    cut(Path("in/cut.avi"), 0.7)
    given = ["in", "absent.mp4", "nothing*.mp4", "in/a.mp4", "in/deep"]
    assert main(["explain", *given, "--run", str(runs / "mask/seed-3")]) == 2
    output, errors = capsys.readouterr()
    found_none = "expected a video, a directory of videos or a pattern that matches some, found none"
    *lines, cut_line, empty, text = errors.splitlines()
    assert lines == [
        f"absent.mp4: {found_none}",
        f"nothing*.mp4: {found_none}",
        "in/a.mp4: given twice, explained once",
        "in/deep/c.MP4: given twice, explained once",
        "in/deep/er/b.mp4: given twice, explained once",
    ]
    assert re.fullmatch(r"in/cut.avi: cut or broken, \d+ of 40 frames could be decoded", cut_line)
    assert empty == "in/empty.mp4: 0 bytes"
    assert text.startswith("in/text.mkv: not a video")
    assert output.splitlines()[-1] == "explained 4 of 8 videos in explained/"
    assert written("explained") == ["a", "cut", "deep/c", "deep/er/b"]
    assert not Path("explained/empty").exists()


def test_a_directory_without_videos_and_a_place_that_cannot_be_written_to(
    videos: Path, runs: Path, capsys: pytest.CaptureFixture
) -> None:
    Path("no").mkdir()
    Path("full").write_text("in the way of a directory")
    assert main(["explain", "no", "e.mp4", "--run", str(runs / "mask/seed-3"), "--out", "full"]) == 2
    output, errors = capsys.readouterr()
    assert [line.split(":")[0] for line in errors.splitlines()] == ["no", "e.mp4"]
    assert "Not a directory" in errors
    assert output == "explained 0 of 2 videos in full/\n"
    assert main(["explain", "no", "--run", str(runs / "mask/seed-3")]) == 2
    assert capsys.readouterr().out == "explained 0 of 1 video in explained/\n"


EXPECTED = r"expected a run's directory \(model.safetensors and run.json\) or its parent \(seed-0, ...\)"


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("absent", rf"run {{run}}: {EXPECTED}, found nothing"),
        ("plain/seed-0/run.json", rf"run {{run}}: {EXPECTED}, found a file"),
        ("empty", rf"run {{run}}: {EXPECTED}, found an empty directory"),
        (".", rf"run {{run}}: {EXPECTED}, found damaged, empty, mask, no-weights, old, ..."),
        ("no-weights", r"{run}: expected a finished run with model.safetensors, found none"),
        ("damaged", r"{run}: damaged run: .*"),
        ("text", r"{run}: damaged run: .*"),
        ("old", r"{run}: expected a run of this version of objabn, got no 'attention' in run.json"),
        ("other", r"{run}: expected a run of this version of objabn, got .*size mismatch.*"),
    ],
)
def test_a_bad_run_is_a_line_before_any_video(
    videos: Path, runs: Path, capsys: pytest.CaptureFixture, run: str, message: str
) -> None:
    assert main(["explain", "absent.mp4", "e.mp4", "--run", str(runs / run)]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert re.fullmatch(message.replace("{run}", re.escape(str(runs / run))) + "\n", errors), errors
    assert not Path("explained").exists()


def test_a_map_that_the_run_has_not(videos: Path, runs: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["explain", "e.mp4", "--run", str(runs / "plain"), "--map", "o"]) == 2
    assert capsys.readouterr().err == f"map: expected one of g, the maps of {runs}/plain/seed-0 (plain), got o\n"
    with pytest.raises(SystemExit) as stop:
        main(["explain", "e.mp4", "--run", str(runs / "mask"), "--map", "x"])
    assert stop.value.code == 2
    assert "argument --map: invalid choice: 'x' (choose from" in capsys.readouterr().err


def test_videos_are_needed(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["explain", "--run", "x"])
    assert stop.value.code == 2
    assert "required" in capsys.readouterr().err


def test_a_gpu_where_there_is_none(videos: Path, runs: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["explain", "e.mp4", "--run", str(runs / "plain"), "--device", "cuda"]) == 2
    assert capsys.readouterr().err == "device: expected auto or cpu on a machine without a CUDA device, got cuda\n"
    with pytest.raises(ValueError, match="device: expected auto, cpu, cuda, got 'gpu'"):
        objabn.load(runs / "plain", device="gpu")


def test_a_call_in_python_is_the_command(videos: Path, runs: Path) -> None:
    assert main(["explain", "e.mp4", "--run", str(runs / "mask"), "--map", "o", "--device", "cpu"]) == 0
    by_path = objabn.explain("e.mp4", runs / "mask", maps=["o"], out="by/path", device="cpu")
    run = objabn.load(runs / "mask")
    assert run.directory == runs / "mask/seed-3"
    by_run = objabn.explain(Path("e.mp4"), run)
    with np.load("explained/e/maps.npz") as command:
        for name, array in command.items():
            np.testing.assert_array_equal(by_path.arrays()[name], array)
            np.testing.assert_array_equal(by_run.arrays()[name], array)
    for name in ("overlay.mp4", "strip.png", "explanation.json"):
        assert Path("by/path", name).read_bytes() == Path("explained/e", name).read_bytes()
    assert len(by_run.frames) == -(-13 // 2) > T


def test_seeds_are_ordered_as_numbers(tmp_path: Path) -> None:
    for name in ("seed-10", "seed-9", "seed-x"):
        (tmp_path / name).mkdir()
    assert find_run(tmp_path) == (tmp_path / "seed-9", "the lowest of 2 seeds")


def test_the_help_needs_no_torch() -> None:
    code = "import sys; from objabn.__main__ import main\ntry: main(['explain', '--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'torch', 'pandas', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.endswith("[]\n")
    assert "--map {b,g,o,u}" in done.stdout
