"""Even weights and the ways to apply maps, by hand; the answer under an even weight in training."""

from collections.abc import Callable

import pytest
import torch

from objabn.model.weighting import MapMixer, apply_map, even_weights

H1 = torch.tensor([[2.0, 4.0], [8.0, 8.0]]).reshape(1, 2, 1, 1, 2)  # two channels of two cells; energies 68 and 80
MAP = torch.tensor([0.5, 0.0]).reshape(1, 1, 1, 1, 2)
EVEN = (0.25 * 68 / (68 + 80)) ** 0.5


def test_an_even_weight_keeps_the_energy() -> None:
    assert even_weights(H1, MAP).item() == pytest.approx(EVEN)
    torch.testing.assert_close((H1 * EVEN).square().sum(), (H1 * MAP).square().sum())
    several = even_weights(H1, torch.cat([MAP, torch.ones_like(MAP)], dim=1))
    assert several.flatten().tolist() == pytest.approx([EVEN, 1.0])


def test_an_even_weight_that_is_added_keeps_the_energy_too() -> None:
    even = even_weights(H1, MAP, "residual")
    assert even.item() == pytest.approx(((2.25 * 68 + 80) / (68 + 80)) ** 0.5 - 1)
    of_map, of_even = (apply_map(H1, each, "residual").square().sum() for each in (MAP, even.expand_as(MAP)))
    torch.testing.assert_close(of_even, of_map)


def test_energy_brings_back_elsewhere_what_the_map_takes_away() -> None:
    weighted = apply_map(H1, MAP, "energy")
    torch.testing.assert_close(weighted, H1 * MAP / EVEN)
    torch.testing.assert_close(weighted.square().sum(), H1.square().sum())
    assert torch.equal(apply_map(H1, torch.full_like(MAP, 0.25), "energy"), H1)


def test_an_h1_or_a_map_that_is_zero_has_finite_weights_and_gradients() -> None:
    for h1, attention_map in ((H1, torch.zeros_like(MAP)), (torch.zeros_like(H1), MAP)):
        attention_map = attention_map.clone().requires_grad_()
        apply_map(h1, attention_map, "energy").sum().backward()
        assert attention_map.grad.isfinite().all()


def test_object_starts_as_the_second_map_alone() -> None:
    draw = torch.Generator().manual_seed(0)
    h1, maps = torch.randn(2, 5, 3, 4, 4, generator=draw), torch.rand(2, 3, 3, 4, 4, generator=draw)
    assert torch.equal(MapMixer(5, 3, init="object")(h1, maps), h1 * maps[:, 1:2])


@pytest.mark.parametrize(
    ("attention", "how"), [("abn", "multiply"), ("mask", "multiply"), ("mha", "multiply"), ("mask", "residual")]
)
def test_training_asks_for_the_even_answer_as_it_is_tested(make_model: Callable, attention: str, how: str) -> None:
    """BatchNorm's running statistics, which stay as the real answer's pass leaves them, and no dropout."""
    clips = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    given = {"attention": attention, "attention_apply": how}
    network, same = (make_model(**given, with_even=even).train() for even in (True, False))
    output = network(clips)
    same(clips)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, same.state_dict()[name])
    assert network.perception_branch.training
    h1 = network.extractor(clips)
    maps = network.attention_branch(h1)[1]
    network.perception_branch.eval()
    expected = network.perceive(h1, even_weights(h1, maps, how).expand_as(maps))
    torch.testing.assert_close(output.even_logits, expected)
    assert network.eval()(clips).even_logits is None
    assert same(clips).even_logits is None
