"""Grad-CAM: by hand, against finite differences, and what it must leave alone."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objabn.evaluation.gradcam import grad_cam


class Linear(nn.Module):
    """Logits that are sums over the features: y_l = sum over c, t, h, w of weights[l, c] A."""

    def __init__(self, weights: list[list[float]]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, features: Tensor) -> Tensor:
        return features.sum(dim=(2, 3, 4)) @ self.weights.T


def toy(seed: int = 0) -> tuple[nn.Module, Tensor]:
    """A curved head with a BatchNorm, float64, and features (2, 3, 2, 2, 2)."""
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Conv3d(3, 4, 2, padding=1), nn.BatchNorm3d(4), nn.SiLU(), nn.Flatten(), nn.LazyLinear(5))
    head.double()(torch.randn(4, 3, 2, 2, 2, dtype=torch.float64))  # statistics that are not 0 and 1
    return head.eval(), torch.randn(2, 3, 2, 2, 2, dtype=torch.float64)


def test_maps_by_hand() -> None:
    """Two channels, two frames of 1 x 2 cells; class 1 adds channel 0 and takes off channel 1."""
    head = Linear([[0.0, 0.0], [2.0, -1.0]]).eval()
    channels = [[[[4.0, 1.0]], [[0.0, 3.0]]], [[[2.0, 5.0]], [[0.0, 2.0]]]]  # (C, T, h, w)
    found = grad_cam(head, torch.tensor([channels]))
    assert found.logits.tolist() == [[0.0, 7.0]]
    # 2 A_0 - A_1 is 6, -3; 0, 4. The clip's maximum is 6, also for its second frame.
    torch.testing.assert_close(found.maps, torch.tensor([[[[[1.0, 0.0]], [[0.0, 4 / 6]]]]]))


def test_the_class_may_be_given_and_one_that_nothing_speaks_for_is_dark() -> None:
    head = Linear([[1.0, 0.0], [3.0, 0.0], [-1.0, 0.0]]).eval()
    features = torch.ones(3, 2, 1, 1, 2)
    features[2, 0, 0, 0, 1] = 4.0
    assert grad_cam(head, features).logits.argmax(dim=1).tolist() == [1, 1, 1]
    maps = grad_cam(head, features, torch.tensor([0, 2, 0])).maps
    assert maps.flatten(1).tolist() == [[1, 1], [0, 0], [0.25, 1]]


@pytest.mark.parametrize("classes", [None, [3, 1]])
def test_weights_are_those_of_finite_differences(classes: list[int] | None) -> None:
    head, features = toy()
    wanted = None if classes is None else torch.tensor(classes)
    found = grad_cam(head, features, wanted)
    chosen = found.logits.argmax(dim=1) if wanted is None else wanted
    step = 1e-6
    expected = np.zeros((2, 1, 2, 2, 2))
    with torch.no_grad():
        for clip in range(2):
            total = np.zeros((2, 2, 2))
            for channel in range(3):
                slopes = []
                for cell in np.ndindex(2, 2, 2):
                    up, down = features[[clip]].clone(), features[[clip]].clone()
                    up[0, channel, *cell] += step
                    down[0, channel, *cell] -= step
                    slopes.append(float((head(up) - head(down))[0, chosen[clip]]) / (2 * step))
                total += np.mean(slopes) * features[clip, channel].numpy()
            positive = np.maximum(total, 0)
            expected[clip, 0] = positive / positive.max()
    assert (expected > 0).any(axis=(1, 2, 3, 4)).all()
    assert (expected == 0).any()
    np.testing.assert_allclose(found.maps.numpy(), expected, atol=1e-7)


def test_a_clips_maps_do_not_depend_on_the_others() -> None:
    head, features = toy(1)
    together = grad_cam(head, features).maps
    torch.testing.assert_close(together[1:], grad_cam(head, features[1:]).maps)


@pytest.mark.parametrize("frozen", [None, "res2", "res3"])
def test_the_network_is_left_as_it_was(make_model: Callable, frozen: str | None) -> None:
    """Of an X3D with frozen blocks, in its memory format, where nothing else asks for gradients."""
    model = make_model(attention="plain", pc=False, frozen=frozen).eval()
    for weight in model.perception_branch.parameters():
        nn.init.normal_(weight, 0.1, 0.3)
    clips = torch.randn(2, 3, 4, 32, 32).contiguous(memory_format=torch.channels_last_3d)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    asked = {name: weight.requires_grad for name, weight in model.named_parameters()}
    with torch.no_grad():
        features = model.extractor(clips)
        found = grad_cam(model.perception_branch, features)
        torch.testing.assert_close(found.logits, model(clips).perception_logits)
        assert not torch.is_grad_enabled()
    assert found.maps.shape == (2, 1, 4, 4, 4)
    assert found.maps.amax(dim=(1, 2, 3, 4)).tolist() == [1, 1]
    assert found.maps.min() >= 0
    assert not any(each.requires_grad for each in (*found, features))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == asked
    assert not any(weight.grad is not None for weight in model.parameters())
    assert not any(module.training for module in model.modules())


def test_a_head_in_training_mode_is_refused() -> None:
    head, features = toy()
    head[1].train()
    with pytest.raises(AssertionError, match="the head is in training mode"):
        grad_cam(head, features)
