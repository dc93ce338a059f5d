"""Post-hoc maps of a network that is no X3D: steps, tuples, what is computed in place, a layer before the split."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from objabn.config.schema import Dataset
from objabn.evaluation.map_measures import map_measures
from objabn.evaluation.maps import logits_and_maps, named_maps, repeated_maps
from objabn.evaluation.posthoc import grad_cam, layer_cam, posthoc_maps, resized, scaled
from objabn.evaluation.targets import Targets
from objabn.model.interface import first_output, frame_maps
from tests.helpers.foreign import GRID, SIZE, Foreign, T, some_clips


def by_hand(network: Foreign, clips: torch.Tensor, layer: str) -> dict[str, torch.Tensor]:
    """The maps of g, s and l before they are resized, by a graph of the whole network that nothing cuts."""
    outputs = {}

    def copy(module: nn.Module, _inputs: object, output: object) -> object:
        outputs[module] = first_output(output)
        copied = outputs[module].clone()  # the next layer computes in place
        return (copied, *output[1:]) if isinstance(output, tuple) else copied

    modules = {name: network.tap(name).module for name in ("split", layer)}
    hooks = [module.register_forward_hook(copy) for module in set(modules.values())]
    logits = network(clips).perception_logits
    for hook in hooks:
        hook.remove()
    score = logits.max(dim=1).values.sum()
    slopes = dict(zip(outputs, torch.autograd.grad(score, list(outputs.values())), strict=True))
    features = {name: network.tap(name).grid(outputs[module].detach()) for name, module in modules.items()}
    gradients = {name: network.tap(name).grid(slopes[module]) for name, module in modules.items()}
    return {
        "g": grad_cam(features[layer], gradients[layer]),
        "s": grad_cam(features["split"], gradients["split"]),
        "l": layer_cam(features[layer], gradients[layer]),
    }


@pytest.mark.parametrize("layer", ["stem", "block", "split", "tokens"])
@pytest.mark.parametrize("halved", [True, False])
def test_they_are_those_of_the_whole_graph(layer: str, halved: bool) -> None:
    network, clips = Foreign(3, halved=halved), some_clips()
    found, expected = posthoc_maps(network, clips, layer), by_hand(network, clips, layer)
    for letter, values in expected.items():
        frames = frame_maps(values, T)
        torch.testing.assert_close(found.maps[letter], scaled(resized(frames, (GRID, GRID))), msg=letter)
        assert values.amax() > 0, "a dark map would equal any other"
        if layer == "stem" and letter != "s":
            torch.testing.assert_close(found.native[letter], scaled(frames))
    assert set(found.native) == ({"g", "l"} if layer == "stem" else set())
    assert found.h1.shape == (2, 8, network.map_frames, GRID, GRID)
    assert not any(module._forward_hooks for module in network.modules())
    assert all(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize(
    ("layer", "halved", "repeated"),
    [("stem", True, "s"), ("tokens", True, "gsl"), ("split", True, "gsl"), ("stem", False, ""), ("tokens", False, "")],
)
def test_a_step_is_the_map_of_all_frames_that_it_has_seen(layer: str, halved: bool, repeated: str) -> None:
    found = posthoc_maps(Foreign(halved=halved), some_clips(), layer)
    assert found.repeated == repeated_maps(found, "plain") == set(repeated)
    for letter, maps in named_maps(found, "plain").items():
        assert maps.shape == (2, T, GRID, GRID)
        same = torch.equal(maps[:, 0::2], maps[:, 1::2])
        assert same == (letter in {*repeated, "c"}), letter
        assert not torch.equal(maps[:, :2], maps[:, 2:]) or letter == "c"


def test_logits_and_maps_have_a_map_for_each_frame() -> None:
    network, clips = Foreign(), some_clips()
    logits, maps = logits_and_maps(network, clips, "tokens")
    assert torch.equal(logits, network(clips).perception_logits)
    assert torch.equal(maps, posthoc_maps(network, clips, "tokens").maps["g"])


def test_clips_of_a_batch_do_not_depend_on_each_other() -> None:
    network, clips = Foreign(), some_clips(3)
    together, alone = (posthoc_maps(network, some, "tokens").maps for some in (clips, clips[1:2]))
    for letter, maps in alone.items():
        torch.testing.assert_close(together[letter][1:2], maps)


def test_repeated_frames_have_no_flicker(synthetic: Dataset) -> None:
    """Half of their differences would be 0, and no network of as many steps as frames could compare."""
    found = posthoc_maps(Foreign(), some_clips(), "tokens")
    maps = {letter: each.numpy() for letter, each in named_maps(found, "plain").items()}
    known = np.zeros((2, T), bool)
    given = Targets({}, {}, known, ~known, known)
    numbers = map_measures(maps, {}, given, synthetic.eval, repeated=repeated_maps(found, "plain"))
    assert {name for name, values in numbers.items() if "flicker" in name and np.isnan(values).all()} == {
        "flicker_g", "flicker_s", "flicker_l",
    }  # fmt: skip
    assert (numbers["flicker_m"] > 0).all()
    whole = map_measures(maps, {}, given, synthetic.eval)
    assert all(np.array_equal(whole[name], values) for name, values in numbers.items() if not np.isnan(values).any())


def test_own_maps_of_fewer_steps_are_repeated_too(make_model: Callable) -> None:
    found = posthoc_maps(make_model(attention="mha", pc=False).eval(), torch.randn(1, 3, T, SIZE, SIZE), "split")
    halved = found._replace(output=found.output._replace(maps=found.output.maps[:, :, ::2]))
    maps = named_maps(halved, "mha")
    assert repeated_maps(found, "mha") == set()
    assert repeated_maps(halved, "mha") == {"u", "o", "b"}
    assert torch.equal(maps["o"], found.output.maps[:, 1, [0, 0, 2, 2]])


def test_a_layer_that_is_none_is_one_line() -> None:
    network = Foreign()
    with pytest.raises(ValueError, match=r"layer: expected split or one of stem, block, tokens, got 'res5'"):
        posthoc_maps(network, some_clips(1), "res5")
    assert not any(module._forward_hooks for module in network.modules())
