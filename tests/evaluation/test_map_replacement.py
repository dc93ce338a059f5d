"""Replaced maps by hand; top-1 under them of a network whose answer is known, and of a real one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from objabn.clips.dataset import ClipDataset
from objabn.clips.geometry import MEAN, STD
from objabn.clips.partners import partners
from objabn.evaluation.evaluate import evaluate_run
from objabn.evaluation.map_replacement import REPLACEMENTS, accuracy_under, other_answers, replaced_maps
from tests.helpers.clips import FRAMES, SIZE, open_made, parameters, write_stores

LEVELS = {"dim": 51, "half": 102, "bright": 204}  # of a video's bright cell, by class
CLASSES = list(LEVELS)


def maps_of(*values: float) -> Tensor:
    """One map of one clip of one frame, (1, 1, 1, 1, n)."""
    return torch.tensor(values, dtype=torch.float32)[None, None, None, None]


@pytest.mark.parametrize(
    ("how", "given", "expected"),
    [
        ("one", None, [1, 1, 1, 1]),
        ("inverse", None, [1, 0.75, 0.5, 0]),
        ("flat", None, [0.4375] * 4),
        # energy kept: (0 + 1/16 * 4 + 1/4 * 0 + 1 * 4) / (4 + 4) = 17/32 of a single-channel h1
        ("even", [0, 2, 0, 2], [(17 / 32) ** 0.5] * 4),
        ("other", [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]),
    ],
)
def test_replacements_by_hand(how, given, expected) -> None:
    given = None if given is None else maps_of(*given)
    found = replaced_maps(maps_of(0, 0.25, 0.5, 1), how, "mask", given)
    torch.testing.assert_close(found, maps_of(*expected))


def test_an_even_weight_of_a_map_that_is_added_keeps_the_energy_of_the_sum(synthetic) -> None:
    """(1 + 1/4)^2 * 4 and (1 + 1)^2 * 4 of the two cells that are not 0, of 4 + 4: 22.25 / 8."""
    maps, h1 = maps_of(0, 0.25, 0.5, 1), maps_of(0, 2, 0, 2)
    expected = maps_of(*[2.78125**0.5 - 1] * 4)
    torch.testing.assert_close(replaced_maps(maps, "even", "mask", h1, apply="residual"), expected)
    model = Toy()
    for apply, weight in (("residual", 2.78125**0.5 - 1), ("multiply", (17 / 32) ** 0.5)):
        model.attention_apply = apply
        other_answers(model, "mask", {}, h1, maps, {}, parameters(synthetic))
        torch.testing.assert_close(model.seen[-1], maps_of(*[weight] * 4))


@pytest.mark.parametrize(
    ("attention", "expected"),
    [("abn", [[1, 0]]), ("mask", [[1, 0]]), ("mha", [[0.2, 0.3], [1, 0], [0, 1]])],
)
def test_the_mask_takes_the_place_of_each_map_in_its_way(attention: str, expected: list) -> None:
    maps = torch.tensor([[0.2, 0.3], [0.4, 0.5], [0.6, 0.7]])[: len(expected), None, None][None]  # (1, M, 1, 1, 2)
    found = replaced_maps(maps, "mask", attention, torch.tensor([1.0, 0])[None, None, None])
    torch.testing.assert_close(found[0, :, 0, 0], torch.tensor(expected, dtype=torch.float32))


@given(seed=st.integers(0, 1000))
def test_inverse_twice_is_the_map_and_each_map_is_flat_for_itself(seed: int) -> None:
    maps = torch.rand(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(seed))
    twice = replaced_maps(replaced_maps(maps, "inverse", "mha"), "inverse", "mha")
    torch.testing.assert_close(twice, maps)
    flat = replaced_maps(maps, "flat", "mha")
    torch.testing.assert_close(flat.mean(dim=(2, 3, 4)), maps.mean(dim=(2, 3, 4)))
    assert (flat.amax(dim=(2, 3, 4)) - flat.amin(dim=(2, 3, 4))).max() == 0


@given(seed=st.integers(0, 1000))
def test_even_keeps_the_energy_of_h1_under_each_map(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    h1, maps = torch.randn(2, 5, 3, 4, 4, generator=draw), torch.rand(2, 3, 3, 4, 4, generator=draw)
    even = replaced_maps(maps, "even", "mha", h1)
    for number in range(3):
        kept = [(h1 * each[:, number, None]).square().sum(dim=(1, 2, 3, 4)) for each in (maps, even)]
        torch.testing.assert_close(kept[0], kept[1])
    assert replaced_maps(maps, "even", "mha", torch.zeros_like(h1)).isfinite().all()


def test_an_unknown_replacement_names_the_known() -> None:
    with pytest.raises(ValueError, match=f"replacement: expected one of {', '.join(REPLACEMENTS)}, got 'two'"):
        replaced_maps(maps_of(0.5), "two", "mask")
    with pytest.raises(AssertionError, match="other needs something to put in the maps' place"):
        replaced_maps(maps_of(0.5), "other", "mask")


class Cells(nn.Module):
    """h1: brightness in [0, 1] of each cell, (B, 1, T, 4, 4), of normalised clips (B, 3, T, 32, 32)."""

    def forward(self, clips: Tensor) -> Tensor:
        return nn.functional.avg_pool3d(clips * STD + MEAN, (1, 8, 8)).mean(dim=1, keepdim=True)


class Bright(nn.Module):
    """M_o: where h1 is not dark."""

    def forward(self, h1: Tensor) -> tuple[None, Tensor, None]:
        return None, (h1 > 0.1).float(), None


class Toy(nn.Module):
    """Its answer is the class whose level is the nearest to what M lets through of a frame; keeps the maps it saw."""

    map_size, attention_apply = 4, "multiply"

    def __init__(self) -> None:
        super().__init__()
        self.extractor, self.attention_branch = Cells(), Bright()
        self.seen: list[Tensor] = []

    def perceive(self, h1: Tensor, maps: Tensor) -> Tensor:
        self.seen.append(maps)
        through = (h1 * maps).sum(dim=(1, 3, 4)).mean(dim=1)  # (B,)
        return -100 * (through[:, None] - torch.tensor(list(LEVELS.values())) / 255).square()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine videos, each with one cell that is not black, at a place of its own, as bright as its class says."""
    videos = {}
    for number in range(9):
        label = CLASSES[number % 3]
        frames, cells = np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8), np.zeros((FRAMES, 4, 4), bool)
        y, x = divmod(number, 4)
        frames[:, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = LEVELS[label]
        cells[:, y, x] = True
        videos[f"v{number}"] = (label, frames, cells)
    folder = tmp_path_factory.mktemp("stores") / "made"
    write_stores(folder, videos)
    return folder


@pytest.mark.parametrize("views", [1, 2])
def test_a_network_that_reads_one_cell_answers_as_computed_by_hand(synthetic, folder: Path, views: int) -> None:
    params = parameters(synthetic, views)
    dataset, model = open_made(folder, params, CLASSES), Toy()
    table = accuracy_under(model, "mask", dataset, params)
    assert table["video"].tolist() == [f"v{number}" for number in range(9)]
    right, dim = [1] * 9, [1, 0, 0] * 3  # nothing comes through: the dimmest class is the nearest
    assert table.iloc[:, 2:].to_dict("list") == {
        "top1": right,
        "top1_one": right,  # all else is black
        "top1_inverse": dim,
        "top1_flat": dim,  # a sixteenth comes through
        "top1_even": right,  # the single bright cell holds all energy: weight 1
        "top1_other": dim,  # looks at another cell
        "top1_masks": right,
        "top1_masks_any": right,
        "top1_truth": right,
        "top1_truth_any": right,
    }


def test_other_is_the_partners_map_never_its_own(synthetic, folder: Path) -> None:
    params = parameters(synthetic)
    dataset, model = open_made(folder, params, CLASSES, truth=False), Toy()
    table = accuracy_under(model, "mask", dataset, params)
    assert not any("truth" in name for name in table)
    per_batch = 8  # own, one, inverse, flat, even, other, masks, masks_any; each batch's one after another
    own = torch.cat(model.seen[0::per_batch])[:, 0, 0].flatten(1).argmax(dim=1)
    other = torch.cat(model.seen[5::per_batch])[:, 0, 0].flatten(1).argmax(dim=1)
    assert own.tolist() == list(range(9))
    assert other.tolist() == partners(dataset.labels).tolist()
    assert (other % 3 != own % 3).all()  # of another class


def test_a_video_with_a_frame_that_is_not_annotated_has_no_true_map(synthetic, folder: Path) -> None:
    class Partly(ClipDataset):
        def __getitem__(self, at: int | tuple[int, int]) -> dict[str, Tensor]:
            item = super().__getitem__(at)
            return item | {"truth_known": torch.arange(4) + int(item["row"]) > 0}  # v0 lacks its first frame

    params = parameters(synthetic)
    whole = open_made(folder, params, CLASSES)
    partly = Partly(whole.table, CLASSES, whole._frames, whole._masks, params.data, params.mask, seed=0,
                    evaluation=params.eval, truth=whole._truth)  # fmt: skip
    expected, found = (accuracy_under(Toy(), "mask", each, params) for each in (whole, partly))
    for name in ("top1_truth", "top1_truth_any"):
        assert found[name].isna().tolist() == [True] + 8 * [False]
        assert found[name][1:].tolist() == expected[name][1:].tolist()
    assert found.drop(columns=["top1_truth", "top1_truth_any"]).equals(
        expected.drop(columns=["top1_truth", "top1_truth_any"])
    )


def test_a_limb_thinner_than_half_a_cell_is_only_in_the_mask_of_any_cell(synthetic, tmp_path: Path) -> None:
    videos = {}
    for number, label in enumerate(CLASSES):
        frames, masks = np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8), np.zeros((FRAMES, 16, 16), bool)
        frames[:, :, 8:16] = LEVELS[label] // 4  # four bright cells, one upon the other
        masks[:, :, 4] = True  # a quarter of their width
        videos[f"v{number}"] = (label, frames, masks)
    write_stores(tmp_path / "made", videos)
    params = parameters(synthetic)
    table = accuracy_under(Toy(), "mask", open_made(tmp_path / "made", params, CLASSES), params)
    for key in ("masks", "truth"):
        assert table[f"top1_{key}"].tolist() == [1, 0, 0]  # nothing comes through
        assert table[f"top1_{key}_any"].tolist() == [1, 1, 1]
    params = params.model_copy(update={"mask": params.mask.model_copy(update={"resize": "max"})})
    table = accuracy_under(Toy(), "mask", open_made(tmp_path / "made", params, CLASSES), params)
    for key in ("masks", "truth"):  # both as the masks of training, which here were of any cell
        assert table[f"top1_{key}"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("attention", ["abn", "mask", "mha"])
def test_a_networks_own_maps_leave_top1_as_evaluation_has_it(synthetic, folder: Path, make_model, attention) -> None:
    params = parameters(synthetic, views=2)
    model, dataset = make_model(attention=attention, pc=False), open_made(folder, params, CLASSES)
    expected = pd.concat(evaluate_run(model, attention, dataset, params), ignore_index=True)
    table = accuracy_under(model, attention, dataset, params)
    assert table["top1"].tolist() == expected["top1"].tolist()
    assert set(table.columns[2:]) == {"top1"} | {
        f"top1_{how}" for how in ("one", "inverse", "flat", "even", "other", "masks", "masks_any", "truth", "truth_any")
    }


@pytest.mark.parametrize("attention", ["plain", "abn", "mask", "mha"])
def test_perceiving_its_own_maps_is_the_forward_pass(make_model, attention: str) -> None:
    model = make_model(attention=attention, pc=False).eval()
    clips = torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        output = model(clips)
        assert torch.equal(model.perceive(model.extractor(clips), output.maps), output.perception_logits)
        if attention != "plain":
            others = model.perceive(model.extractor(clips), 1 - output.maps)
            assert not torch.equal(others, output.perception_logits)


def test_a_row_without_maps_has_none_to_replace(synthetic, folder: Path, make_model) -> None:
    params = parameters(synthetic)
    with pytest.raises(AssertionError, match="plain has no maps to replace"):
        accuracy_under(make_model(attention="plain", pc=False), "plain", open_made(folder, params, CLASSES), params)
