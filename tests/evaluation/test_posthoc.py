"""Post-hoc maps and baselines: by hand, against finite differences, and what they must leave alone."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objabn.config.rows import POST_HOC
from objabn.config.schema import BLOCKS
from objabn.evaluation.posthoc import centre_prior, grad_cam, layer_cam, motion, posthoc_maps, resized, scaled
from objabn.model.interface import Output, Tap, identity


class Net(nn.Module):
    """A network whose features h1 are its clips, three channels; its split is res3. With a map where `attends`."""

    def __init__(self, res4: nn.Module, res5: nn.Module, head: nn.Module, *, attends: bool = False) -> None:
        super().__init__()
        self.extractor = nn.Sequential(nn.Identity(), nn.Identity(), nn.Identity())  # stem, res2, res3
        self.perception_branch = nn.Sequential(res4, res5, head)
        self.attention = nn.Conv3d(3, 1, 1) if attends else None

    def tap(self, layer: str) -> Tap:
        behind = 0 if layer == "split" else BLOCKS.index(layer) - 2
        return Tap(self.perception_branch[behind - 1] if behind else self.extractor, identity)

    def forward(self, clips: Tensor) -> Output:
        h1 = self.extractor(clips)
        maps = h1[:, :0] if self.attention is None else self.attention(h1).sigmoid()
        return Output(None, self.perception_branch(h1 * maps if maps.shape[1] else h1), maps, None)


class Sums(nn.Module):
    """Logits that are sums over the features: y_l = sum over c, t, h, w of weights[l, c] A."""

    def __init__(self, weights: list[list[float]]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, features: Tensor) -> Tensor:
        return features.sum(dim=(2, 3, 4)) @ self.weights.T


def curved(seed: int = 0, *, attends: bool = True) -> tuple[Net, Tensor]:
    """A curved network with a BatchNorm, float64, and clips (2, 3, 2, 4, 4); res4 is 2 x 2, res5 1 x 2."""
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 2 * 1 * 2, 5))
    res4 = nn.Sequential(nn.Conv3d(3, 4, (1, 2, 2), stride=(1, 2, 2)), nn.BatchNorm3d(4), nn.SiLU())
    res5 = nn.Sequential(nn.Conv3d(4, 4, (1, 2, 1)), nn.Tanh())
    net = Net(res4, res5, head, attends=attends).double()
    net(torch.randn(4, 3, 2, 4, 4, dtype=torch.float64))  # statistics that are not 0 and 1
    return net.eval(), torch.randn(2, 3, 2, 4, 4, dtype=torch.float64)


def test_grad_cam_and_layer_cam_by_hand() -> None:
    """Two channels, two frames of 1 x 2 cells."""
    features = torch.tensor([[[[[4.0, 1.0]], [[0.0, 3.0]]], [[[2.0, 5.0]], [[0.0, 2.0]]]]])  # (1, C, T, h, w)
    gradients = torch.tensor([[[[[8.0, 0.0]], [[0.0, 0.0]]], [[[-8.0, 2.0]], [[1.0, 1.0]]]]])
    # Mean gradients 2 and -1: 2 A_0 - A_1 is 6, -3; 0, 4.
    assert grad_cam(features, gradients).tolist() == [[[[[6.0, 0.0]], [[0.0, 4.0]]]]]
    # Each cell's own: 8 * 4, 2 * 5; 0, 1 * 2. What speaks against the class is left out cell by cell.
    assert layer_cam(features, gradients).tolist() == [[[[[32.0, 10.0]], [[0.0, 2.0]]]]]


def test_a_clip_is_scaled_by_its_own_maximum() -> None:
    maps = torch.tensor([[[4.0, 1.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])[:, None, :, None]  # two frames of 1 x 2
    assert scaled(maps).flatten(1).tolist() == [[1, 0.25, 0.5, 0], [0, 0, 0, 0]]


def test_resizing_is_bilinear_and_keeps_frames_apart() -> None:
    maps = torch.tensor([[[[[0.0, 1.0]], [[2.0, 2.0]]]]])  # (1, 1, 2, 1, 2)
    assert resized(maps, (1, 4)).tolist() == [[[[[0, 0.25, 0.75, 1]], [[2, 2, 2, 2]]]]]


def test_the_centre_prior_by_hand() -> None:
    """Cells' centres are 1/8 and 3/8 of the side away: squares over 2/16 are 1/4, 5/4 and 9/4."""
    edge, corner = np.exp(-1), np.exp(-2)
    rows = [[corner, edge, edge, corner], [edge, 1, 1, edge]]
    found = centre_prior((4, 4), torch.zeros(1))
    np.testing.assert_allclose(found, [*rows, *rows[::-1]], rtol=1e-6)
    assert centre_prior((14, 14), torch.zeros(1)).max() == 1


def test_motion_by_hand() -> None:
    """Cells of 1 x 2 pixels. A pixel rises by 3 in one of three colours, then by 6 in all of them."""
    clips = torch.zeros(2, 3, 3, 2, 4)
    clips[0, 0, 1:, 0, 0] = 3.0
    clips[0, :, 2, 1, 3] = -6.0
    found = motion(clips, (2, 2))
    # Changes: 3 / 3 / 2 = 0.5 in cell (0, 0), then 6 / 2 = 3 in cell (1, 1); the middle frame has both neighbours.
    expected = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[0.5, 0.0], [0.0, 3.0]], [[0.0, 0.0], [0.0, 6.0]]]) / 6
    torch.testing.assert_close(found[0, 0], expected)
    assert not found[1].any()  # nothing moves
    assert motion(clips[:, :, :1], (2, 2)).tolist() == torch.zeros(2, 1, 1, 2, 2).tolist()


def test_the_class_may_be_given_and_one_that_nothing_speaks_for_is_dark() -> None:
    head = Sums([[1.0, 0.0, 0.0], [3.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    net = Net(nn.Identity(), nn.Identity(), head).eval()
    clips = torch.ones(3, 3, 1, 1, 2)
    clips[2, 0, 0, 0, 1] = 4.0
    assert posthoc_maps(net, clips, "res5").classes.tolist() == [1, 1, 1]
    found = posthoc_maps(net, clips, "res5", classes=torch.tensor([0, 2, 0]))
    for letter in "gsl":
        assert found.maps[letter].flatten(1).tolist() == [[1, 1], [0, 0], [0.25, 1]]


def slopes(function: Callable[[Tensor], Tensor], features: Tensor) -> np.ndarray:
    """The gradient of one number by each feature (C, T, h, w), by finite differences."""
    step, found = 1e-6, np.zeros(features.shape)
    for place in np.ndindex(*features.shape):
        up, down = features.clone(), features.clone()
        up[place] += step
        down[place] -= step
        found[place] = float(function(up) - function(down)) / (2 * step)
    return found


@pytest.mark.parametrize("layer", ["split", "res4", "res5"])
@pytest.mark.parametrize("classes", [None, [3, 1]])
def test_gradients_are_those_of_finite_differences(layer: str, classes: list[int] | None) -> None:
    net, clips = curved()
    wanted = None if classes is None else torch.tensor(classes)
    found = posthoc_maps(net, clips, layer, classes=wanted)
    at = 0 if layer == "split" else BLOCKS.index(layer) - 2  # blocks behind the split up to the layer
    with torch.no_grad():
        chosen = net(clips).perception_logits.argmax(dim=1) if wanted is None else wanted
        for clip, label in enumerate(chosen.tolist()):
            h1 = features = clips[clip]
            at_split = at_layer = slopes(lambda x, label=label: net(x[None]).perception_logits[0, label], h1)
            if at:
                features = net.perception_branch[:at](h1[None] * net(h1[None]).maps)[0]
                at_layer = slopes(lambda x, label=label: net.perception_branch[at:](x[None])[0, label], features)
            raw = {
                "s": (at_split.mean(axis=(1, 2, 3), keepdims=True) * h1.numpy()).sum(axis=0),
                "g": (at_layer.mean(axis=(1, 2, 3), keepdims=True) * features.numpy()).sum(axis=0),
                "l": (np.maximum(at_layer, 0) * features.numpy()).sum(axis=0),
            }
            for letter, values in raw.items():
                positive = torch.from_numpy(np.maximum(values, 0))[None, None]
                expected = scaled(resized(positive, (4, 4)))[0]
                torch.testing.assert_close(found.maps[letter][clip], expected, atol=1e-7, rtol=0)
                if tuple(positive.shape[-2:]) != (4, 4):
                    torch.testing.assert_close(found.native[letter][clip], scaled(positive)[0], atol=1e-7, rtol=0)
    assert set(found.native) == (set() if layer == "split" else {"g", "l"})


# The weighted sums of pytorch-grad-cam 1.5.7 before it scales them, for the network and the clip of `fixed`.
REFERENCE = {
    "split": {
        "g": [0, 0.090995, 0.080758, 0, 0, 0, 0.10146, 0.063375, 0, 0, 0.014313, 0.107174, 0.043025, 0, 0, 0.037051],
        "l": [0, 0.287407, 0.34221, 0, 0.06072, 0.053151, 0.272024, 0, 0.213597, 0.127665, 0, 0, 0.091008, 0, 0,
              0.016352],
    },
    "res4": {"g": [0.197921, 0.500594, 0.327608, 0.323142], "l": [0.605979, 0.305062, 0.73271, 0.131995]},
    "res5": {"g": [0.258251, 0.846518, 0.615334, 0.344467], "l": [0.324546, 1.047635, 1.21882, 0]},
}  # fmt: skip


def fixed() -> tuple[Net, Tensor]:
    """A network with an attention map, and a clip (1, 3, 2, 2, 4), by formulas; res4 and res5 are 1 x 2."""
    res4 = nn.Sequential(nn.Conv3d(3, 4, (1, 2, 2), stride=(1, 2, 2)), nn.SiLU())
    head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 2 * 1 * 2, 3))
    net = Net(res4, nn.Sequential(nn.Conv3d(4, 4, 1), nn.Tanh()), head, attends=True).double().eval()
    with torch.no_grad():
        for number, weights in enumerate(net.parameters()):
            places = torch.arange(weights.numel(), dtype=torch.float64)
            weights.copy_((0.9 * places + number).sin().view_as(weights))
    return net, (1.3 * torch.arange(48, dtype=torch.float64)).cos().view(1, 3, 2, 2, 4)


@pytest.mark.parametrize("layer", REFERENCE)
def test_before_scaling_they_equal_pytorch_grad_cam(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objabn.evaluation.posthoc.scaled", lambda maps: maps)
    found = posthoc_maps(*fixed(), layer)
    assert found.maps["s"].flatten().tolist() == pytest.approx(REFERENCE["split"]["g"], abs=1e-6)
    for letter, expected in REFERENCE[layer].items():
        raw = (found.maps if layer == "split" else found.native)[letter]
        assert raw.flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_clips_of_a_batch_do_not_depend_on_each_other() -> None:
    net, clips = curved(1)
    together = posthoc_maps(net, clips, "res5").maps
    for letter, alone in posthoc_maps(net, clips[1:], "res5").maps.items():
        torch.testing.assert_close(together[letter][1:], alone)


@pytest.mark.parametrize(("attention", "frozen"), [("plain", None), ("abn", "res2"), ("mask", "res3"), ("mha", "res2")])
def test_the_network_is_left_as_it_was(make_model: Callable, attention: str, frozen: str | None) -> None:
    """Of an X3D with frozen blocks, in its memory format, where nothing else asks for gradients."""
    model = make_model(attention=attention, pc=False, frozen=frozen).eval()
    for weight in model.perception_branch.parameters():
        nn.init.normal_(weight, 0.1, 0.3)
    clips = torch.randn(2, 3, 4, 32, 32).contiguous(memory_format=torch.channels_last_3d)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    asked = {name: weight.requires_grad for name, weight in model.named_parameters()}
    with torch.no_grad():
        expected, h1 = model(clips), model.extractor(clips)
        found = posthoc_maps(model, clips, "res4")
        assert not torch.is_grad_enabled()
    assert torch.equal(found.h1, h1)
    for own, other in zip(found.output, expected, strict=True):
        assert (own is None and other is None) or torch.equal(own, other)
    assert tuple(found.maps) == POST_HOC
    for values in found.maps.values():
        assert values.shape == (2, 1, 4, 4, 4)
        assert 0 <= values.min() <= values.max() <= 1
    assert {letter: tuple(values.shape) for letter, values in found.native.items()} == {
        "g": (2, 1, 4, 2, 2),
        "l": (2, 1, 4, 2, 2),
    }
    tensors = [found.h1, *found.output, *found.maps.values(), *found.native.values()]
    assert not any(each.requires_grad for each in tensors if each is not None)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == asked
    assert not any(weight.grad is not None for weight in model.parameters())
    assert not any(module.training or module._forward_hooks for module in model.modules())


def test_one_forward_pass_and_none_of_the_extractor_backwards(make_model: Callable) -> None:
    model = make_model(attention="mha", pc=False).eval()
    calls, behind = [], []
    model.register_forward_hook(lambda *_: calls.append("forward"))
    model.extractor[-1].register_full_backward_hook(lambda *_: behind.append("extractor"))
    model.perception_branch.register_full_backward_hook(lambda *_: behind.append("perception"))
    posthoc_maps(model, torch.randn(1, 3, 4, 32, 32), "res5")
    assert (calls, behind) == (["forward"], ["perception"])


def test_grad_cam_at_the_split_is_the_same_by_both_names(make_model: Callable) -> None:
    model = make_model(attention="mask", pc=False, split="res4").eval()
    clips = torch.randn(2, 3, 4, 32, 32)
    by_name, by_split = (posthoc_maps(model, clips, layer) for layer in ("res4", "split"))
    for letter in "gsl":
        assert torch.equal(by_name.maps[letter], by_split.maps[letter])
    assert torch.equal(by_name.maps["g"], by_name.maps["s"])
    assert not by_name.native


@pytest.mark.gpu
@pytest.mark.parametrize("depthwise", ["native", "channels_last", "conv2d", "triton"])
@pytest.mark.parametrize("attention", ["plain", "mask", "mha"])
def test_a_gpu_gives_the_same_maps(
    make_model: Callable, monkeypatch: pytest.MonkeyPatch, attention: str, depthwise: str
) -> None:
    for each in (torch.backends.cudnn.conv, torch.backends.cudnn.rnn):  # torch wants them alike
        monkeypatch.setattr(each, "fp32_precision", "ieee")
    model = make_model(attention=attention, pc=False, depthwise=depthwise).eval()
    for weight in model.parameters():
        nn.init.normal_(weight, 0.1, 0.2)
    clips = torch.randn(2, 3, 4, 32, 32)
    expected = posthoc_maps(model, clips, "res4")
    found = posthoc_maps(model.to("cuda"), clips.to("cuda"), "res4", classes=expected.classes.to("cuda"))
    for letter, maps in found.maps.items():
        assert maps.device.type == "cuda"
        torch.testing.assert_close(maps.cpu(), expected.maps[letter], atol=1e-3, rtol=0)


@pytest.mark.parametrize("layer", ["split", "res4", "res5"])
@pytest.mark.parametrize("attention", ["plain", "mask", "mha"])
def test_of_an_x3d_they_are_what_its_two_halves_give_bit_for_bit(
    make_model: Callable, attention: str, layer: str
) -> None:
    """Its weights' and its maps' bits are to stay: what is asked of any network costs an X3D no other kernel."""
    model, clips = make_model(attention=attention, pc=False).eval(), torch.randn(2, 3, 4, 32, 32)
    for weight in model.parameters():
        nn.init.normal_(weight, 0.1, 0.3)
    found = posthoc_maps(model, clips, layer)
    kept, at = [], 0 if layer == "split" else BLOCKS.index(layer) - 2
    hook = model.perception_branch[max(at - 1, 0)].register_forward_hook(lambda *given: kept.append(given[2]))
    h1 = model.extractor(clips).detach().requires_grad_()
    logits = model.answer(h1).perception_logits
    hook.remove()
    features = kept[0] if at else h1
    score = logits.gather(1, logits.argmax(dim=1, keepdim=True)).sum()
    slopes, own = torch.autograd.grad(score, [h1, features])
    with torch.no_grad():
        expected = {"s": grad_cam(h1, slopes), "g": grad_cam(features, own), "l": layer_cam(features, own)}
        for letter, values in expected.items():
            assert torch.equal(found.maps[letter], scaled(resized(values, (4, 4)))), letter
    assert torch.equal(found.output.perception_logits, logits)
    assert not found.repeated


@pytest.mark.parametrize("layer", ["res2", "res9"])
def test_a_layer_that_cannot_be_looked_at_is_one_line(make_model: Callable, layer: str) -> None:
    model = make_model(attention="mask", pc=False).eval()
    with pytest.raises(ValueError, match=f"layer: expected .*, got '{layer}'"):
        posthoc_maps(model, torch.randn(1, 3, 4, 32, 32), layer)
    assert not any(module._forward_hooks for module in model.modules())


def test_a_network_in_training_mode_is_refused() -> None:
    net, clips = curved()
    net.perception_branch[0].train()
    with pytest.raises(AssertionError, match="the network is in training mode"):
        posthoc_maps(net, clips, "res5")
