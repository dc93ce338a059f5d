"""Logits over the whole frame become masks on the grid."""

import pytest
import torch

from objabn.segmentation.segmenters.whole_frame import place_logits
from objabn.stores.masks import GRID


def test_cells_follow_the_sign_of_coarse_logits_at_their_centres() -> None:
    """Two columns of logits 1 and -3: centres at 1/4 and 3/4 of the frame, 0 a quarter of the way, at 3/8."""
    placed = place_logits(torch.tensor([[[1.0, -3.0], [1.0, -3.0]]]))
    assert placed.masks.dtype is torch.bool
    assert placed.masks.shape == (1, GRID, GRID)
    assert placed.masks[0].all(dim=0).tolist() == [cell + 0.5 < 3 / 8 * GRID for cell in range(GRID)]
    assert placed.boxes.tolist() == [[0, 0, 3 / 8, 1]]


def test_a_cell_belongs_to_a_mask_that_covers_half_of_it() -> None:
    """Logits four times as fine: of the cells at the right edge of each mask 3/4, 1/2 and 1/4 are covered."""
    logits = torch.full((3, 4 * GRID, 4 * GRID), -1.0)
    for number, columns in enumerate((43, 42, 41)):
        logits[number, :, :columns] = 1.0
    placed = place_logits(logits)
    assert placed.masks.all(dim=1).sum(dim=1).tolist() == [11, 11, 10]
    assert placed.boxes[:, 2].tolist() == [columns / (4 * GRID) for columns in (43, 42, 41)]


def test_padding_is_left_out() -> None:
    """The frame takes the upper half and three quarters of the width: there is nothing but mask there."""
    logits = torch.full((1, 32, 32), -5.0)
    logits[:, :16, :24] = 5.0
    placed = place_logits(logits, (0.5, 0.75))
    assert placed.masks.all()
    assert placed.boxes.tolist() == [[0, 0, 1, 1]]
    assert placed.quality.item() == pytest.approx(torch.tensor(5.0).sigmoid().item())


def test_masks_without_a_point_and_no_masks() -> None:
    empty = place_logits(torch.full((1, 8, 8), -1.0))
    assert not empty.masks.any()
    assert (empty.boxes.tolist(), empty.quality.tolist()) == ([[0.0] * 4], [0.0])
    none = place_logits(torch.zeros(0, 8, 8))
    assert [len(each) for each in none] == [0, 0, 0]


def test_quality_is_the_mean_probability_inside() -> None:
    """Half of the frame at logit 2, half at -2, without interpolation: both are as fine as the grid."""
    logits = torch.full((1, GRID, GRID), -2.0)
    logits[:, :, : GRID // 2] = 2.0
    assert place_logits(logits).quality.item() == pytest.approx(torch.tensor(2.0).sigmoid().item())
