"""`python -m objabn masks export`: what it writes and says, and what it refuses."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from objabn.__main__ import main
from objabn.config.edit import edit
from objabn.config.file import load_params
from objabn.stores.array import StoreWriter
from objabn.stores.masks import GRID


@pytest.fixture(autouse=True)
def _checkout(place: Path) -> None:
    """A checkout with the shipped parameters and a data set of two videos, and one that could not be decoded."""
    (place / "dvc.yaml").write_text("stages: {}\n")
    store("frames", (8, 8, 3))
    store("masks", (2, GRID, GRID))


def store(name: str, shape: tuple[int, ...], lengths: tuple[int, ...] = (3, 2, 0)) -> None:
    folder = Path("data/folder") / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    writer = StoreWriter(folder, shape, frames_per_shard=16)
    for video, length in zip(("walk/a", "walk/b", "walk/c"), lengths, strict=False):
        items = np.full((length, *shape), 0 if name == "frames" else 150, np.uint8)
        more = {"height": 240, "width": 320, "fps": 25.0, "path": f"{video}.mp4", "digest": "0"}
        writer.append(items, video=video, **(more if name == "frames" else {}))
    writer.close()


def run(*arguments: str) -> int:
    return main(["masks", "export", "--dataset", "folder", *arguments])


@pytest.mark.parametrize("layout", ["coco", "youtube-vis"])
def test_a_json(layout: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", layout, "--out", "out/masks.json", "--threshold", "0.5") == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote out/masks.json: 10 masks of 5 frames of 2 videos, each the union of a group at score 0.5; scores and "
        "instances are not kept",
        "to bring them back: python -m objabn repro -S dataset=folder -S 'datasets.folder.segment={backend: import, "
        f'masks: "out/masks.json", format: {layout}, class_name: person, sparse: none, images: null, groups: null}}\'',
    ]
    content = json.loads(Path("out/masks.json").read_text())
    assert len(content["annotations"]) == (10 if layout == "coco" else 4)


def settings_of(line: str) -> list[str]:
    """What a command that brings masks back sets."""
    words = shlex.split(line.removeprefix("to bring them back: "))
    assert words[:4] == ["python", "-m", "objabn", "repro"]
    assert set(words[4::2]) == {"-S"}
    return words[5::2]


def test_the_command_that_brings_them_back(capsys: pytest.CaptureFixture[str]) -> None:
    name = 'it\'s my masks, v2: {100%} #1 "é".json'
    assert run("--format", "coco", "--out", name) == 0
    settings = settings_of(capsys.readouterr().out.splitlines()[-1])
    params = edit(settings).params
    segment = params.datasets["folder"].segment
    assert (params.dataset, segment.backend, segment.masks) == ("folder", "import", name)


def test_for_cvat(capsys: pytest.CaptureFixture[str]) -> None:
    """A json a video. With a stride all frames are listed, as CVAT lists them, though the stored ones have masks."""
    text = Path("params.yaml").read_text()
    first, last = text.split("\n  folder:", 1)
    last = last.replace("stride: 1  #", "stride: 2  #", 1).replace("    stride: 1\n", "    stride: 2\n", 1)
    Path("params.yaml").write_text(f"{first}\n  folder:{last}")
    assert load_params().datasets["folder"].decode.stride == 2
    assert run("--format", "cvat", "--out", "out", "--threshold", "0.6") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == (
        "in CVAT: a task for each video, with the labels person, other; Actions > Upload annotations > COCO 1.0, "
        "`Convert masks to polygons` off"
    )
    segment = edit(settings_of(lines[2])).params.datasets["folder"].segment
    assert (segment.masks, segment.format, segment.sparse) == ("out", "coco", "none")
    names = [each["file_name"] for each in json.loads(Path("out/walk/b.json").read_text())["images"]]
    assert names == ["frame_000000.PNG", "frame_000001.PNG", "frame_000002.PNG"]


def test_some_videos_at_the_data_sets_score(capsys: pytest.CaptureFixture[str]) -> None:
    """Its mask.score_threshold is above the 150 / 255 that all cells have, so nothing is there."""
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("score_threshold: 0.5", "score_threshold: 0.6"))
    assert load_params().datasets["folder"].mask.score_threshold == 0.6
    assert run("--format", "coco", "--out", "masks.json", "--videos", "walk/b", "--size", "grid") == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("wrote masks.json: 0 masks of 2 frames of 1 videos, each the union of a ")
    assert last.startswith("to bring them back: datasets.folder.segment={backend: import, ")
    assert last.endswith("groups: null} (of these videos only: the stage wants all)")
    assert [each["height"] for each in json.loads(Path("masks.json").read_text())["images"]] == [GRID, GRID]


def test_videos_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "overlay", "--out", "looks", "--threshold", "0.5") == 0
    assert capsys.readouterr().out == "wrote 2 videos in looks/: the union of each group at score 0.5\n"
    assert sorted(path.as_posix() for path in Path("looks").rglob("*.mp4")) == ["looks/walk/a.mp4", "looks/walk/b.mp4"]


@pytest.mark.parametrize(
    ("layout", "there", "line"),
    [
        ("coco", ["dvc.yaml"], "dvc.yaml"),
        ("youtube-vis", ["old.json"], "old.json"),
        ("cvat", ["out/walk/b.json"], "out/walk/b.json"),
        ("overlay", ["out/walk/a.mp4", "out/walk/b.mp4"], "out/walk/a.mp4 and 1 more"),
    ],
)
def test_files_that_are_there_stay(
    layout: str, there: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written then, but with --force."""
    for name in there:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("mine")
    out = there[0] if layout in ("coco", "youtube-vis") else "out"
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert run("--format", layout, "--out", out, "--videos", "walk/a", "walk/b") == 2
    got = f"{line}; --force replaces what is there"
    assert capsys.readouterr().err == f"masks export: --out, expected files that are not there yet, got {got}\n"
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    if layout == "overlay":  # encoding takes seconds
        return
    assert run("--format", layout, "--out", out, "--force") == 0
    assert all(Path(name).read_bytes() != b"mine" for name in there)


@pytest.mark.parametrize("out", ["data/folder/videos", "link"])
def test_the_data_sets_own_videos_stay_whatever_is_asked_for(out: str, capsys: pytest.CaptureFixture[str]) -> None:
    own = Path(load_params().datasets["folder"].videos, "walk/b.mp4")
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    Path("link").symlink_to("data/folder/videos")
    assert run("--format", "overlay", "--out", out, "--force") == 2
    got = f"{out}/walk/b.mp4, which --force does not replace either"
    assert capsys.readouterr().err == f"masks export: --out, expected none of the data set's own videos, got {got}\n"
    assert [path.name for path in own.parent.iterdir()] == ["b.mp4"]
    assert own.read_bytes() == b"mine"


@pytest.mark.parametrize("layout", ["coco", "youtube-vis", "cvat", "overlay"])
@pytest.mark.parametrize(
    ("lengths", "video", "got"), [((3, 4), "2 frames of walk/b", 4), ((3,), "2 frames of walk/b", "none")]
)
def test_videos_that_were_decoded_again_have_no_masks_yet(
    layout: str, lengths: tuple[int, ...], video: str, got: object, capsys: pytest.CaptureFixture[str]
) -> None:
    store("masks", (2, GRID, GRID), lengths)
    assert run("--format", layout, "--out", "out") == 2
    expected = f"expected masks of {video}, as data/folder/frames has them"
    assert capsys.readouterr().err == f"data/folder/masks: {expected}, got {got}; `dvc repro segment@folder`\n"
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--threshold", "0"), "masks export: --threshold, expected a score in (0, 1], got 0"),
        (("--videos", "walk/x"), "--videos: expected ids of decoded videos such as walk/a, got walk/x"),
        (("--videos", "walk/c"), "--videos: expected videos with frames, got 1 that could not be decoded"),
        (("--out", "data"), "masks export: --out, expected a file to write, got the directory data"),
        (("--format", "overlay", "--out", "params.yaml"),
         "masks export: --out, expected a directory to write to, got the file params.yaml"),
        (("--format", "overlay", "--size", "grid"),
         "masks export: --size, expected --format coco or youtube-vis, got --format overlay, which has the video's own "
         "size"),
        (("--dataset", "quick"), "data/quick/masks/videos.csv: expected a store's table of videos, found none"),
        (("--dataset", "no"),
         "masks export: --dataset, expected one of folder, jhmdb, quick, ssv2, synthetic, ucf101, got 'no'"),
    ],
)  # fmt: skip
def test_misuse(arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "coco", "--out", "masks.json", *arguments) == 2
    assert capsys.readouterr().err == f"{message}\n"
    assert not Path("masks.json").exists()
