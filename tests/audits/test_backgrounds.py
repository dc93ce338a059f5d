"""Backgrounds: plates and composites by hand; networks that read only the background, or only the figure."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from objabn.audits.backgrounds import (
    GREY,
    ClipsWithPlates,
    accuracy_on_backgrounds,
    clean_plate,
    composite,
    filled_frames,
    variants,
)
from objabn.audits.summary import audit_numbers
from objabn.clips.dataset import open_split
from objabn.clips.geometry import MEAN, STD
from objabn.clips.partners import partners
from objabn.model.interface import Output
from objabn.stores.array import StoreReader
from tests.helpers.clips import FRAMES, SIZE, open_made, parameters, write_stores
from tests.helpers.truth import write_truth

NOTHING, CLASSES = "nothing", ["a", "b", "c"]
LEVELS = [0, 80, 160, 240]  # of nothing and of each class


def test_a_plate_of_4x4_by_hand() -> None:
    frames = np.full((3, 4, 4, 3), 50, np.uint8)
    masks = np.zeros((3, 4, 4), np.uint8)
    frames[:, 0, 0] = [[10, 11, 12], [30, 31, 32], [20, 21, 22]]  # free in all: the median of each channel
    frames[:, 1, 1] = [[90] * 3, [30] * 3, [70] * 3]
    masks[0, 1, 1] = 1  # free in two: the lower
    frames[:, 2, 3] = [[200] * 3, [210] * 3, [9] * 3]
    masks[:2, 2, 3] = 1  # free in one
    plate = clean_plate(frames, masks)
    expected = np.full((4, 4, 3), 50, np.uint8)
    expected[0, 0], expected[1, 1], expected[2, 3] = [20, 21, 22], 30, 9
    assert (plate.dtype, plate.tolist()) == (np.uint8, expected.tolist())


def test_what_is_never_free_is_filled_in_from_around() -> None:
    frames, masks = np.full((2, 12, 12, 3), 50, np.uint8), np.zeros((2, 12, 12), np.uint8)
    frames[:, 5, 6], masks[:, 5, 6] = 255, 1
    assert (clean_plate(frames, masks) == 50).all()


def test_a_plate_of_nothing_is_grey() -> None:
    assert (clean_plate(np.zeros((2, 8, 8, 3), np.uint8), np.ones((2, 4, 4), np.uint8)) == GREY).all()
    assert pytest.approx(255 * MEAN, abs=0.5) == GREY


def test_a_figure_that_walks_leaves_no_trace_on_the_plate() -> None:
    scene = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    frames, masks = np.stack([scene] * 5), np.zeros((5, 40, 40), np.uint8)
    for number in range(5):
        frames[number, 10:30, 8 * number : 8 * number + 6] = 255
        masks[number, 11:29, 8 * number + 1 : 8 * number + 5] = 1  # a pixel too small on each side
    assert np.array_equal(clean_plate(frames, masks), scene)


def test_an_outline_that_the_mask_leaves_out_is_not_on_the_plate() -> None:
    frames, masks = np.full((3, 80, 80, 3), 60, np.uint8), np.zeros((3, 80, 80), np.uint8)
    frames[:, 10:30, 10:20] = 255  # it stands still
    masks[:, 11:29, 11:19] = 1
    assert np.abs(clean_plate(frames, masks).astype(int) - 60).max() < 5  # filling in rounds


def test_a_composite_of_4x4_by_hand() -> None:
    frames = torch.full((1, 2, 4, 4, 3), 100, dtype=torch.uint8)
    masks = torch.zeros(1, 2, 4, 4, dtype=torch.uint8)
    masks[0, 0, 1, 2] = masks[0, 1, 3] = 1
    found = composite(frames, masks, torch.full((1, 1, 4, 4, 3), 7, dtype=torch.uint8))
    assert found[0, 0, ..., 1].tolist() == [[7] * 4, [7, 7, 100, 7], [7] * 4, [7] * 4]
    assert found[0, 1, ..., 2].tolist() == [[7] * 4, [7] * 4, [7] * 4, [100] * 4]


def test_edges_of_a_coarse_mask_are_soft() -> None:
    masks = torch.tensor([1, 0], dtype=torch.uint8).expand(1, 1, 2, 2)
    found = composite(torch.full((1, 1, 4, 4, 3), 200).byte(), masks, torch.zeros(1, 1, 4, 4, 3).byte())
    assert found[0, 0, 0, :, 0].tolist() == [200, 150, 50, 0]


@given(seed=st.integers(0, 1000))
def test_an_empty_mask_leaves_the_background_and_a_full_one_the_frames(seed: int) -> None:
    draw = np.random.default_rng(seed)
    frames = torch.from_numpy(draw.integers(0, 256, (2, 3, 6, 8, 3), dtype=np.uint8))
    plates = torch.from_numpy(draw.integers(0, 256, (2, 6, 8, 3), dtype=np.uint8))
    empty = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    assert torch.equal(composite(frames, empty, plates[:, None]), plates[:, None].expand_as(frames))
    assert torch.equal(composite(frames, 1 - empty, plates[:, None]), frames)


class Reader(nn.Module):
    """Answers by the colour in the middle of one half: how much of `channel` there is, or the lack of it."""

    def __init__(self, columns: slice, channel: int) -> None:
        super().__init__()
        self.columns, self.channel = columns, channel

    def forward(self, clips: Tensor) -> Output:
        region = (clips * STD + MEAN)[..., 8:24, self.columns].mean(dim=(2, 3, 4)) * 255  # (B, 3)
        colour = region[:, self.channel] - region[:, 2]  # of grey: 0
        logits = -(colour[:, None] - torch.tensor(LEVELS)).square() / 100
        return Output(None, logits, clips[:, :0], None)


BACKGROUND, FIGURE = Reader(slice(24, 30), 0), Reader(slice(2, 10), 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine videos: the figure is the left half, as green as its class says; the right half is as red as it says."""
    videos = {}
    for number in range(9):
        frames, cells = np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8), np.zeros((FRAMES, 4, 4), bool)
        frames[:, :, 16:, 0] = frames[:, :, :16, 1] = LEVELS[1 + number % 3]
        cells[:, :, :2] = True
        videos[f"v{number}"] = (CLASSES[number % 3], frames, cells)
    folder = tmp_path_factory.mktemp("stores") / "made"
    write_stores(folder, videos)
    return folder


@pytest.mark.parametrize("key", ["masks", "truth"])
@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize(("network", "foreground", "background", "swapped"), [(BACKGROUND, 0, 1, 0), (FIGURE, 1, 0, 1)])
def test_networks_that_read_one_of_the_two(
    synthetic, folder: Path, network, foreground, background, swapped, views, key
) -> None:
    params = parameters(synthetic, views)
    dataset = open_made(folder, params, [NOTHING, *CLASSES])
    table = accuracy_on_backgrounds(network, dataset, params, key=key)
    end = "_truth" if key == "truth" else ""
    assert table.iloc[:, 2:].to_dict("list") == {
        "top1": [1] * 9,
        f"top1_foreground{end}": [foreground] * 9,
        f"top1_background{end}": [background] * 9,
        f"top1_pasted{end}": [1] * 9,
        f"top1_swapped{end}": [swapped] * 9,
    }
    assert table["label"].tolist() == ["a", "b", "c"] * 3  # the figure's
    numbers = audit_numbers(table)
    assert numbers[f"swap_drop{end}"] == numbers[f"background_gap{end}"] == 100 * (1 - swapped)


def test_the_swapped_background_is_the_partners(synthetic, folder: Path) -> None:
    dataset = open_made(folder, parameters(synthetic), CLASSES)
    clips = ClipsWithPlates(dataset, "masks")
    items = [clips[number] for number in range(len(clips))]
    batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
    found = variants(batch)
    red = found["swapped"][:, 0, 16, 28, 0].tolist()
    other = dataset.labels[partners(dataset.labels)]
    assert red == [LEVELS[1 + number] for number in other]
    assert torch.equal(found["swapped"][:, :, :, :12], found[""][:, :, :, :12])  # the figure, as it was
    assert (found["foreground"][:, :, :, 20:] == GREY).all()
    for columns in (slice(0, 12), slice(20, SIZE)):  # all but the figure's soft edge
        assert torch.equal(found["pasted"][..., columns, :], found[""][..., columns, :])
    assert all(each.dtype == torch.uint8 and each.shape == found[""].shape for each in found.values())


def test_videos_without_truth_are_not_cut_by_it(synthetic, folder: Path, tmp_path: Path) -> None:
    """A frame of v4 has no annotation: neither v4 nor the video whose partner it is can be told about."""
    params, masks = parameters(synthetic), StoreReader(folder / "masks")
    planes = {f"v{number}": masks.read_all(f"v{number}") for number in range(9)}
    spans = [(video, 0, 3 if video == "v4" else FRAMES) for video in planes]
    truth = write_truth(tmp_path / "truth", planes, spans, ["person"])
    dataset = open_split("test", params, folder / "frames", folder / "masks", seed=0, evaluation=params.eval,
                         truth=truth, class_names=[NOTHING, *CLASSES])  # fmt: skip
    table = accuracy_on_backgrounds(BACKGROUND, dataset, params, key="truth")
    lost = {4, int(np.flatnonzero(partners(dataset.labels) == 4)[0])}
    assert len(lost) == 2
    for name in ("foreground", "background", "pasted", "swapped"):
        assert set(np.flatnonzero(table[f"top1_{name}_truth"].isna())) == lost
    assert table["top1"].tolist() == [1] * 9
    table.loc[4, "top1"] = 0  # without truth: no part of the drop
    assert audit_numbers(table)["swap_drop_truth"] == 100


def test_without_true_masks_they_cannot_cut(synthetic, folder: Path) -> None:
    params = parameters(synthetic)
    dataset = open_made(folder, params, CLASSES, truth=False)
    with pytest.raises(ValueError, match="the data set has no masks of the kind truth"):
        accuracy_on_backgrounds(FIGURE, dataset, params, key="truth")


@pytest.mark.parametrize(
    ("covered", "expected"),
    [
        ([], [10, 20, 60, 90]),
        ([1], [10, 35, 60, 90]),  # one before and one after are equally near
        ([1, 2], [10, 10, 90, 90]),
        ([0, 1, 2], [90, 90, 90, 90]),
        ([2, 3], [10, 20, 20, 20]),
    ],
)
def test_what_a_mask_covers_is_filled_from_the_nearest_frames(covered: list[int], expected: list[int]) -> None:
    """All pixels of a frame alike; the masks cover the left half with a margin."""
    frames = np.stack([np.full((40, 40, 3), value, np.uint8) for value in (10, 20, 60, 90)])
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[covered, :, :4] = 1
    filled = filled_frames(frames, masks)
    assert filled[:, 20, 5].tolist() == [[value] * 3 for value in expected]
    np.testing.assert_array_equal(filled[:, :, 30:], frames[:, :, 30:])


def test_nothing_of_what_all_frames_cover_is_seen() -> None:
    """At the frame's border, too, where cv2.inpaint reads what it is to replace."""
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 256, (4, 40, 60, 3), dtype=np.uint8)
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[:, :5, 2:6] = 1  # up to the upper border
    masks[1, :, 2:6] = 1
    other = frames.copy()
    other[:, :25, 15:45] = draw.integers(0, 256, (4, 25, 30, 3), dtype=np.uint8)
    other[1, :, 15:45] = 0
    assert np.array_equal(filled_frames(frames, masks), filled_frames(other, masks))


def test_what_all_frames_cover_is_filled_from_around_and_a_clip_without_background_is_grey() -> None:
    frames = np.stack([np.full((40, 40, 3), value, np.uint8) for value in (50, 80)])
    frames[:, 10:20, 10:20] = 255  # the figure
    masks = np.zeros((2, 8, 8), np.uint8)
    masks[:, 2:4, 2:4] = 1
    filled = filled_frames(frames, masks)
    assert np.abs(filled[0].astype(int) - 50).max() < 5  # filling in rounds
    assert np.abs(filled[1].astype(int) - 80).max() < 5
    assert (filled_frames(frames, np.ones((2, 8, 8), np.uint8)) == GREY).all()


def test_beside_a_moving_figure_its_hair_does_not_stay() -> None:
    """The masks miss two pixels of it on each side, which a still camera's margin, one pixel, would leave."""
    frames, masks = np.full((3, 40, 40, 3), 60, np.uint8), np.zeros((3, 40, 40), np.uint8)
    for number in range(3):
        frames[number, 10:30, 12 * number : 12 * number + 9] = 255
        masks[number, 12:28, 12 * number + 2 : 12 * number + 7] = 1
    assert np.array_equal(filled_frames(frames, masks)[..., 20, :, :], np.full((3, 40, 3), 60))
    assert (clean_plate(frames[:1], masks[:1]) == 255).any()


def test_the_background_of_a_moving_camera_moves(synthetic, tmp_path: Path) -> None:
    """Each frame's right half, which no mask covers, is as bright as its number says; the figure is the left half."""
    videos = {}
    for number in range(2):
        frames, cells = np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8), np.zeros((FRAMES, 4, 4), bool)
        frames[:, :, 16:] = (100 * number + 10 * np.arange(FRAMES))[:, None, None, None]
        cells[:, :, :2] = True
        videos[f"v{number}"] = (CLASSES[number], frames, cells)
    write_stores(tmp_path / "made", videos)
    dataset = open_made(tmp_path / "made", parameters(synthetic), CLASSES[:2])
    first = {name: value[None] for name, value in ClipsWithPlates(dataset, "truth", "moving")[0].items()}
    assert first["plate"].shape == first["frames"].shape
    shown = {name: clips[0, :, 16, 28, 0].tolist() for name, clips in variants(first).items()}
    assert shown["background"] == shown["pasted"] == shown[""] == [0, 20, 40, 60]
    assert shown["swapped"] == [100, 120, 140, 160]


@pytest.mark.parametrize(("camera", "right"), [("still", 0), ("moving", 1)])
def test_the_parameter_says_which_background_a_row_is_audited_on(synthetic, tmp_path: Path, camera, right) -> None:
    """Of class a the right half is dark in two frames of four and too red in two: right as a mean, not on a plate."""
    videos = {}
    for number in range(4):
        frames, cells = np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8), np.zeros((FRAMES, 4, 4), bool)
        if number % 2:
            frames[:, :, 16:, 0] = LEVELS[2]
        else:
            frames[4:, :, 16:, 0] = 2 * LEVELS[1]
        cells[:, :, :2] = True
        videos[f"v{number}"] = (CLASSES[number % 2], frames, cells)
    write_stores(tmp_path / "made", videos)
    params = parameters(synthetic)
    params = params.model_copy(update={"eval": params.eval.model_copy(update={"camera": camera})})
    dataset = open_made(tmp_path / "made", params, [NOTHING, *CLASSES])
    table = accuracy_on_backgrounds(BACKGROUND, dataset, params)
    assert table["top1"].tolist() == [1] * 4
    assert table["top1_background"].tolist() == table["top1_pasted"].tolist() == [right, 1, right, 1]
