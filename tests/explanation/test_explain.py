"""Any video explained: the network sees what it does in evaluation, end to end, and what is written says so."""

import json
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from objabn.clips.batches import clip_tensors
from objabn.clips.dataset import open_split
from objabn.clips.geometry import resample_clips
from objabn.config.schema import Dataset
from objabn.evaluation.maps import logits_and_maps
from objabn.evaluation.metrics import is_flat, map_entropy
from objabn.evaluation.trained import TrainedRun
from objabn.explanation import explain as explain_module
from objabn.explanation.explain import explain, load
from objabn.stores.array import StoreReader
from objabn.video.probe import VideoError
from objabn.video.read import read_video
from objabn.video.write import write_video
from tests.helpers.runs import CLASSES, CROP, SPAN, STRIDE, T, parameters, write_checkout, write_run
from tests.helpers.videos import coded, encode, moving_bar, mux, turn_right

ROOT = Path(__file__).parents[2]
REALDATA = ROOT.parent / "shared" / "realdata"
FILES = ["explanation.json", "maps.npz", "overlay.mp4", "strip.png"]


@pytest.fixture(scope="module")
def params(synthetic: Dataset) -> Dataset:
    return parameters(synthetic)


@pytest.fixture(scope="module")
def checkout(params: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data set `ds`, and runs of `mha` and `plain`."""
    root = tmp_path_factory.mktemp("checkout")
    write_checkout(root, params)
    write_run(root / "runs/ds/mha/pc-true/seed-0", params)
    write_run(root / "runs/ds/controls/plain/seed-0", params, "plain", pc=False)
    return root


@pytest.fixture(scope="module")
def mha(checkout: Path) -> TrainedRun:
    return load(checkout / "runs/ds/mha/pc-true/seed-0", device="cpu")


@pytest.fixture(scope="module")
def plain(checkout: Path) -> TrainedRun:
    return load(checkout / "runs/ds/controls/plain", device="cpu")


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of one clip, for equal bits."""
    monkeypatch.setitem(explain_module._AT_ONCE, "cpu", (0, 1))


def test_the_network_sees_what_it_does_in_evaluation(
    checkout: Path, mha: TrainedRun, plain: TrainedRun, params: Dataset, one_at_a_time: None
) -> None:
    """A video as long as a clip spans, which evaluation's centre clip begins with, too."""
    given = params.model_copy(update={"videos": str(checkout / params.videos)})
    store = checkout / "data/ds"
    for run, letters in ((mha, "uob"), (plain, "g")):
        tests = open_split("test", given, store / "frames", store / "masks", seed=0, evaluation=given.eval,
                           class_names=["jump", "walk"])  # fmt: skip
        [number] = np.flatnonzero(tests.table["video"] == "jump/exact")
        batch = {name: value[None] for name, value in tests[int(number)].items()}
        logits, maps = logits_and_maps(run.model, clip_tensors(batch, CROP), "res5")
        found = explain(store / "videos/jump/exact.mp4", run)
        np.testing.assert_array_equal(found.probabilities, logits.softmax(dim=1)[0].numpy())
        assert "".join(found.maps) == letters
        np.testing.assert_array_equal(np.stack(list(found.maps.values())), maps[0].numpy())
        np.testing.assert_array_equal(found.box, batch["box"][0].numpy())
        assert (found.frames.tolist(), found.clip.tolist()) == ([0, 2, 4, 6], [0, 0, 0, 0])


def test_clips_end_to_end_are_those_of_the_store(checkout: Path, mha: TrainedRun, params: Dataset) -> None:
    """30 frames, 15 of them on the grid: clips at 0, 8, 16, and one at 22 that has three new frames."""
    found = explain(checkout / "data/ds/videos/jump/long.mp4", mha)
    assert found.clip_frames.tolist() == [[0, 7], [8, 15], [16, 23], [22, 29]]
    assert found.frames.tolist() == list(range(0, 30, 2))
    assert found.clip.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 3
    assert (found.num_frames, found.promised_frames, found.fps) == (30, 30, 25.0)
    np.testing.assert_allclose(found.seconds, np.arange(0, 30, 2) / 25)
    reader = StoreReader(checkout / "data/ds/frames")
    for clip, (start, end) in enumerate(found.clip_frames.tolist()):
        frames = torch.from_numpy(reader.read("jump/long", np.arange(start, end, STRIDE)))[None]
        clips = resample_clips(frames, torch.from_numpy(found.box)[None], torch.tensor([False]), CROP)
        logits, maps = logits_and_maps(mha.model, clips, "res5")
        np.testing.assert_allclose(found.clip_probabilities[clip], logits.softmax(dim=1)[0].numpy(), atol=1e-6)
        own = found.clip == clip
        for number, letter in enumerate("uob"):
            expected = maps[0, number, -own.sum() :].numpy()
            np.testing.assert_allclose(found.maps[letter][own], expected, atol=1e-4)
    np.testing.assert_allclose(found.probabilities, found.clip_probabilities.mean(axis=0), atol=1e-7)
    assert np.ptp(found.clip_probabilities, axis=0).max() > 1e-4  # else this compares nothing


class Masks:
    """In place of `KnownMasks`: whole frames; remembers which were asked for."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def read(self, numbers: np.ndarray) -> np.ndarray:
        self.numbers += numbers.tolist()
        return np.ones((len(numbers), 128, 128), bool)


def test_clips_of_a_run_of_every_second_frame(
    tmp_path: Path, checkout: Path, mha: TrainedRun, params: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`decode.stride` 2 and `frame_stride` 1 see the frames that 1 and 2 do; masks are numbered as stored."""
    changed = {"data": params.data.model_copy(update={"frame_stride": 1})}
    given = params.model_copy(update={**changed, "decode": params.decode.model_copy(update={"stride": 2})})
    run, video, masks = load(write_run(tmp_path / "run", given), device="cpu"), "data/ds/videos/jump/long.mp4", Masks()
    asked = []
    monkeypatch.setattr(explain_module, "find_masks", lambda path, frames, *_: asked.append(frames) or masks)
    found = explain(checkout / video, run, out=tmp_path / "out")
    assert (asked, masks.numbers) == ([15], list(range(15)))
    expected = explain(checkout / video, mha, out=tmp_path / "expected")
    for name, each in expected.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], each, err_msg=name)
    assert (found.num_frames, found.fps) == (30, 25.0)
    overlay, info = read_video(tmp_path / "out/overlay.mp4")
    assert (len(overlay), info.fps) == (15, 12.5)
    np.testing.assert_array_equal(overlay, read_video(tmp_path / "expected/overlay.mp4")[0])  # with the seconds in it


@pytest.mark.parametrize("pad", ["last", "loop"])
def test_a_short_video_is_padded_and_nothing_repeated_is_shown(
    tmp_path: Path, checkout: Path, params: Dataset, pad: str
) -> None:
    given = params.model_copy(update={"data": params.data.model_copy(update={"pad": pad})})
    run = load(write_run(tmp_path / "run", given), device="cpu")
    found = explain(checkout / "data/ds/videos/walk/short.mp4", run, out=tmp_path / "out")
    assert (found.frames.tolist(), found.clip_frames.tolist()) == ([0, 2], [[0, 4]])
    frames = StoreReader(checkout / "data/ds/frames").read_all("walk/short")
    padded = frames[[0, 2, 3, 3] if pad == "last" else [0, 2, 0, 2]]
    boxes, flips = torch.from_numpy(found.box)[None], torch.tensor([False])
    clips = resample_clips(torch.from_numpy(padded)[None], boxes, flips, CROP)
    logits, maps = logits_and_maps(run.model, clips, "res5")
    np.testing.assert_allclose(found.probabilities, logits.softmax(dim=1)[0].numpy(), atol=1e-6)
    np.testing.assert_allclose(found.maps["o"], maps[0, 1, :2].numpy(), atol=1e-6)
    assert len(read_video(tmp_path / "out/overlay.mp4")[0]) == 2


@pytest.mark.parametrize("num_frames", [1, 7, 8, 9, 16, 41])
def test_the_files_of_a_video(tmp_path: Path, mha: TrainedRun, num_frames: int) -> None:
    """Not of the data set: a panel each for frame and maps."""
    write_video(tmp_path / "a.mp4", moving_bar(num_frames), fps=12.5)
    found = explain(tmp_path / "a.mp4", mha, out=tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    count = -(-num_frames // STRIDE)
    assert found.frames.tolist() == list(range(0, num_frames, STRIDE))
    overlay, info = read_video(tmp_path / "out/overlay.mp4")
    assert overlay.shape == (count, 240 + 52, 4 * (320 + 4) - 4, 3)
    assert info.fps == 6.25  # so that it lasts as long as the video
    with np.load(tmp_path / "out/maps.npz", allow_pickle=False) as arrays:
        kinds = {name: (array.dtype.kind, array.dtype.itemsize, array.shape) for name, array in arrays.items()}
        clips = -(-count // T)
        assert {name: kind for name, kind in kinds.items() if kind[0] != "U"} == {
            "maps": ("f", 4, (3, count, 4, 4)), "frames": ("i", 8, (count,)), "seconds": ("f", 8, (count,)),
            "clip": ("i", 8, (count,)), "box": ("f", 4, (4,)), "probabilities": ("f", 4, (clips, len(CLASSES))),
            "clip_frames": ("i", 8, (clips, 2)),
        }  # fmt: skip
        assert (arrays["map_names"].tolist(), arrays["class_names"].tolist()) == (["u", "o", "b"], CLASSES)
        assert arrays["maps"].min() >= 0
        assert arrays["maps"].max() <= 1
        for number, letter in enumerate("uob"):
            np.testing.assert_array_equal(arrays["maps"][number], found.maps[letter])
        np.testing.assert_array_equal(arrays["seconds"], np.arange(0, num_frames, STRIDE) / 12.5)
        np.testing.assert_array_equal(arrays["probabilities"], found.clip_probabilities)


def test_what_the_json_says(tmp_path: Path, checkout: Path, mha: TrainedRun) -> None:
    video = checkout / "data/ds/videos/jump/long.mp4"
    found = explain(video, mha, maps=["b", "u"], out=tmp_path)
    said = json.loads((tmp_path / "explanation.json").read_text())
    assert (said["video"], said["run"]) == (str(video), str(mha.directory))
    assert (said["attention"], said["pc"], said["seed"], said["control"]) == ("mha", True, 0, None)
    assert (said["seconds"], said["fps"], said["frames"], said["frames_with_maps"]) == (1.2, 25.0, 30, 15)
    order = np.argsort(-found.probabilities)[:5]
    assert [each["class"] for each in said["top"]] == [CLASSES[number] for number in order]
    assert [each["probability"] for each in said["top"]] == pytest.approx(found.probabilities[order].tolist(), abs=1e-6)
    assert found.top(2) == [(CLASSES[number], float(found.probabilities[number])) for number in order[:2]]
    times = [(each["start"], each["end"]) for each in said["clips"]]
    assert times == [(0, 0.28), (0.32, 0.6), (0.64, 0.92), (0.88, 1.16)]
    for each, own in zip(said["clips"], found.clip_probabilities, strict=True):
        assert (each["class"], each["probability"]) == (CLASSES[own.argmax()], pytest.approx(own.max(), abs=1e-6))
    assert list(said["maps"]) == ["u", "b"]  # in the run's order
    for letter, figures in said["maps"].items():
        least = mha.params.eval.flat_range
        entropy, flat = np.nanmean(map_entropy(found.maps[letter], least)), is_flat(found.maps[letter], least).mean()
        assert figures == {
            "entropy_bits": pytest.approx(entropy, abs=1e-5),
            "flat_share": pytest.approx(flat, abs=1e-6),
        }
    assert torch.__version__.startswith(said["versions"]["torch"])
    assert "torchvision" not in said["versions"]


def test_flat_maps_have_no_entropy(tmp_path: Path, params: Dataset) -> None:
    run = load(write_run(tmp_path / "run", params), device="cpu")
    assert run.model.attention_branch is not None
    for weight in run.model.attention_branch.map_head.parameters():
        torch.nn.init.zeros_(weight)
    write_video(tmp_path / "a.mp4", moving_bar(9))
    explain(tmp_path / "a.mp4", run, out=tmp_path / "out")
    said = json.loads((tmp_path / "out/explanation.json").read_text())
    assert said["maps"]["o"] == {"entropy_bits": None, "flat_share": 1.0}


@pytest.mark.parametrize("name", ["mha", "plain"])
def test_a_video_of_the_data_set_shows_its_mask(
    tmp_path: Path, checkout: Path, request: pytest.FixtureRequest, name: str
) -> None:
    """The mask moves 2 of 128 cells a frame; a copy of the file elsewhere has none."""
    run: TrainedRun = request.getfixturevalue(name)
    video = checkout / "data/ds/videos/jump/long.mp4"
    explain(video, run, out=tmp_path / "known")
    (tmp_path / "copy.mp4").write_bytes(video.read_bytes())
    explain(tmp_path / "copy.mp4", run, out=tmp_path / "unknown")
    known, _ = read_video(tmp_path / "known/overlay.mp4")
    unknown, _ = read_video(tmp_path / "unknown/overlay.mp4")
    assert known.shape[2] - unknown.shape[2] == 320 + 4
    np.testing.assert_allclose(known[:, 52:, :320].astype(int), unknown[:, 52:, :320], atol=40)
    for number, picture in enumerate(known):
        lit = picture[52:, -320:].mean(axis=-1) > 0.5 * picture[52:, :320].mean(axis=-1)
        left, right = (20 + 4 * number) / 128 * 320, (60 + 4 * number) / 128 * 320
        where = np.flatnonzero(lit[120])
        assert (where.min(), where.max()) == (pytest.approx(left, abs=5), pytest.approx(right, abs=5))
        assert not lit[:10].any()  # the other group's
    assert (tmp_path / "known/strip.png").stat().st_size > (tmp_path / "unknown/strip.png").stat().st_size


def test_masks_of_a_video_that_has_changed_are_not_known(tmp_path: Path, params: Dataset) -> None:
    write_checkout(tmp_path, params)
    run = load(write_run(tmp_path / "runs/ds/mask/pc-true/seed-0", params, "mask"), device="cpu")
    video = tmp_path / "data/ds/videos/jump/exact.mp4"

    def width() -> int:
        explain(video, run, out=tmp_path / "out")
        return read_video(tmp_path / "out/overlay.mp4")[1].width

    assert width() == 3 * 324 - 4
    write_video(video, moving_bar(SPAN + 1))
    assert width() == 2 * 324 - 4
    write_video(video, moving_bar(SPAN))
    (tmp_path / "data/ds/masks/videos.csv").unlink()
    assert width() == 2 * 324 - 4


def test_a_damaged_mask_store_costs_the_mask_and_a_line(
    tmp_path: Path, params: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    """One byte of the masks of one video; the maps are the same, and the other video has its mask."""
    write_checkout(tmp_path, params)
    run = load(write_run(tmp_path / "runs/ds/mask/pc-true/seed-0", params, "mask"), device="cpu")
    videos, masks = tmp_path / "data/ds/videos/jump", tmp_path / "data/ds/masks"
    expected = explain(videos / "long.mp4", run)
    shard = masks / "array.zarr/c.0.0.0.0"
    content = bytearray(shard.read_bytes())
    content[len(content) - 16 * 4 - 4 - 60] ^= 1  # in the last chunk, of the last frames
    shard.write_bytes(content)
    capsys.readouterr()
    for _ in range(2):
        found = explain(videos / "long.mp4", run, out=tmp_path / "out")
        np.testing.assert_array_equal(found.maps["o"], expected.maps["o"])
        assert read_video(tmp_path / "out/overlay.mp4")[1].width == 2 * 324 - 4
    remedy = "make it again: `dvc repro -f -s STAGE`"
    line = f"{masks}: shard 0 is damaged; {remedy}; explained without the mask\n"
    assert capsys.readouterr().err == line
    explain(videos / "exact.mp4", run, out=tmp_path / "out")
    assert read_video(tmp_path / "out/overlay.mp4")[1].width == 3 * 324 - 4


def test_grad_cam_of_a_network_without_an_attention_branch(tmp_path: Path, checkout: Path, plain: TrainedRun) -> None:
    found = explain(checkout / "data/ds/videos/jump/long.mp4", plain, out=tmp_path)
    assert list(found.maps) == ["g"]
    assert [found.maps["g"][found.clip == clip].max() for clip in range(3)] == [1, 1, 1]  # of each clip's own scale
    assert list(json.loads((tmp_path / "explanation.json").read_text())["maps"]) == ["g"]


def test_batches_change_nothing(checkout: Path, mha: TrainedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    video = checkout / "data/ds/videos/jump/long.mp4"
    found = {}
    for most in (1, 3, 4):
        monkeypatch.setitem(explain_module._AT_ONCE, "cpu", (10**9, most))
        found[most] = explain(video, mha)
    for other in (found[3], found[4]):
        for name, array in found[1].arrays().items():
            if array.dtype.kind == "f":
                np.testing.assert_allclose(other.arrays()[name], array, atol=1e-5)
            else:
                np.testing.assert_array_equal(other.arrays()[name], array)


def test_memory_does_not_grow_with_the_video(tmp_path: Path, mha: TrainedRun) -> None:
    """Of what numpy holds; a frame as shown has 230 kB, the maps of one 0.2 kB."""

    def peak(num_frames: int) -> int:
        video = tmp_path / f"{num_frames}.mp4"
        write_video(video, moving_bar(num_frames))
        tracemalloc.start()
        found = explain(video, mha, out=tmp_path / "out")
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(found.frames) == num_frames / STRIDE
        return highest

    peak(40)  # what is made once
    assert peak(400) < peak(160) + 1_000_000


def test_nothing_is_written_unless_asked(checkout: Path, mha: TrainedRun, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    explain(checkout / "data/ds/videos/jump/long.mp4", mha)
    assert not list(tmp_path.iterdir())


def test_what_else_lies_in_the_folder_stays(tmp_path: Path, checkout: Path, mha: TrainedRun) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for _ in range(2):
        explain(checkout / "data/ds/videos/walk/short.mp4", mha, out=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FILES, "mine.txt"])


def test_a_network_that_yields_nan_writes_nothing(tmp_path: Path, params: Dataset) -> None:
    run = load(write_run(tmp_path / "run", params), device="cpu")
    for weight in run.model.perception_branch.parameters():
        torch.nn.init.constant_(weight, float("nan"))
    write_video(tmp_path / "a.mp4", moving_bar(9))
    with pytest.raises(ValueError, match=r"run: its logits or maps are not finite: its training went wrong"):
        explain(tmp_path / "a.mp4", run, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()  # the user's own stays
    with pytest.raises(ValueError, match="not finite"):
        explain(tmp_path / "a.mp4", run, out=tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_file_that_is_no_video(tmp_path: Path, mha: TrainedRun) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(VideoError, match=r"^0 bytes$"):
        explain(tmp_path / "a.mp4", mha, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("maps", [["x"], [], ["g"], ["u", "z"]])
def test_maps_that_the_run_has_not(tmp_path: Path, mha: TrainedRun, maps: list[str]) -> None:
    got = ", ".join(maps)
    with pytest.raises(ValueError, match=rf"^map: expected one of u, o, b, the maps of .*seed-0 \(mha\), got {got}$"):
        explain(tmp_path / "absent.mp4", mha, maps=maps)


def test_a_turned_video_is_shown_upright(tmp_path: Path, mha: TrainedRun) -> None:
    """48 x 64 with a tag: displayed 64 x 48, blue on the right. The crop is a square in its middle."""
    write_video(tmp_path / "a.mp4", moving_bar(12))
    turn_right(tmp_path / "a.mp4")
    found = explain(tmp_path / "a.mp4", mha, out=tmp_path)
    overlay, _ = read_video(tmp_path / "overlay.mp4")
    assert overlay.shape[1:3] == (240 + 52, 4 * (180 + 4) - 4)
    frame = overlay[-1][52:, :180].astype(int)
    assert frame[150, 140, 2] > frame[150, 140, 1] + 100
    assert frame[150, 40, 1] > frame[150, 40, 2] + 100
    assert found.box.tolist() == pytest.approx([1 / 18, 1 / 6, 17 / 18, 5 / 6], abs=1e-6)  # 32 of 36, of the width


@pytest.mark.parametrize(
    ("stored", "turned", "panel", "side"),
    [
        (Fraction(3, 2), False, (240, 480), (107, 160)),  # 48 x 64, shown as 48 x 96
        (Fraction(2, 3), False, (240, 214), (160, 107)),
        (Fraction(3, 2), True, (240, 120), (160, 107)),  # stored lying: twice as high as wide
    ],
)
def test_an_anamorphic_video_is_shown_in_its_shape(
    tmp_path: Path, mha: TrainedRun, monkeypatch, stored: Fraction, turned: bool, panel: tuple, side: tuple
) -> None:
    """Maps and crop are those of the same file without the tag."""
    drawn = []
    monkeypatch.setattr("objabn.explanation.files.draw_maps", lambda videos, path, **how: drawn.extend(videos))
    found = {}
    for name, aspect in (("tagged", stored), ("plain", None)):
        encode(tmp_path / f"{name}.mp4", moving_bar(12), pixel_aspect=aspect)
        if turned:
            turn_right(tmp_path / f"{name}.mp4")
        found[name] = explain(tmp_path / f"{name}.mp4", mha, out=tmp_path / name).arrays()
    overlay, _ = read_video(tmp_path / "tagged/overlay.mp4")
    assert overlay.shape[1:3] == (panel[0] + 52, 4 * (panel[1] + 4) - 4)
    assert [video.frames.shape[1:3] for video in drawn] == [side, (160, 160)]
    for name, array in found["plain"].items():
        np.testing.assert_array_equal(found["tagged"][name], array)


def test_dropped_frames_last_as_long_as_they_are_shown(tmp_path: Path, mha: TrainedRun, capsys) -> None:
    """24 frames in the time of 36: 1.44 s."""
    mux(tmp_path / "a.avi", coded(moving_bar(24)), [number for number in range(36) if number % 3][:24])
    found = explain(tmp_path / "a.avi", mha, out=tmp_path / "out")
    assert (found.num_frames, found.promised_frames) == (24, 24)
    overlay, info = read_video(tmp_path / "out/overlay.mp4")
    assert len(overlay) / info.fps == pytest.approx(1.44)
    assert found.seconds[-1] == pytest.approx(22 / 24 * 1.44)
    assert json.loads((tmp_path / "out/explanation.json").read_text())["seconds"] == 1.44


def test_a_webm_without_a_rate_of_its_own(tmp_path: Path, mha: TrainedRun) -> None:
    times = [int(n * (20 + 5 * (n - 1))) for n in range(20)]
    encode(tmp_path / "a.webm", moving_bar(20), codec="libvpx-vp9", times=times)
    found = explain(tmp_path / "a.webm", mha, out=tmp_path)
    assert found.frames.tolist() == list(range(0, 20, 2))
    assert found.fps > 0
    assert len(read_video(tmp_path / "overlay.mp4")[0]) == 10


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def test_importing_the_package_stays_light() -> None:
    heavy = "{'torch', 'cv2', 'av', 'pandas', 'numpy', 'matplotlib'}"
    assert run_python(f"import sys, objabn; print(sorted({heavy} & set(sys.modules)))") == "[]\n"
    assert run_python("import objabn; print(objabn.explain.__module__, objabn.load.__name__)") == (
        "objabn.explanation.explain load\n"
    )


def test_a_name_that_the_package_has_not() -> None:
    import objabn

    with pytest.raises(AttributeError, match="module 'objabn' has no attribute 'explode'"):
        objabn.explode  # noqa: B018


REAL = {
    "odd/video_90.mov": (568, 320), "ssv2/videos/5000.webm": (240, 427), "ssv2/videos/41000.webm": (1920, 1080),
    "odd/av1_video.mkv": (360, 640), "weizmann/clips/Bend/v_Bend_g01_c01.avi": (64, 64),
    "odd/h264_10bits.mp4": (200, 200),
}  # fmt: skip


@pytest.mark.realdata
@pytest.mark.skipif(not REALDATA.is_dir(), reason="no ../shared/realdata")
@pytest.mark.parametrize("name", REAL)
def test_real_videos(tmp_path: Path, mha: TrainedRun, name: str) -> None:
    found = explain(REALDATA / name, mha, maps=["o"], out=tmp_path)
    overlay, info = read_video(tmp_path / "overlay.mp4")
    assert len(overlay) == len(found.frames) == -(-found.num_frames // STRIDE)
    assert len(overlay) / info.fps == pytest.approx(found.num_frames / found.fps, abs=STRIDE / found.fps)
    height, width = REAL[name]
    panel = (overlay.shape[2] - 4) / 2
    assert (overlay.shape[1] - 52) / panel == pytest.approx(height / width, rel=0.02)
