"""RISE: the weighted mean of masks by hand, and a network that looks at one cell."""

import pytest
import torch
from torch import Tensor, nn

from objabn.audits import perturbation
from objabn.audits.perturbation import perturbation_maps, random_masks, seen_mean, stretched
from objabn.model.interface import Output


class OneCell(nn.Module):
    """Is the surer of class 1 the brighter the cell (1, 2) of 4 x 4 is, 8 pixels each, in frames from 4 on."""

    map_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []  # clips of each forward pass

    def forward(self, clips: Tensor) -> Output:
        self.seen.append(len(clips))
        brightness = clips[:, :, 4:, 8:16, 16:24].mean(dim=(1, 2, 3, 4))
        return Output(None, torch.stack([-brightness, brightness], dim=1), clips[:, :0], None)


def test_the_mean_over_masks_that_show_a_cell_by_hand() -> None:
    """Two cells; the second one is seen by half in the first mask, the third is never seen."""
    masks = torch.tensor([[1.0, 0.5, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])[:, None, None]  # (4, 1, 1, 3)
    found = seen_mean(masks, torch.tensor([0.9, 0.3, 0.6, 0.1]))
    # (0.9 + 0.3) / 2 and (0.5 * 0.9 + 0.6) / 1.5
    torch.testing.assert_close(found, torch.tensor([[[0.6, 0.7, 0]]]))


def test_the_least_cell_is_dark_and_rounding_is_no_difference() -> None:
    assert stretched(torch.tensor([[[0.25, 0.5, 0.75]]])).tolist() == [[[0, 0.5, 1]]]
    assert stretched(torch.tensor([[[0.3, 0.3 + 1e-7]]])).tolist() == [[[0, 0]]]


def test_masks_are_the_videos_own_and_show_half() -> None:
    own, again, other = (torch.stack(list(random_masks(video, 60, (8, 32)))) for video in ("v", "v", "w"))
    assert torch.equal(own, again)
    assert not torch.equal(own, other)
    assert own.shape == (60, 8, 32, 32)
    assert 0 <= own.min() < own.max() <= 1
    assert float(own.mean()) == pytest.approx(0.5, abs=0.02)  # 64 cells a mask: 0.5 / sqrt(60 * 64) = 0.008
    assert float(own.mean(dim=(1, 2, 3)).std()) > 0.02  # each by itself


def test_clips_smaller_than_the_cells_have_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perturbation, "TIME", 3)
    assert [tuple(mask.shape) for mask in random_masks("v", 2, (2, 5))] == [(2, 5, 5)] * 2


def test_a_network_that_looks_at_one_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perturbation, "TIME", 2)
    clips, model = torch.ones(2, 3, 8, 32, 32), OneCell()
    classes = torch.tensor([1, 1])
    found = perturbation_maps(model, clips, ["v", "w"], classes, num_masks=200)
    assert found.shape == (2, 1, 8, 4, 4)
    assert model.seen == [*([16] * 12), 8] * 2
    for own in found[:, 0]:
        assert divmod(int(own[6].argmax()), 4) == (1, 2)
        assert float(own.max()) == 1
        assert own[6, 1, 2] > own[0, 1, 2] + 0.3  # it is not looked at in the first frames
    # What speaks for one class speaks against the other: the cell is the least one.
    against = perturbation_maps(model, clips[:1], ["v"], torch.tensor([0]), num_masks=200)[0, 0]
    torch.testing.assert_close(against, 1 - found[0, 0], atol=1e-4, rtol=0)
    monkeypatch.setattr(perturbation, "_AT_ONCE", 7)
    torch.testing.assert_close(perturbation_maps(model, clips, ["v", "w"], classes, num_masks=200), found)


def test_a_network_that_looks_nowhere_has_a_dark_map() -> None:
    model = OneCell()
    found = perturbation_maps(model, torch.zeros(1, 3, 8, 32, 32), ["v"], torch.tensor([1]), num_masks=20)
    assert not found.any()
