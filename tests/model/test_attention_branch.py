"""The attention branch's readings of the text: head, initial gamma, pooling; what stays as it was."""

from collections.abc import Callable

import pytest
import torch

from objabn.model.attention_branch import AttentionBranch

CLIPS = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))


def branch_of(make_model: Callable, **settings: object) -> AttentionBranch:
    return make_model(attention="mask", **settings).attention_branch.eval()


def h1_of(branch: AttentionBranch) -> torch.Tensor:
    channels = branch.blocks.res_blocks[0].branch1_conv.in_channels
    return torch.randn(2, channels, 4, 4, 4, generator=torch.Generator().manual_seed(0))


def test_two_convolutions_pool_the_class_maps_themselves(make_model: Callable) -> None:
    three, two = branch_of(make_model), branch_of(make_model, attention_convs=2)
    assert {name.split(".")[0] for name in three.state_dict()} - {name.split(".")[0] for name in two.state_dict()} == {
        "classifier"
    }
    scores = []
    two.class_maps[2].register_forward_hook(lambda layer, inputs, output: scores.append(output.clone()))
    logits, maps, _ = two(h1_of(two))
    torch.testing.assert_close(logits, scores[0].mean(dim=(2, 3, 4)))
    assert (logits < 0).any()  # pooled before the ReLU
    torch.testing.assert_close(maps, two.map_head(scores[0].relu()))


@pytest.mark.parametrize("how", ["mean", "max"])
def test_class_maps_are_pooled_as_asked(make_model: Callable, how: str) -> None:
    branch = branch_of(make_model, class_pool=how)
    seen = []
    branch.classifier.register_forward_hook(lambda layer, inputs, output: seen.append(output.flatten(2)))
    logits, _, _ = branch(h1_of(branch))
    torch.testing.assert_close(logits, seen[0].mean(dim=2) if how == "mean" else seen[0].max(dim=2).values)


@pytest.mark.parametrize(("how", "size"), [("mean", 8), ("max", 8), ("flatten", 8 * 4 * 4 * 4)])
def test_features_are_pooled_as_asked_and_centroids_have_their_size(make_model: Callable, how: str, size: int) -> None:
    model = make_model(attention="mask", feature_pool=how, push_centroids=True).eval()
    seen = []
    model.attention_branch.blocks.register_forward_hook(lambda layer, inputs, output: seen.append(output.flatten(2)))
    features = model(CLIPS).features
    expected = {"mean": seen[0].mean(dim=2), "max": seen[0].max(dim=2).values, "flatten": seen[0].flatten(1)}[how]
    torch.testing.assert_close(features, expected)
    assert [tuple(each.shape) for each in model.class_centroids] == [(3, size), (3, size)]
    assert not torch.equal(*model.class_centroids)


def test_blocks_start_as_their_shortcut_with_gamma_0_and_as_blocks_with_1(make_model: Callable) -> None:
    for gamma in (0.0, 1.0):
        branch = branch_of(make_model, attention_gamma=gamma, attention_depth=2)
        last = branch.blocks.res_blocks[1]  # its shortcut is the identity
        x = torch.randn(1, 8, 4, 4, 4, generator=torch.Generator().manual_seed(1))
        assert torch.equal(last(x), x.relu()) == (gamma == 0)
