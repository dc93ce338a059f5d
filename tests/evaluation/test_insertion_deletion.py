"""Insertion and deletion: each step by hand, and curves of networks whose answer is known in closed form."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from objabn.evaluation.insertion_deletion import (
    SHARES,
    area,
    areas_in_space,
    blurred,
    counts,
    curves_in_space,
    curves_in_time,
    frozen,
    noise,
    patched,
    ranked_videos,
    ranks,
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.9, 0.5], [2, 0, 1]),
        ([0.5, 0.5, 0.5], [0, 1, 2]),  # equal ones: in the order in which they stand
        ([0.2, 0.7, 0.2, 0.7], [2, 0, 3, 1]),
    ],
)
def test_ranks_by_hand(values, expected) -> None:
    assert ranks(torch.tensor([values, values])).tolist() == [expected, expected]


@pytest.mark.parametrize(
    ("values", "ties", "expected"),
    [
        ([0.1, 0.9, 0.5], [0.7, 0.1, 0.4], [2, 0, 1]),  # none are equal
        ([0.5, 0.5, 0.5], [0.7, 0.1, 0.4], [2, 0, 1]),
        ([0.2, 0.7, 0.2, 0.7], [0.4, 0.3, 0.1, 0.2], [3, 1, 2, 0]),
    ],
)
def test_equal_cells_come_in_the_order_of_ties(values, ties, expected) -> None:
    others = [1 - tie for tie in ties]  # each row has its own
    found = ranks(torch.tensor([[values, values]]), torch.tensor([[ties, others]]))
    assert found.shape == (1, 2, len(values))
    assert found[0, 0].tolist() == expected
    assert found[0, 1].tolist() == ranks(torch.tensor(values), torch.tensor(others)).tolist()


QUARTERS = (0, 0.25, 0.5, 0.75, 1)
EVERY_CELL = tuple(number / 16 for number in range(17))


@pytest.mark.parametrize(
    ("total", "shares", "expected"),
    [
        (4, (0, 0.5, 1), [0, 2, 4]),
        (2, (0, 0.1, 0.2, 0.6, 0.9, 1), [0, 1, 2]),  # each number once
        (196, QUARTERS, [0, 49, 98, 147, 196]),
        (196, SHARES, [0, 10, 20, 39, 78, 137, 196]),
        (16, SHARES, [0, 1, 2, 3, 6, 11, 16]),
        (8, SHARES, [0, 1, 2, 3, 6, 8]),
    ],
)
def test_counts_by_hand(total, shares, expected) -> None:
    assert counts(total, shares).tolist() == expected


@given(total=st.integers(1, 300))
def test_counts_rise_from_none_to_all(total) -> None:
    found = counts(total)
    assert (found[0], found[-1]) == (0, total)
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize(
    ("shares", "probabilities", "expected"),
    [
        ([0, 0.5, 1], [1, 1, 1], 1),
        ([0, 0.5, 1], [1, 0.5, 0], 0.5),
        ([0, 0.5, 1], [0, 1, 1], 0.75),
        ([0, 0.25, 1], [0, 1, 0], 0.5),  # steps of unequal width
    ],
)
def test_area_by_hand(shares, probabilities, expected) -> None:
    assert area(np.array(shares), np.array([probabilities])).tolist() == [expected]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([1, 1, 1, 1], [0, 1, 2, 3]),
        ([1, 0, 1, 0], [0, 0, 2, 2]),  # the last one kept before it
        ([0, 0, 1, 0], [2, 2, 2, 2]),  # none before: the first one after
        ([0, 1, 0, 0], [1, 1, 1, 1]),
        ([0, 1, 0, 1], [1, 1, 1, 3]),
        ([0, 0, 0, 0], [2, 2, 2, 2]),  # none at all: the middle one
    ],
)
def test_frozen_frames_by_hand(kept, expected) -> None:
    clips = torch.arange(4.0)[None, None, :, None, None].expand(2, 3, 4, 2, 2)  # a frame's value is its number
    both = torch.tensor([kept, [1, 1, 1, 1]], dtype=torch.bool)
    found = frozen(clips, both)
    assert found.shape == clips.shape
    assert found[0, :, :, 1, 1].tolist() == [expected] * 3
    assert torch.equal(found[1], clips[1])


def test_patches_cover_whole_cells_of_their_frame() -> None:
    where = torch.tensor([[[1, 0], [0, 0]], [[0, 0], [0, 1]]], dtype=torch.bool)[None]  # (1, 2, 2, 2)
    found = patched(torch.zeros(1, 3, 2, 4, 4), torch.ones(1, 3, 2, 4, 4), where)
    assert found[0, 1].tolist() == [
        [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]],
    ]


def test_blurring_spreads_and_keeps_what_is_even() -> None:
    clips = torch.zeros(1, 3, 2, 48, 48)
    clips[0, 0] = 0.7
    clips[0, 1, 1, 24, 24] = 1
    found = blurred(clips)
    torch.testing.assert_close(found[0, 0], clips[0, 0])
    assert found[0, 1, 0].abs().max() == 0  # another frame
    spot = found[0, 1, 1]
    assert float(spot.sum()) == pytest.approx(1, abs=1e-5)
    assert torch.equal(spot, spot.T)
    at = torch.arange(48.0) - 24
    assert float((spot.sum(dim=0) * at**2).sum().sqrt()) == pytest.approx(48 / 12, rel=0.2)  # cut off at two sigma


def probability_of_cell(y: int, x: int):
    """A network that is sure as long as the cell (y, x) of 4 x 4, 8 pixels each, is as in these clips of ones."""
    return lambda clips: (clips[:, 0, :, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8].mean(dim=(1, 2, 3)) > 0.999).float()


def cell_clips() -> tuple[Tensor, Tensor]:
    """Clips (1, 3, 2, 32, 32) that are 1 in cell (1, 2) and 0 elsewhere, and a map (1, 2, 4, 4) of that cell."""
    clips, cells = torch.zeros(1, 3, 2, 32, 32), torch.zeros(1, 2, 4, 4)
    clips[..., 8:16, 16:24] = 1
    cells[:, :, 1, 2] = 1
    return clips, cells


def test_a_network_that_reads_one_cell() -> None:
    clips, cells = cell_clips()
    rankings, ties = {"o": cells, "b": 1 - cells}, noise("v", (2, 4, 4))[None]
    curves = curves_in_space(clips, rankings, probability_of_cell(1, 2), QUARTERS, ties=ties)
    assert curves["insertion_o"].tolist() == [[0, 1, 1, 1, 1]]
    assert curves["deletion_o"].tolist() == [[1, 0, 0, 0, 0]]
    assert curves["insertion_b"].tolist() == [[0, 0, 0, 0, 1]]
    assert curves["deletion_b"].tolist() == [[1, 1, 1, 1, 0]]
    assert area(counts(16, QUARTERS) / 16, curves["insertion_o"].numpy()).tolist() == [0.875]  # 1 but for half a step
    assert area(counts(16, QUARTERS) / 16, curves["deletion_o"].numpy()).tolist() == [0.125]


def test_a_flat_map_ranks_cells_at_random() -> None:
    """The cell that counts comes where `ties` have it, here fourth, not where it stands, seventh."""
    clips, cells = cell_clips()
    ties = torch.arange(16.0).reshape(4, 4)
    ties[1, 2] = 2.5
    given = {"u": torch.full_like(cells, 0.5), "o": cells}
    curves = curves_in_space(clips, given, probability_of_cell(1, 2), EVERY_CELL, ties=ties.expand(1, 2, 4, 4))
    assert curves["insertion_u"].tolist() == [[0] * 4 + [1] * 13]
    assert curves["deletion_u"].tolist() == [[1] * 4 + [0] * 13]
    assert curves["insertion_o"].tolist() == [[0] + [1] * 16]  # no tie


def test_frames_that_are_equal_come_at_random() -> None:
    numbers = torch.arange(4.0)[None, None, :, None, None].expand(1, 3, 4, 32, 32)
    ties = torch.tensor([0.5, 0.3, 0.2, 0.1])[None, :, None, None].expand(1, 4, 4, 4)
    has_first = lambda each: (each[:, 0, 1, 0, 0] == 1).float()  # noqa: E731
    curves = curves_in_time(numbers, {"u": torch.full((1, 4, 4, 4), 0.5)}, has_first, QUARTERS, ties=ties)
    assert curves["insertion_time_u"].tolist() == [[0, 0, 0, 1, 1]]  # frames 3, 2, 1, 0


@torch.no_grad()
def test_areas_break_ties_by_the_videos_own_noise() -> None:
    """A flat map's curve is that of the random ranking read from its end."""

    class Cell(torch.nn.Module):
        def forward(self, clips: Tensor) -> SimpleNamespace:
            sure = 50 * probability_of_cell(1, 2)(clips)
            return SimpleNamespace(perception_logits=torch.stack([sure - 25, 25 - sure], dim=1))

    clips, cells = cell_clips()
    clips = clips[:, :, :1]
    places = {}
    for video in ("v", "x"):
        given = {"u": torch.full_like(cells[:, :1], 0.5)}
        areas = areas_in_space(Cell(), clips, given, [video], torch.tensor([0]))
        places[video] = int((noise(video, (4, 4)) < noise(video, (4, 4))[1, 2]).sum())  # of the cell, from 0
        at = counts(16)
        shown = [float(count > places[video]) for count in at]
        expected = area(at / 16, np.array([shown])).tolist()
        assert areas["insertion_u"].tolist() == pytest.approx(expected)
        assert areas["deletion_u"].tolist() == pytest.approx([1 - expected[0]])
    assert places["v"] != places["x"]


def test_a_network_that_reads_one_frame() -> None:
    numbers = torch.arange(4.0)[None, None, :, None, None].expand(1, 3, 4, 32, 32)
    energy = torch.tensor([0.1, 0.8, 0.3, 0.2])[None, :, None, None].expand(1, 4, 4, 4)
    rankings, has_first = {"o": energy, "b": 1 - energy}, lambda each: (each[:, 0, 1, 0, 0] == 1).float()
    curves = curves_in_time(numbers, rankings, has_first, QUARTERS, ties=noise("v", (4, 4, 4))[None])
    assert curves["insertion_time_o"].tolist() == [[0, 1, 1, 1, 1]]  # ranked first
    assert curves["deletion_time_o"].tolist() == [[1, 0, 0, 0, 0]]
    assert curves["insertion_time_b"].tolist() == [[0, 0, 0, 0, 1]]  # ranked last
    assert curves["deletion_time_b"].tolist() == [[1, 1, 1, 1, 0]]


@given(seed=st.integers(0, 1000))
def test_where_every_cell_counts_alike_no_ranking_is_better(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    clips = torch.randn(2, 3, 2, 32, 32, generator=draw)
    share = lambda each: (each == clips).float().mean(dim=(1, 2, 3, 4))  # noqa: E731
    rankings, ties = {"o": torch.rand(2, 2, 4, 4, generator=draw)}, torch.rand(2, 2, 4, 4, generator=draw)
    curves = curves_in_space(clips, rankings, share, ties=ties) | curves_in_time(clips, rankings, share, ties=ties)
    expected = torch.tensor(counts(16) / 16, dtype=torch.float32).expand(2, -1)
    torch.testing.assert_close(curves["insertion_o"], expected)
    torch.testing.assert_close(curves["deletion_o"], 1 - expected)
    assert (curves["insertion_time_o"].diff(dim=1) >= 0).all()  # more frames, more of it
    assert (curves["deletion_time_o"].diff(dim=1) <= 0).all()


def test_noise_is_the_videos_own() -> None:
    assert torch.equal(noise("v", (2, 4, 4)), noise("v", (2, 4, 4)))
    assert not torch.equal(noise("v", (2, 4, 4)), noise("w", (2, 4, 4)))


@given(classes=st.lists(st.integers(0, 4), min_size=1, max_size=40).map(np.array), number=st.integers(0, 50))
def test_ranked_videos_are_spread_over_the_classes(classes, number: int) -> None:
    chosen = ranked_videos(classes, number)
    assert chosen.sum() == min(number, len(classes))
    assert np.array_equal(chosen, ranked_videos(classes, number))
    taken = np.bincount(classes[chosen], minlength=5)
    left = np.bincount(classes, minlength=5) - taken
    assert all(each >= taken.max() - 1 for each, rest in zip(taken, left, strict=True) if rest)  # as far as there are
    assert ranked_videos(classes, None).all()


def test_more_ranked_videos_are_those_and_others() -> None:
    classes = np.arange(128) % 8
    few, many = ranked_videos(classes, 16), ranked_videos(classes, 32)
    assert np.bincount(classes[many]).tolist() == [4] * 8
    assert (few <= many).all()
    assert not np.array_equal(np.flatnonzero(many), np.arange(32))
