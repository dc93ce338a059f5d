"""Insertion and deletion: each step by hand, and whole curves of networks whose answer is known in closed form."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from objabn.evaluation.insertion_deletion import (
    SHARES,
    area,
    blurred,
    clip_curves,
    counts,
    curves_of,
    frozen,
    noise,
    patched,
    ranks,
)
from objabn.config.rows import MAPS
from tests.helpers.clips import FRAMES, SIZE, open_made, parameters, write_stores


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
    curves = clip_curves(clips, {"o": cells, "b": 1 - cells}, probability_of_cell(1, 2), QUARTERS)
    assert curves["insertion_o"].tolist() == [[0, 1, 1, 1, 1]]
    assert curves["deletion_o"].tolist() == [[1, 0, 0, 0, 0]]
    assert curves["insertion_b"].tolist() == [[0, 0, 0, 0, 1]]
    assert curves["deletion_b"].tolist() == [[1, 1, 1, 1, 0]]
    assert area(counts(16, QUARTERS) / 16, curves["insertion_o"].numpy()).tolist() == [0.875]  # 1 but for half a step
    assert area(counts(16, QUARTERS) / 16, curves["deletion_o"].numpy()).tolist() == [0.125]


def test_a_flat_map_ranks_cells_in_the_order_in_which_they_stand() -> None:
    clips, cells = cell_clips()
    curves = clip_curves(clips, {"u": torch.full_like(cells, 0.5)}, probability_of_cell(1, 2), EVERY_CELL)
    assert curves["insertion_u"].tolist() == [[0] * 7 + [1] * 10]  # it is the seventh


def test_a_network_that_reads_one_frame() -> None:
    numbers = torch.arange(4.0)[None, None, :, None, None].expand(1, 3, 4, 32, 32)
    energy = torch.tensor([0.1, 0.8, 0.3, 0.2])[None, :, None, None].expand(1, 4, 4, 4)
    curves = clip_curves(
        numbers, {"o": energy, "b": 1 - energy}, lambda each: (each[:, 0, 1, 0, 0] == 1).float(), QUARTERS
    )
    assert curves["insertion_time_o"].tolist() == [[0, 1, 1, 1, 1]]  # ranked first
    assert curves["deletion_time_o"].tolist() == [[1, 0, 0, 0, 0]]
    assert curves["insertion_time_b"].tolist() == [[0, 0, 0, 0, 1]]  # ranked last
    assert curves["deletion_time_b"].tolist() == [[1, 1, 1, 1, 0]]


@given(seed=st.integers(0, 1000))
def test_where_every_cell_counts_alike_no_ranking_is_better(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    clips = torch.randn(2, 3, 2, 32, 32, generator=draw)
    share = lambda each: (each == clips).float().mean(dim=(1, 2, 3, 4))  # noqa: E731
    curves = clip_curves(clips, {"o": torch.rand(2, 2, 4, 4, generator=draw)}, share, SHARES)
    expected = torch.tensor(counts(16) / 16, dtype=torch.float32).expand(2, -1)
    torch.testing.assert_close(curves["insertion_o"], expected)
    torch.testing.assert_close(curves["deletion_o"], 1 - expected)
    assert (curves["insertion_time_o"].diff(dim=1) >= 0).all()  # more frames, more of it
    assert (curves["deletion_time_o"].diff(dim=1) <= 0).all()


def test_noise_is_the_videos_own() -> None:
    assert torch.equal(noise("v", (2, 4, 4)), noise("v", (2, 4, 4)))
    assert not torch.equal(noise("v", (2, 4, 4)), noise("w", (2, 4, 4)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five videos of random frames."""
    draw, videos = np.random.default_rng(0), {}
    for number in range(5):
        frames = draw.integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
        videos[f"v{number}"] = ("abc"[number % 3], frames, np.ones((FRAMES, 4, 4), bool))
    folder = tmp_path_factory.mktemp("stores") / "made"
    write_stores(folder, videos)
    return folder


@pytest.mark.parametrize("attention", ["abn", "mask", "mha"])
def test_curves_of_a_network(synthetic, folder: Path, make_model, attention: str) -> None:
    params = parameters(synthetic, views=2)
    dataset, model = open_made(folder, params, ["a", "b", "c"]), make_model(attention=attention, pc=False)
    per_video, mean = curves_of(model, attention, dataset, params, shares=QUARTERS)
    ranked = [name for name in MAPS[attention] if name != "b"] + ["random"]
    names = {f"{kind}_{time}{name}" for kind in ("insertion", "deletion") for time in ("", "time_") for name in ranked}
    assert set(per_video.columns[2:]) == set(mean["curve"]) == names
    assert per_video["video"].tolist() == [f"v{number}" for number in range(5)]
    curves = dict(list(mean.groupby("curve")))
    for name, curve in curves.items():
        assert curve["share"].tolist() == [0, 0.25, 0.5, 0.75, 1]
        found = area(curve["share"].to_numpy(), curve["probability"].to_numpy()[None])
        assert float(found[0]) == pytest.approx(per_video[name].mean())  # the mean's area is the areas' mean
        first, last = curve["probability"].iloc[0], curve["probability"].iloc[-1]
        whole, nothing = (last, first) if name.startswith("insertion") else (first, last)
        beside = curves[f"insertion_{'time_' if 'time' in name else ''}random"]["probability"]
        assert (nothing, whole) == (beside.iloc[0], beside.iloc[-1])  # the same ends whatever ranks
    again = curves_of(model, attention, dataset, params, shares=QUARTERS).per_video
    assert again.equals(per_video)


def test_a_row_without_maps_has_nothing_that_ranks(synthetic, folder: Path, make_model) -> None:
    params = parameters(synthetic)
    dataset = open_made(folder, params, ["a", "b", "c"])
    with pytest.raises(AssertionError, match="plain has no map that ranks"):
        curves_of(make_model(attention="plain", pc=False), "plain", dataset, params)
