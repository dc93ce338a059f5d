"""Losses: small numbers worked out by hand, and which term hangs on which lambda."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from objabn.config.schema import LossWeights
from objabn.model.interface import Output
from objabn.training.losses import even_loss, mask_loss, mha_loss, pc_loss, total_loss

HALF = [[0.0, 1.0], [0.5, 0.5]]
MASK = [[0.0, 1.0], [1.0, 0.0]]


def grid(rows: list[list[float]]) -> Tensor:
    """One clip of one frame, (1, 1, h, w)."""
    return torch.tensor(rows)[None, None]


@pytest.mark.parametrize(
    ("maps", "masks", "expected"),
    [(MASK, MASK, 0.0), (HALF, MASK, 0.125), ([[1.0, 0.0], [0.0, 1.0]], MASK, 1.0), ([[0.0, 0.0]], [[1.0, 0.0]], 0.5)],
)
def test_mask_loss_by_hand(maps, masks, expected):
    assert mask_loss(grid(maps), grid(masks)).item() == expected


def test_mask_loss_is_the_mean_over_clips_and_frames():
    maps = torch.zeros(2, 3, 1, 1)
    masks = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0]).reshape(2, 3, 1, 1)
    assert mask_loss(maps, masks).item() == 0.5


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 0.125), (1.0, 0.625), (2.0, 1.125)])
def test_mha_loss_by_hand(weight, expected):
    background = grid([[1.0, 0.0], [1.0, 0.0]])  # wrong in the second row: mean square 0.5
    assert mha_loss(grid(HALF), background, grid(MASK), weight).item() == expected


@given(
    masks=st.lists(st.sampled_from([0.0, 1.0]), min_size=6, max_size=6),
    maps=st.lists(st.integers(0, 8).map(lambda eighths: eighths / 8), min_size=6, max_size=6),
)
def test_the_perfect_maps_alone_have_no_loss(masks, maps):
    mask, some = torch.tensor(masks).reshape(1, 2, 1, 3), torch.tensor(maps).reshape(1, 2, 1, 3)
    assert mask_loss(mask, mask) == mha_loss(mask, 1 - mask, mask, 1.0) == 0
    assert (mask_loss(some, mask) > 0) == (some != mask).any()
    assert (mha_loss(mask, some, mask, 1.0) > 0) == (some != 1 - mask).any()


W2 = [[3.0, 4.0], [6.0, 8.0]]
W3 = [[0.0, 3.0], [4.0, 0.0], [0.0, -1.0]]


@pytest.mark.parametrize(
    ("features", "centroids", "labels", "pull", "push", "l2", "squared"),
    [
        # |f - w0| = 5, |f - w1| = 10, |w0 - w1| = 5
        ([[0.0, 0.0]], W2, [0], 1, 0, 5, 25),
        ([[0.0, 0.0]], W2, [0], 0, 1, -15, -125),
        ([[0.0, 0.0]], W2, [0], 1, 1, -10, -100),
        ([[0.0, 0.0]], W2, [1], 1, 1, 0, 50),
        # the mean of two: the one above, and f = w0 with label 1: 5 - (0 + 5)
        ([[0.0, 0.0], [3.0, 4.0]], W2, [0, 1], 1, 1, -5, -50),
        # |f - w| = 3, 4, 1; |w0 - w1| = 5, |w0 - w2| = 4; the pushes are halved (K - 1 = 2)
        ([[0.0, 0.0]], W3, [0], 1, 1, 3 - 7, 9 - 29),
        ([[0.0, 0.0]], W3, [0], 2, 0.5, 6 - 3.5, 18 - 14.5),
        ([[0.0, 0.0]], W3, [2], 1, 1, 1 - (3 + 4 + 4 + 17**0.5) / 2, 1 - (9 + 16 + 16 + 17) / 2),
        # a single class has nobody to be pushed from
        ([[0.0, 0.0]], W2[:1], [0], 1, 1, 5, 25),
    ],
)
def test_pc_loss_by_hand(features, centroids, labels, pull, push, l2, squared):
    given_ = torch.tensor(features), torch.tensor(centroids), torch.tensor(labels)
    assert pc_loss(*given_, pull=pull, push=push).item() == pytest.approx(l2, abs=1e-5)
    assert pc_loss(*given_, pull=pull, push=push, norm="squared").item() == pytest.approx(squared, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 5 - (10 + 5)),  # |f - w0| - (|f - w1| + |w0 - w1|)
        ({"between": False}, 5 - 10),
        ({"push_centroids": [[0.0, 1.0], [0.0, 3.0]]}, 5 - (3 + 2)),  # |f - w0| - (|f - v1| + |v0 - v1|)
        ({"push_centroids": [[0.0, 1.0], [0.0, 3.0]], "between": False}, 5 - 3),
        ({"push_centroids": [[0.0, 1.0], [0.0, 3.0]], "between": False, "norm": "squared"}, 25 - 9),
    ],
)
def test_the_readings_of_the_pc_loss_by_hand(settings, expected):
    given_ = {name: torch.tensor(value) if isinstance(value, list) else value for name, value in settings.items()}
    found = pc_loss(torch.zeros(1, 2), torch.tensor(W2), torch.tensor([0]), pull=1, push=1, **given_)
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_a_second_set_of_centroids_only_pushes_and_the_first_only_pulls():
    pulls, pushes = (torch.tensor(W2, requires_grad=True) for _ in range(2))
    pc_loss(torch.zeros(1, 2), pulls, torch.tensor([0]), pull=1, push=1, push_centroids=pushes).backward()
    assert pulls.grad[1].tolist() == [0, 0]  # of another class: it has no part in the pull
    assert pulls.grad[0].norm().item() == pytest.approx(1)
    assert pushes.grad[1].norm().item() == pytest.approx(2)  # away from f and from v_0, which lie in one line


@pytest.mark.parametrize("norm", ["l2", "squared"])
def test_a_feature_on_its_centroid_has_finite_gradients(norm):
    features = torch.tensor([[3.0, 4.0]], requires_grad=True)
    centroids = torch.tensor(W2, requires_grad=True)
    pc_loss(features, centroids, torch.tensor([0]), pull=1, push=0, norm=norm).backward()
    assert features.grad.tolist() == [[0, 0]]
    pc_loss(features, centroids, torch.tensor([0]), pull=1, push=1, norm=norm).backward()
    assert features.grad.isfinite().all()
    assert centroids.grad.isfinite().all()
    assert centroids.grad.abs().sum() > 0


def test_pc_loss_pulls_to_the_own_centroid_and_away_from_the_others():
    features = torch.tensor([[0.0, 0.0]], requires_grad=True)
    pc_loss(features, torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0]), pull=1, push=0.5).backward()
    torch.testing.assert_close(-features.grad, torch.tensor([[1.0, -0.5]]))


LOGITS = {"attention_logits": torch.tensor([[log(3.0), 0.0]]), "perception_logits": torch.zeros(1, 2)}
L_ATT, L_PER = log(4 / 3), log(2)
MAPS = {  # against MASK: M_o is off by 0.125, M_b by 0.5 from the inverse
    "abn": torch.cat([grid(HALF)])[:, None],
    "mask": torch.stack([grid(HALF)], dim=1),
    "plain": torch.zeros(1, 0, 1, 2, 2),
    "mha": torch.stack([grid([[0.3, 0.3], [0.3, 0.3]]), grid(HALF), grid([[1.0, 0.0], [1.0, 0.0]])], dim=1),
}
NONE = LossWeights(**dict.fromkeys(LossWeights.model_fields, 0.0))
PAPERS = LossWeights(attention=1.0, background=1.0, mask=10.0, mha=10.0, pc=1e-4, pc1=1.0, pc2=1e-3, even=0.0)


def changed_weights(weights: LossWeights, **lambdas: float) -> LossWeights:
    return weights.model_copy(update={name: float(value) for name, value in lambdas.items()})


def total(attention: str, weights: LossWeights, pc: bool = True, **changed) -> tuple[float, dict[str, float]]:
    """Of one clip with label 0, features on the origin, centroids W2, so that L_PC = 5 pc1 - 15 pc2."""
    output = Output(**{**LOGITS, "maps": MAPS[attention], "features": torch.zeros(1, 2)})
    inputs = {
        "output": output._replace(**{name: changed.pop(name) for name in Output._fields if name in changed}),
        "labels": torch.tensor([0]),
        "attention": attention,
        "union_masks": grid(MASK),
        "centroids": (torch.tensor(W2),) if pc else (),
        "weights": weights,
    }
    value, terms = total_loss(**{**inputs, **changed})
    assert value.dtype == torch.float32
    return value.item(), {name: term.item() for name, term in terms.items()}


@pytest.mark.parametrize(
    ("attention", "pc", "names"),
    [
        ("abn", False, ["perception", "attention"]),
        ("abn", True, ["perception", "attention", "pc"]),
        ("mask", False, ["perception", "attention", "mask"]),
        ("mask", True, ["perception", "attention", "mask", "pc"]),
        ("mha", False, ["perception", "attention", "mha"]),
        ("mha", True, ["perception", "attention", "mha", "pc"]),
    ],
)
def test_terms_of_the_six_configurations(attention, pc, names):
    assert list(total(attention, PAPERS, pc)[1]) == names


@pytest.mark.parametrize(
    ("attention", "lambdas", "expected"),
    [
        ("mha", {}, L_PER),
        ("mha", {"attention": 3}, L_PER + 3 * L_ATT),
        ("mask", {"mask": 3}, L_PER + 3 * 0.125),
        ("mha", {"mha": 3}, L_PER + 3 * 0.125),
        ("mha", {"mha": 3, "background": 2}, L_PER + 3 * (0.125 + 2 * 0.5)),
        ("mha", {"background": 2}, L_PER),
        ("abn", {"pc": 3, "pc1": 2}, L_PER + 3 * 2 * 5),
        ("abn", {"pc": 3, "pc2": 2}, L_PER - 3 * 2 * 15),
        ("abn", {"pc1": 2, "pc2": 2}, L_PER),
        # a lambda of another configuration changes nothing
        ("abn", {"mask": 3, "mha": 3, "background": 3}, L_PER),
        ("mask", {"mha": 3, "background": 3}, L_PER),
        ("mha", {"mask": 3}, L_PER),
        # all of the paper's
        ("abn", PAPERS.model_dump(), L_PER + L_ATT + 1e-4 * (5 - 0.015)),
        ("mask", PAPERS.model_dump(), L_PER + L_ATT + 10 * 0.125 + 1e-4 * (5 - 0.015)),
        ("mha", PAPERS.model_dump(), L_PER + L_ATT + 10 * (0.125 + 0.5) + 1e-4 * (5 - 0.015)),
    ],
)
def test_each_lambda_scales_its_own_term(attention, lambdas, expected):
    assert total(attention, changed_weights(NONE, **lambdas))[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("weights", [PAPERS, NONE, changed_weights(NONE, **dict.fromkeys(LossWeights.model_fields, 7))])
def test_plain_is_the_cross_entropy_alone(weights):
    logits = {"attention_logits": None, "perception_logits": torch.tensor([[0.0, log(3.0)]])}
    value, terms = total("plain", weights, pc=False, features=None, union_masks=None, **logits)
    assert value == pytest.approx(log(4))  # label 0 has a quarter
    assert terms == {"perception": value}


def test_terms_are_unweighted():
    weights = changed_weights(NONE, attention=7, mask=7, mha=7, pc=7, background=2, pc1=1, pc2=1)
    expected = {"perception": L_PER, "attention": L_ATT, "mha": 0.125 + 2 * 0.5, "pc": -10}
    assert total("mha", weights)[1] == pytest.approx(expected, abs=1e-5)


def test_pc_norm_reaches_the_pc_loss():
    assert total("abn", changed_weights(PAPERS, pc2=0), pc_norm="squared")[1]["pc"] == 25


def test_the_readings_reach_the_pc_loss():
    weights = changed_weights(PAPERS, pc2=1)
    assert total("abn", weights, pc_between=False)[1]["pc"] == pytest.approx(5 - 10)
    sets = (torch.tensor(W2), torch.tensor([[0.0, 1.0], [0.0, 3.0]]))
    assert total("abn", weights, centroids=sets)[1]["pc"] == pytest.approx(5 - (3 + 2))


def test_even_loss_by_hand():
    """KL(u || p) of p = (3/4, 1/4): -log 2 - (log 3/4 + log 1/4) / 2 = log 2 - log(3) / 2; and 0 of the even answer."""
    logits = torch.tensor([[log(3.0), 0.0], [5.0, 5.0]])
    assert even_loss(logits).item() == pytest.approx((log(2) - log(3) / 2) / 2)
    value, terms = total("mask", changed_weights(NONE, even=4), even_logits=logits[:1])
    assert terms["even"] == pytest.approx(log(2) - log(3) / 2)
    assert value == pytest.approx(L_PER + 4 * terms["even"])
    assert "even" not in total("mask", changed_weights(NONE, even=4))[1]


@pytest.mark.parametrize("attention", ["abn", "plain"])
def test_without_an_object_map_the_masks_are_not_touched(attention):
    given_ = {"features": None, "pc": False}
    touched = total(attention, PAPERS, union_masks=object(), **given_)
    assert touched == total(attention, PAPERS, union_masks=None, **given_)


@pytest.mark.parametrize("attention", ["mask", "mha"])
def test_the_others_need_masks(attention):
    with pytest.raises(AssertionError, match=f"^{attention} needs union masks$"):
        total(attention, PAPERS, union_masks=None)


def test_the_pc_loss_needs_features():
    with pytest.raises(AssertionError, match=r"^the PC loss needs the attention branch's features$"):
        total("plain", PAPERS, features=None)


def test_no_loss_falls_on_the_unconstrained_map():
    maps = MAPS["mha"].clone().requires_grad_()
    output = Output(**LOGITS, maps=maps, features=torch.zeros(1, 2))
    value, _ = total_loss(
        output, torch.tensor([0]), attention="mha", union_masks=grid(MASK), centroids=(), weights=PAPERS
    )
    value.backward()
    assert maps.grad.abs().sum(dim=(0, 2, 3, 4)).gt(0).tolist() == [False, True, True]
