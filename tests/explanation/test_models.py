"""A network that was not trained here explains a video: what it sees, by which method, and what is written."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch

from objabn.audits.perturbation import perturbation_maps
from objabn.clips.geometry import resample_clips
from objabn.config.rows import METHODS
from objabn.config.schema import Dataset
from objabn.evaluation.posthoc import posthoc_maps
from objabn.evaluation.trained import TrainedRun, load
from objabn.explanation import explain as explain_module
from objabn.explanation.explain import explain, load_model
from objabn.networks.adapter import Adapter
from objabn.video.read import read_video, resized
from objabn.video.write import write_video
from tests.helpers.foreign import CLASSES, SIZE, T, small_module
from tests.helpers.runs import parameters, write_run
from tests.helpers.videos import moving_bar


@pytest.fixture(scope="module")
def network() -> Adapter:
    return Adapter(
        small_module(), num_frames=T, size=SIZE, layer="block", split="act", class_names=CLASSES, spec="mine"
    )


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames of 48 x 64 pixels."""
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    write_video(path, moving_bar(30))
    return path


@pytest.fixture(autouse=True)
def few_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain_module, "perturbation_maps", lambda *given: perturbation_maps(*given, num_masks=4))


def seen_by(run: TrainedRun, video: Path) -> torch.Tensor:
    """The first clip, (1, 3, T, S, S), as the network is to see it: every second frame, its middle square."""
    frames = read_video(video)[0][: 2 * T : 2]
    small = torch.from_numpy(np.stack([resized(frame, (SIZE, round(SIZE * 64 / 48))) for frame in frames]))
    left = (small.shape[2] - SIZE) / 2 / small.shape[2]
    box = torch.tensor([[left, 0, 1 - left, 1]])
    return resample_clips(small[None], box, torch.tensor([False]), SIZE)


@pytest.mark.parametrize("method", METHODS)
def test_what_each_method_shows(network: Adapter, video: Path, method: str) -> None:
    model, letter = load_model(network, device="cpu"), METHODS[method]
    found = explain(video, model=model, method=method)
    clips = seen_by(model, video)
    given = posthoc_maps(network, clips, "block")
    if letter == "p":
        expected = perturbation_maps(network, clips, [video.as_posix()], given.classes, num_masks=4)
    else:
        expected = given.maps[letter]
    assert list(found.maps) == [letter]
    assert found.maps[letter].shape == (15, 4, 4)
    np.testing.assert_allclose(found.maps[letter][:T], expected[0, 0], atol=1e-5)
    np.testing.assert_allclose(found.clip_probabilities[0], given.output.perception_logits.softmax(dim=1)[0], atol=1e-5)
    assert found.frames.tolist() == list(range(0, 30, 2))
    np.testing.assert_allclose(found.box, [(64 - 48) / 2 / 64, 0, 1 - (64 - 48) / 2 / 64, 1], atol=0.01)
    assert (found.class_names, found.run) == (CLASSES, "mine")


def test_its_files(network: Adapter, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network.digests = {"weights": "0" * 64}
    model = load_model(network, frame_stride=3, layer="stem", device="cpu")
    explain(video, model=model, method="layer-cam", out=tmp_path / "l")
    explain(video, model=model, method="rise", out=tmp_path / "p")
    explain(video, model=model, out=tmp_path / "g")
    for letter, method, layer in (("l", "layer-cam", "stem"), ("p", "rise", None), ("g", "grad-cam", "stem")):
        folder = tmp_path / letter
        assert sorted(path.name for path in folder.iterdir()) == [
            "explanation.json", "maps.npz", "overlay.mp4", "strip.png",
        ]  # fmt: skip
        said = json.loads((folder / "explanation.json").read_text())
        keys = ["video", "network", "weights", "digests", "num_frames", "frame_stride", "size", "method", "layer"]
        assert list(said)[:9] == keys
        assert list(said.values())[1:9] == ["mine", None, {"weights": "0" * 64}, T, 3, SIZE, method, layer]
        assert not {"run", "attention", "seed"} & set(said)
        assert list(said["maps"]) == [letter]
        with np.load(folder / "maps.npz", allow_pickle=False) as arrays:
            assert arrays["maps"].shape == (1, 10, 4, 4)
            assert arrays["map_names"].tolist() == [letter]
    assert len(read_video(tmp_path / "g/overlay.mp4")[0]) == 10
    told = f"{video}: 768 passes of the network, 256 for each of 3 clips\n"
    assert capsys.readouterr().err == told


def test_a_bare_module_and_a_text(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = load_model(small_module(), num_frames=T, size=SIZE, device="cpu")
    assert (bare.params.data.num_frames, bare.params.data.crop, bare.directory.name) == (T, SIZE, "Sequential")
    assert explain(video, model=bare).maps["g"].max() == 1
    asked: list[tuple] = []

    def make(spec: str, **given: object) -> Adapter:
        asked.append((spec, given))
        return Adapter(small_module(), num_frames=T, size=SIZE)

    monkeypatch.setattr("objabn.explanation.models.load_network", make)
    explain(video, model="my.py:load", weights="random", device="cpu")
    assert asked == [("my.py:load", {"weights": "random", "num_frames": None, "size": None, "layer": None})]


def test_the_version_of_its_library_is_written(video: Path, tmp_path: Path) -> None:
    network = Adapter(small_module(), num_frames=T, size=SIZE, spec="torchvision:r3d_18")
    explain(video, model=network, out=tmp_path)
    said = json.loads((tmp_path / "explanation.json").read_text())
    assert said["versions"]["torchvision"] == version("torchvision")
    assert "transformers" not in said["versions"]


def test_logits_that_are_not_finite_are_not_the_trainings_fault(video: Path, tmp_path: Path) -> None:
    network = Adapter(small_module(), num_frames=T, size=SIZE, spec="mine")
    torch.nn.init.constant_(next(network.parameters()), float("nan"))
    line = "mine: its logits or maps are not finite: it was not trained here, so its weights, precision or "
    with pytest.raises(ValueError, match=f"^{line}normalisation may not fit$"):
        explain(video, model=network, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tall_video_of_wide_pixels_keeps_its_shape(network: Adapter, tmp_path: Path) -> None:
    """Of a frame 64 high and 40 wide the network sees the whole width."""
    frames = np.random.default_rng(0).integers(0, 256, (9, 64, 40, 3), dtype=np.uint8)
    write_video(tmp_path / "tall.mp4", frames)
    found = explain(tmp_path / "tall.mp4", model=network)
    np.testing.assert_allclose(found.box, [0, (64 - 40) / 2 / 64, 1, 1 - (64 - 40) / 2 / 64], atol=0.01)


def test_a_run_by_a_method(synthetic: Dataset, video: Path, tmp_path: Path) -> None:
    run = load(write_run(tmp_path / "run", parameters(synthetic), "mask"), device="cpu")
    found = explain(video, run, method="layer-cam", out=tmp_path / "out")
    said = json.loads((tmp_path / "out/explanation.json").read_text())
    assert (said["run"], said["method"], said["layer"]) == (str(tmp_path / "run"), "layer-cam", "res5")
    assert (list(found.maps), said["attention"]) == (["l"], "mask")
    assert list(explain(video, run).maps) == ["o"]
    split = explain(video, run, method="grad-cam-split", out=tmp_path / "split")
    assert json.loads((tmp_path / "split/explanation.json").read_text())["layer"] == run.params.model.split
    assert not np.array_equal(split.maps["s"], found.maps["l"])


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda video, network: explain(video, "runs/x", model=network),
         "explain: expected a run or a model, got both"),
        (lambda video, network: explain(video, weights="a.pth"), "weights: expected None without a model, got 'a.pth'"),
        (lambda video, network: explain(video, model=network, weights="a.pth"),
         "weights: expected None beside a network that has its own, got 'a.pth'"),
        (lambda video, network: explain(video, model=network, method="cam"),
         "method: expected one of grad-cam, grad-cam-split, layer-cam, rise, centre, motion, got 'cam'"),
        (lambda video, network: explain(video, model=network, method="rise", maps=["g"]),
         "map: expected none beside the method rise, got g"),
        (lambda video, network: load_model(network, num_frames=8),
         "num_frames: expected 4, that of the Adapter, got 8"),
        (lambda video, network: load_model(network, frame_stride=0), "frame_stride: expected at least 1, got 0"),
        (lambda video, network: load_model(network, layer="fc"),
         "mine: layer, expected one of .*, got 'fc': there is no.*"),
        (lambda video, network: load_model(network, device="gpu"), "device: expected auto, cpu, cuda, got 'gpu'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(network: Adapter, video: Path, call: Callable, line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line}$"):
        call(video, network)
