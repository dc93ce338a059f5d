"""The six networks of torchvision: their layers at full size, what reaches them, and their weights."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import get_model, get_model_weights

from objabn.networks.adapter import Adapter
from objabn.networks.choice import load_network
from objabn.networks.torchvision import NETWORKS, adapt
from tests.helpers import tiny_video
from tests.helpers.taps import centre_of, change_of_block, clips_for, cut_gradient, weights_once

FULL = {  # default layer and split, with (1, C, T', h, w), for the clips that the weights were trained on
    "r3d_18": ("layer4", (512, 2, 7, 7), "layer3", (256, 4, 14, 14)),
    "mc3_18": ("layer4", (512, 16, 7, 7), "layer3", (256, 16, 14, 14)),
    "r2plus1d_18": ("layer4", (512, 2, 7, 7), "layer3", (256, 4, 14, 14)),
    "s3d": ("features.15", (1024, 2, 7, 7), "features.12", (832, 4, 14, 14)),
    "mvit_v2_s": ("blocks.15.norm1", (768, 8, 7, 7), "blocks.13", (384, 8, 14, 14)),
    "swin3d_t": ("norm", (768, 8, 7, 7), "features.4", (384, 8, 14, 14)),
}
EARLY = {"mvit_v2_s": "blocks.0.norm1", "swin3d_t": "features.0"}  # tokens that have not seen each other yet


@cache
def tiny(name: str) -> Adapter:
    module, num_frames, size = tiny_video.of_torchvision(name)
    if name == "s3d":  # takes small clips, if its last pooling does
        module.avgpool, num_frames, size = torch.nn.AdaptiveAvgPool3d(1), 8, 64
    elif name.endswith("_18"):
        num_frames, size = 4, 32
    return adapt(name, module, num_frames=num_frames, size=size)


@cache
def on_meta(name: str) -> torch.nn.Module:
    """The whole network, without memory."""
    with torch.device("meta"):
        return get_model(name, weights=None).eval()


def test_these_are_the_ones() -> None:
    assert set(NETWORKS) == set(FULL) == set(tiny_video.TORCHVISION)


@pytest.mark.parametrize("name", FULL)
def test_layers_at_full_size(name: str) -> None:
    network = adapt(name, on_meta(name))
    layer, shape, split, split_shape = FULL[name]
    assert (network.layer, network.split) == (layer, split)
    clip = torch.empty(1, 3, network.num_frames, network.size, network.size, device="meta")
    network.to("meta")  # its own numbers, too
    for place, expected in ((layer, shape), ("split", split_shape)):
        found, gradient = cut_gradient(network, clip, place)
        assert found.shape == gradient.shape == (1, *expected)
    assert network(clip).maps.shape == (1, 0, *split_shape[1:])
    assert weights_once(network)


@pytest.mark.parametrize("name", FULL)
def test_clips_are_normalised_as_torchvision_does(name: str) -> None:
    transform = next(iter(get_model_weights(name))).transforms()
    assert NETWORKS[name][2:4] == (tuple(transform.mean), tuple(transform.std))


@pytest.mark.parametrize("name", FULL)
def test_default_layers_have_gradients_and_clips_do_not_depend_on_each_other(name: str) -> None:
    network = tiny(name)
    clips = clips_for(network)
    features, gradient = cut_gradient(network, clips, network.layer)
    assert features.shape == gradient.shape
    assert gradient.flatten(1).any(dim=1).all()
    both, alone = cut_gradient(network, clips, "split"), cut_gradient(network, clips[1:], "split")
    assert both[1].flatten(1).any(dim=1).all()
    torch.testing.assert_close(both[0][1:], alone[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both[1][1:], alone[1], rtol=1e-3, atol=1e-6)
    said = network(clips).perception_logits
    assert torch.equal(said, network.module(network.preprocess(clips)))
    assert weights_once(network)


@pytest.mark.parametrize("name", EARLY)
def test_a_block_changes_the_cells_where_it_lies(name: str) -> None:
    network = tiny(name)
    lengths = (network.num_frames, network.size, network.size)
    side, frames = network.size // 4, network.num_frames // 4
    for place in ((0, 0, 0), (2 * frames, side, 2 * side), (3 * frames, 3 * side, 0)):
        changes = change_of_block(network, EARLY[name], place, side, frames)
        ends = [at + length for at, length in zip(place, (frames, side, side), strict=True)]
        middle = [(at + end) / 2 / whole for at, end, whole in zip(place, ends, lengths, strict=True)]
        assert centre_of(changes**2) == pytest.approx(middle, abs=0.125)


@pytest.mark.parametrize("name", ["blocks.1", "norm"])
def test_layers_of_an_mvit_behind_which_only_the_class_token_is_read(name: str) -> None:
    network = tiny("mvit_v2_s")
    with pytest.raises(ValueError, match=f"got '{name}': nothing behind it reads its cells"):
        network.tap(name)
    module = network.module.get_submodule(name)
    kept: list[Any] = []
    hook = module.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    clips = clips_for(network).requires_grad_()
    score = network(clips).perception_logits.sum()
    hook.remove()
    output = kept[0][0] if isinstance(kept[0], tuple) else kept[0]
    (gradient,) = torch.autograd.grad(score, output)
    assert gradient[:, :1].any()
    assert not gradient[:, 1:].any()  # so the line is true


def test_random_weights_are_the_same_each_time_and_leave_the_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    settings = {"weights": "random", "num_classes": 4, "num_frames": 4, "size": 32}
    one, other = (load_network("torchvision:mc3_18", **settings) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert one.class_names == ("class 0", "class 1", "class 2", "class 3")
    assert (one.num_frames, one.size, one.spec) == (4, 32, "torchvision:mc3_18")
    clips = clips_for(one)
    assert torch.equal(one(clips).perception_logits, one.module(one.preprocess(clips)))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an S3D with five classes, as DistributedDataParallel names them, in a checkpoint."""
    path = tmp_path_factory.mktemp("weights") / "s3d.pth"
    state = {f"module.{name}": value for name, value in tiny("s3d").module.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, path)
    return path


def test_weights_of_a_file_say_how_many_classes_there_are(weights: Path) -> None:
    network = load_network("torchvision:s3d", weights=str(weights), layer="features.12")
    assert len(network.class_names) == tiny_video.CLASSES
    assert network.layer == "features.12"
    assert list(network.digests) == ["weights"]
    expected = tiny("s3d").module.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in network.module.state_dict().items())


def test_torchvisions_own_weights_are_taken_from_where_torch_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints" / "s3d-d76dad2f.pth"
    fetch = "fetch https://download.pytorch.org/models/s3d-d76dad2f.pth"
    with pytest.raises(ValueError, match=f"torchvision:s3d: .*{fetch} .*put it at {place}"):
        load_network("torchvision:s3d")
    place.parent.mkdir(parents=True)
    torch.save(get_model("s3d", weights=None).state_dict(), place)
    names = load_network("torchvision:s3d").class_names
    assert (len(names), names[0]) == (400, "abseiling")


@pytest.mark.parametrize(
    ("name", "settings", "fault"),
    [
        ("s3d", {"num_frames": 8}, "torchvision:s3d: does not take 8 frames of 224 pixels, it was made for 16 frames"),
        ("mvit_v2_s", {"size": 112}, "does not take 16 frames of 112 pixels, it was made for 16 frames of 224 pixels"),
        ("r3d_18", {"layer": "layer5"}, "expected one of stem, layer1, layer2, layer3, layer4, got 'layer5'"),
        ("r3d_18", {"layer": "avgpool"}, "got 'avgpool': its output is no grid"),
        ("r3d_18", {"size": 16}, "got 'layer4': its output is no grid"),
        ("mvit_v2_s", {"layer": "blocks.15"}, "for example .*blocks.15.norm1, got 'blocks.15': nothing behind it"),
    ],
)
def test_faults_of_clips_and_layers_are_one_line(name: str, settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as raised:
        adapt(name, on_meta(name), **settings)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "settings", "fault"),
    [
        ("r3d_50", {}, "torchvision:r3d_50: expected one of r3d_18, .* got 'r3d_50'"),
        ("r3d_18", {"size": 0}, "size: expected at least 1, got 0"),
        ("r3d_18", {"weights": "a.pth", "num_classes": 3}, "num_classes: expected none"),
        ("r3d_18", {"weights": "nowhere.pth"}, "nowhere.pth: expected a file of weights: .* got no such file"),
    ],
)
def test_faults_of_what_is_asked_for(name: str, settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        load_network(f"torchvision:{name}", **settings)


def spoil(path: Path, how: str) -> None:
    """Write what is no weights of an S3D, though it may look like them."""
    state = tiny("s3d").module.state_dict()
    first = next(iter(state))
    if how == "cut":
        torch.save(state, path)
        path.write_bytes(path.read_bytes()[:100_000])
    elif how == "missing":
        torch.save({name: value for name, value in state.items() if name != first}, path)
    elif how == "shape":
        torch.save({**state, first: torch.zeros(1)}, path)
    elif how == "number":
        torch.save({"state_dict": 3}, path)
    else:
        path.write_text("these are no weights")


@pytest.mark.parametrize(
    ("how", "name", "fault"),
    [
        ("cut", "s3d.pth", "expected a file of weights: .*got the first 100,000 bytes of a file"),
        (
            "missing",
            "s3d.pth",
            r"s3d.pth: does not fit torchvision:s3d: 1 missing keys \(first: features.0.0.0.weight\)",
        ),
        ("shape", "s3d.pth", "s3d.pth: does not fit torchvision:s3d: size mismatch for features.0.0.0.weight"),
        ("number", "s3d.pth", "got something else than a dictionary of tensors"),
        ("text", "s3d.pth", "expected a file of weights: .*got a file that torch cannot read"),
        ("text", "s3d.safetensors", "expected a file of weights: .*got a broken file"),
    ],
)
def test_faults_of_a_file_are_one_line(how: str, name: str, fault: str, tmp_path: Path) -> None:
    spoil(tmp_path / name, how)
    with pytest.raises(ValueError, match=fault) as raised:
        load_network("torchvision:s3d", weights=str(tmp_path / name))
    assert "\n" not in str(raised.value)


def test_weights_of_another_network_are_told_by_their_last_layer(weights: Path) -> None:
    with pytest.raises(ValueError, match=r"does not fit torchvision:r3d_18: it has no fc.weight"):
        load_network("torchvision:r3d_18", weights=str(weights))
