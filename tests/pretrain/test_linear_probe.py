"""The linear probe: the logistic regression by hand, and on blocks whose features are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from objabn.pretrain.linear_probe import fit_logistic, linear_probe, pooled_features


class Colours(torch.utils.data.Dataset):
    """Clips of one brightness, the class; `shuffled` draws the label instead."""

    class_names = ("dark", "grey", "light")

    def __init__(self, shuffled=False):
        self.shuffled = shuffled

    def __len__(self):
        return 30

    def __getitem__(self, at):
        epoch, item = at
        label = item % 3
        noise = np.random.default_rng([epoch, item]).integers(0, 20, (2, 16, 16, 3))
        if self.shuffled:
            item = label = int(np.random.default_rng(item).integers(3))
        return {
            "frames": torch.from_numpy((40 + 80 * (item % 3) + noise).astype(np.uint8)),
            "box": torch.tensor([0.0, 0.0, 1.0, 1.0]),
            "flip": torch.tensor(False),
            "label": torch.tensor(label),
        }


class Blank(Colours):
    def __getitem__(self, at):
        return super().__getitem__(at) | {"frames": torch.full((2, 16, 16, 3), 99, dtype=torch.uint8)}


def mean_colour():
    """Blocks whose pooled features are three channels' means."""
    return [nn.BatchNorm3d(3, affine=False), nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 2))]


def test_two_points_have_the_textbook_solution():
    """One feature at -1 and 1: mean loss log(1 + exp(-2 d)), d half the gap of weights; its derivative is -wd d."""
    weights, biases = fit_logistic(torch.tensor([[-1.0], [1.0]]).double(), torch.tensor([0, 1]), 2, weight_decay=0.1)
    half = float(weights[0, 1])
    assert float(weights[0, 0]) == pytest.approx(-half, abs=1e-6)
    assert biases.numpy() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert 1 / (1 + np.exp(2 * half)) == pytest.approx(0.1 * half, abs=1e-5)


def test_pooled_features_are_what_the_projection_receives():
    features, labels = pooled_features([block.eval() for block in mean_colour()], Colours(), 16)
    assert features.shape == (30, 3)
    assert labels.tolist() == [0, 1, 2] * 10
    levels = (torch.tensor([49.5, 129.5, 209.5]) / 255 - 0.45) / 0.225
    assert features[:3, 0].numpy() == pytest.approx(levels.numpy(), abs=0.05)


@pytest.mark.parametrize(
    "head",
    [
        nn.Sequential(nn.AdaptiveAvgPool3d((1, 2, 2)), nn.Conv3d(3, 2, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten()),
        nn.Sequential(nn.AdaptiveAvgPool3d((1, 2, 2)), nn.Flatten(2), nn.Unflatten(2, (4, 1)), nn.Linear(1, 2)),
    ],
    ids=["convolution", "linear"],
)
def test_features_that_a_classifier_receives_of_many_places_are_averaged(head):
    """A convolution takes features first, a linear layer takes them last."""
    norm, pooled = mean_colour()
    features, _ = pooled_features([norm.eval(), head.eval()], Colours(), 16)
    known, _ = pooled_features([norm, pooled.eval()], Colours(), 16)
    expected = known if isinstance(head[1], nn.Conv3d) else known.mean(dim=1, keepdim=True)
    torch.testing.assert_close(features, expected)


def test_a_head_without_a_linear_layer_has_no_features():
    with pytest.raises(ValueError, match="head: expected a linear layer to the classes, got Flatten without one"):
        pooled_features([nn.Flatten()], Colours(), 16)


def test_known_features_are_read_out_and_blank_ones_are_not():
    assert linear_probe(mean_colour(), Colours(), Colours(), 16) == 100
    assert linear_probe(mean_colour(), Blank(), Blank(), 16) == pytest.approx(100 / 3)


def test_the_backbone_stays_untouched_and_the_score_repeats():
    blocks = mean_colour()
    before = {name: value.clone() for name, value in blocks[0].state_dict().items()}
    scores = {linear_probe(blocks, Colours(), Colours(), 16, epochs=2) for _ in range(2)}
    assert len(scores) == 1
    for name, value in blocks[0].state_dict().items():
        assert torch.equal(value, before[name])


def test_only_the_embedded_data_can_be_made_anew(tmp_path):
    from objabn.pretrain.linear_probe import embedded_clips

    with pytest.raises(ValueError, match="expected the embedded data set, whose block has synthesize, got another"):
        embedded_clips(SimpleNamespace(synthesize=None), tmp_path)
