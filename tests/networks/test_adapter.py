"""An adapter gives any module the interface: its clips, its logits, its layers, its weights in steps."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from objabn.clips.geometry import MEAN, STD
from objabn.model.interface import feature_maps
from objabn.networks.adapter import KINETICS_MEAN, KINETICS_STD, Adapter
from objabn.networks.grids import as_it_is, tokens
from tests.helpers.taps import clips_for, cut_gradient, weights_once


class Small(nn.Module):
    """A 3-D CNN for 4 frames of 16 pixels, whose layers are of every kind that a tap has to tell apart."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))  # a weight of no child
        self.stem = nn.Sequential(nn.Conv3d(3, 4, 3, (1, 2, 2), 1), nn.ReLU(inplace=True))
        self.relu = nn.ReLU(inplace=True)  # runs twice
        self.body = nn.Sequential(nn.Conv3d(4, 8, 3, (2, 2, 2), 1), nn.BatchNorm3d(8))
        self.drop = nn.Dropout3d()
        self.aside = nn.Conv3d(8, 2, 1)  # nothing reads it
        self.never = nn.Conv3d(8, 2, 1)  # does not run
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(8, 3)

    def forward(self, clips: Tensor) -> Tensor:
        features = self.drop(self.relu(self.body(self.relu(2 * self.stem(clips * self.scale))) + 0))
        self.aside(features)
        return self.head(self.pool(features).flatten(1))


class Says(nn.Module):
    """Puts a network's logits into something else."""

    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.network, self.wrap = Small(), wrap

    def forward(self, clips: Tensor) -> Any:
        return self.wrap(self.network(clips))


class Tokens(nn.Module):
    """Two layers of tokens behind a class token, which alone is classified: 2 x 4 x 4 cells of 4 frames of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv3d(3, 8, (2, 4, 4), (2, 4, 4))
        self.class_token = nn.Parameter(torch.ones(1, 1, 8))
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, video: Tensor, factor: float) -> dict[str, Tensor]:
        cells = self.patches(video.transpose(1, 2)).flatten(2).transpose(1, 2)
        values = self.first(torch.cat([self.class_token.expand(len(cells), -1, -1), cells], dim=1))
        return {"logits": factor * self.head(self.last(values + values.mean(dim=1, keepdim=True))[:, 0])}


def adapted(module: nn.Module | None = None, **settings: Any) -> Adapter:
    torch.manual_seed(0)
    return Adapter(module or Small(), **{"num_frames": 4, "size": 16, **settings})


def of_tokens(**settings: Any) -> Adapter:
    def preprocess(pixels: Tensor) -> dict[str, Any]:
        return {"video": (2 * pixels - 1).transpose(1, 2), "factor": 0.5}

    torch.manual_seed(0)
    grid = settings.pop("grid", tokens(2, 4, 4, class_tokens=1))
    return adapted(Tokens(), preprocess=preprocess, grid=grid, **settings)


def test_what_it_says_of_clips() -> None:
    network = adapted()
    clips = clips_for(network)
    output = network(clips)
    assert output.attention_logits is None
    assert output.features is None
    assert output.maps.shape == (2, 0, 2, 4, 4)
    assert (network.map_frames, network.map_size) == (2, 4)
    assert torch.equal(output.perception_logits, network.module(network.preprocess(clips)))
    torch.testing.assert_close(network(clips[:1]).perception_logits, output.perception_logits[:1])
    assert network.class_names == ("class 0", "class 1", "class 2")
    assert not any(module.training for module in network.modules())


def test_the_module_gets_pixels_by_its_own_mean_and_deviation() -> None:
    pixels = torch.rand(2, 3, 4, 16, 16)
    found = adapted().preprocess((pixels - MEAN) / STD)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1, 1) for values in (KINETICS_MEAN, KINETICS_STD))
    torch.testing.assert_close(found, (pixels - mean) / std)
    torch.testing.assert_close(adapted(mean=0.0, std=1.0).preprocess((pixels - MEAN) / STD), pixels)


def test_a_preprocess_of_ones_own_gets_pixels_and_may_name_arguments() -> None:
    network = of_tokens()
    pixels = torch.rand(2, 3, 4, 16, 16)
    made = network.preprocess((pixels - MEAN) / STD)
    torch.testing.assert_close(made["video"], (2 * pixels - 1).transpose(1, 2))
    said = network((pixels - MEAN) / STD).perception_logits
    assert torch.equal(said, network.module(**made)["logits"])


@pytest.mark.parametrize("wrap", [lambda logits: logits, lambda logits: {"logits": logits},
                                  lambda logits: SimpleNamespace(logits=logits)])  # fmt: skip
def test_logits_are_a_tensor_or_an_entry_or_an_attribute(wrap: Any) -> None:
    network = adapted(Says(wrap))
    clips = clips_for(network)
    expected = network.module.network(network.preprocess(clips))
    assert torch.equal(network(clips).perception_logits, expected)


def test_the_default_layer_is_the_last_with_cells_that_the_logits_read() -> None:
    network = adapted()
    assert network.layers == ("stem.1", "stem", "body.0", "body.1", "body", "drop")
    assert (network.layer, network.split) == ("body", "body")
    assert of_tokens().layers == ("first",)  # its last layer's class token has a gradient, the cells have none


def test_a_layers_features_and_gradients_are_on_its_grid() -> None:
    network = adapted(layer="body", split="stem")
    clips = clips_for(network)
    stem = network.module.stem(network.preprocess(clips) * network.module.scale)
    torch.testing.assert_close(feature_maps(network, clips, "split"), stem)
    features, gradient = cut_gradient(network, clips, "split")
    assert features.shape == gradient.shape == (2, 4, 4, 8, 8)
    assert gradient.flatten(1).any(dim=1).all()
    assert (network.map_frames, network.map_size) == (4, 8)


def test_cells_of_tokens_are_those_behind_the_class_token() -> None:
    network = of_tokens()
    clips = clips_for(network)
    features, gradient = cut_gradient(network, clips, "first")
    cells = network.module.patches(network.preprocess(clips)["video"].transpose(1, 2))
    expected = network.module.first(cells.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
    torch.testing.assert_close(features, expected)
    assert gradient.any()


def test_grids_by_name_leave_no_other_layers() -> None:
    assert adapted(grid={"stem": as_it_is(), "pool": as_it_is(), "nowhere": as_it_is()}).layers == ("stem",)


def test_gradients_are_found_where_all_weights_are_frozen() -> None:
    assert adapted(Small().requires_grad_(False)).layer == "body"


def test_steps_hold_each_weight_once_from_the_logits_on() -> None:
    network = adapted()
    names = [name for name, _ in network.steps()]
    assert names == ["head", "aside", "body.1", "body.0", "stem", "network: own weights", "never"]
    assert weights_once(network)
    assert weights_once(copy.deepcopy(network))


def test_weights_of_a_step_are_the_networks_own() -> None:
    network = copy.deepcopy(adapted())
    clips = clips_for(network)
    before = network(clips).perception_logits
    (own,) = [part for name, (part,) in network.steps() if name == "network: own weights"]
    with torch.no_grad():
        for weight in own.parameters():
            weight.mul_(2)
    assert not torch.equal(network(clips).perception_logits, before)


class Heads(nn.Module):
    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.stem, self.wrap = nn.Conv3d(3, 4, 3, 1, 1), wrap

    def forward(self, clips: Tensor) -> Any:
        return self.wrap(self.stem(clips))


@pytest.mark.parametrize(
    ("module", "settings", "fault"),
    [
        (Small, {"layer": "nowhere"}, "Small: layer, expected one of stem.1, .*, drop, got 'nowhere': there is no"),
        (Small, {"layer": "aside"}, "got 'aside': nothing behind it reads its cells: their gradient"),
        (Small, {"layer": "stem.0"}, "got 'stem.0': what runs behind it writes into its output"),
        (Small, {"layer": "relu"}, "got 'relu': it runs more than once"),
        (Small, {"layer": "never"}, "got 'never': it does not run"),
        (Small, {"layer": "head"}, r"got 'head': its output is no grid \(B, C, T, h, w\)"),
        (Small, {"layer": "pool"}, r"got 'pool': its output is no grid \(B, C, T, h, w\)"),
        (Small, {"split": "pool"}, "got 'pool'"),
        (Small, {"class_names": ["a", "b"]}, "expected 3 class names, got 2"),
        (Small, {"spec": "my.py:load", "layer": "x"}, "^my.py:load: layer"),
        (lambda: Heads(lambda features: features), {}, r"expected logits \(1, L\) .* got a tensor \(1, 4, 4, 16, 16\)"),
        (lambda: Heads(lambda _: [1]), {}, "expected logits .* got a list"),
        (lambda: Heads(lambda features: {"x": features}), {}, "expected logits .* got a dict"),
        (lambda: Heads(lambda features: features.detach().mean((2, 3, 4))), {}, "a grid of cells that the logits read"),
        (lambda: Heads(lambda features: features[..., 8:].mean((2, 3, 4))), {"grid": lambda x: x[..., :8]},
         "expected a layer with a grid of cells that the logits read, found none"),
        (lambda: nn.Linear(2, 2), {}, r"Linear: expected to take a clip \(1, 3, 4, 16, 16\), got RuntimeError"),
        (lambda: Heads(lambda features: features[..., :9].mean((2, 3, 4))), {"grid": lambda x: x[..., :9]},
         "expected a square grid, got 16 x 9"),
        (Small, {"preprocess": lambda pixels: 1 / 0}, "expected to take a clip .* got ZeroDivisionError"),
    ],
)  # fmt: skip
def test_faults_are_one_line(module: Any, settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as raised:
        adapted(module(), **settings)
    assert "\n" not in str(raised.value)


def test_other_clips_and_other_layers_are_faults_later_on_too() -> None:
    network = adapted()
    with pytest.raises(ValueError, match=r"of \(3, 4, 16, 16\), got \(3, 8, 16, 16\)"):
        network(torch.zeros(1, 3, 8, 16, 16))
    with pytest.raises(ValueError, match="got 'nowhere': there is no such layer"):
        network.tap("nowhere")
