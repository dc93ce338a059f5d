"""Crop boxes: clips and masks are cut from the same place, at every size, flipped or not."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from objabn.clips.geometry import MEAN, STD, crop_shares, resample_clips, resample_masks

FULL = (0.0, 0.0, 1.0, 1.0)
RESIZES = ["nearest", "area", "max"]


def interval(position: float, length: float) -> tuple[float, float]:
    """A part of [0, 1]; position 0 is at its start, 1 at its end."""
    return position * (1 - length), position * (1 - length) + length


intervals = st.builds(interval, st.floats(0, 1), st.floats(0.2, 1))
boxes = st.builds(lambda x, y: (x[0], y[0], x[1], y[1]), intervals, intervals)


def noise(*shape: int, values: int = 256) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, values, shape, dtype=np.uint8))


def clip(frames: Tensor, box: tuple, flip: bool, size: int) -> Tensor:
    """`resample_clips` of one clip."""
    return resample_clips(frames[None], torch.tensor([box]), torch.tensor([flip]), size)[0]


def mask(masks: Tensor, box: tuple, flip: bool, size: int, resize: str = "nearest") -> Tensor:
    """`resample_masks` of one clip."""
    return resample_masks(masks[None], torch.tensor([box]), torch.tensor([flip]), size, resize)[0]


def centres(first: float, last: float, size: int, flip: bool = False) -> np.ndarray:
    """Centres of `size` equal cells between two borders, in the order of the output."""
    steps = (np.arange(size) + 0.5) / size
    return first + (1 - steps if flip else steps) * (last - first)


def clear_of_borders(box: tuple, size: int) -> bool:
    """No centre of a cell lies on the border of two mask cells, where "nearest" may choose either."""
    x0, y0, x1, y1 = box
    cells = np.concatenate([centres(x0, x1, size), centres(y0, y1, size)]) * 128
    return bool((np.abs(cells - cells.round()) > 1e-3).all())


@pytest.mark.parametrize(
    ("height", "width", "short_side", "crop", "expected"),
    [
        (240, 320, 256, 224, (0.875, 224 * 240 / 256 / 320)),  # 224 of 256 x 341.3
        (240, 320, 320, 224, (0.7, 0.525)),  # 224 of 320 x 426.7
        (320, 240, 256, 224, (0.65625, 0.875)),
        (480, 640, 256, 224, (0.875, 0.65625)),  # the stored size does not matter
        (100, 100, 224, 224, (1, 1)),
    ],
)
def test_crop_shares_by_hand(height, width, short_side, crop, expected):
    assert crop_shares(height, width, short_side, crop) == pytest.approx(expected)


def test_the_full_box_at_equal_size_is_the_normalised_frame():
    frames = noise(2, 8, 8, 3)
    expected = ((frames / 255 - MEAN) / STD).permute(3, 0, 1, 2)
    torch.testing.assert_close(clip(frames, FULL, False, 8), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(clip(frames, FULL, True, 8), expected.flip(-1), atol=1e-4, rtol=0)


def test_a_box_of_whole_pixels_is_a_crop():
    frames = noise(2, 12, 16, 3)
    expected = ((frames[:, 3:9, 4:10] / 255 - MEAN) / STD).permute(3, 0, 1, 2)
    torch.testing.assert_close(clip(frames, (4 / 16, 3 / 12, 10 / 16, 9 / 12), False, 6), expected, atol=1e-4, rtol=0)


def test_enlarged_frames_keep_their_colour_at_the_edge():
    frames = torch.full((1, 4, 4, 3), 255, dtype=torch.uint8)
    torch.testing.assert_close(clip(frames, FULL, False, 12), torch.full((3, 1, 12, 12), (1 - MEAN) / STD))


def test_normalisation_is_the_one_of_x3d():
    frames = torch.tensor([[[[0, 255, 255]]]], dtype=torch.uint8)
    values = clip(frames, FULL, False, 1).flatten().tolist()
    assert values == pytest.approx([-2, (1 - 0.45) / 0.225, (1 - 0.45) / 0.225])


def test_each_clip_of_a_batch_has_its_own_box_and_flip():
    frames, masks = noise(2, 2, 8, 12, 3), noise(2, 2, 128, 128, values=2)
    some, flips = [(0.1, 0.2, 0.63, 0.91), (0.3, 0.0, 1.0, 0.57)], [True, False]
    clips = resample_clips(frames, torch.tensor(some), torch.tensor(flips), 6)
    grids = resample_masks(masks, torch.tensor(some), torch.tensor(flips), 6, "nearest")
    assert (clips.shape, clips.dtype) == ((2, 3, 2, 6, 6), torch.float32)
    assert (grids.shape, grids.dtype) == ((2, 2, 6, 6), torch.float32)
    for n in range(2):
        torch.testing.assert_close(clips[n], clip(frames[n], some[n], flips[n], 6))
        torch.testing.assert_close(grids[n], mask(masks[n], some[n], flips[n], 6))


def test_clips_are_channels_last():
    clips = resample_clips(noise(2, 4, 8, 12, 3), torch.tensor([FULL, FULL]), torch.tensor([True, False]), 6)
    assert clips.is_contiguous(memory_format=torch.channels_last_3d)


def test_clips_of_a_gpu_are_contiguous():
    """As its fastest depthwise convolution wants them; on a device that is not there."""
    with FakeTensorMode():
        frames, boxes, flips = torch.zeros(2, 4, 8, 12, 3), torch.zeros(2, 4), torch.zeros(2, dtype=torch.bool)
        clips = resample_clips(frames.byte().cuda(), boxes.cuda(), flips.cuda(), 6)
    assert clips.is_cuda
    assert clips.is_contiguous()


@given(box=boxes, flip=st.booleans())
def test_flipping_the_input_and_its_box_equals_flipping_the_output(box, flip):
    assume(clear_of_borders(box, 6) and clear_of_borders(box, 6 * 8))
    x0, y0, x1, y1 = box
    mirrored = (1 - x1, y0, 1 - x0, y1)  # a symmetric box is its own
    frames, masks = noise(2, 9, 13, 3), noise(2, 128, 128, values=2)
    torch.testing.assert_close(
        clip(frames.flip(2), mirrored, flip, 6), clip(frames, box, not flip, 6), atol=1e-3, rtol=0
    )
    for resize in RESIZES:
        torch.testing.assert_close(
            mask(masks.flip(2), mirrored, flip, 6, resize), mask(masks, box, not flip, 6, resize)
        )


@given(box=boxes, flip=st.booleans(), sides=st.lists(st.integers(0, 16), min_size=4, max_size=4))
def test_frames_and_masks_are_cut_from_the_same_place(box, flip, sides):
    left, right = sorted(sides[:2])
    top, bottom = sorted(sides[2:])  # of a bright rectangle, in sixteenths of the frame
    frames, masks = torch.zeros(1, 48, 64, 3, dtype=torch.uint8), torch.zeros(1, 128, 128, dtype=torch.uint8)
    frames[:, top * 3 : bottom * 3, left * 4 : right * 4] = 255
    masks[:, top * 8 : bottom * 8, left * 8 : right * 8] = 1
    x0, y0, x1, y1 = box
    x, y = centres(x0, x1, 20, flip) * 16, centres(y0, y1, 20) * 16
    inside = ((top < y) & (y < bottom))[:, None] & ((left < x) & (x < right))
    # a frame is interpolated over a pixel's distance: 16/64 across, 16/48 down
    near_x = np.minimum(abs(x - left), abs(x - right)) < 16 / 64 + 1e-3
    near_y = np.minimum(abs(y - top), abs(y - bottom)) < 16 / 48 + 1e-3
    clear = ~(near_x | near_y[:, None])
    bright = clip(frames, box, flip, 20)[:, 0].numpy() * STD + MEAN
    for channel in bright:
        np.testing.assert_allclose(channel[clear], inside[clear], atol=1e-4)
    np.testing.assert_array_equal(mask(masks, box, flip, 20)[0].numpy()[clear], inside[clear])


BLOCKS = {  # painted into a cell of 32 x 32: (rows, columns), then what nearest, area and max say
    "nothing": ((0, 0), (0, 0), (0, 0, 0)),
    "all": ((0, 32), (0, 32), (1, 1, 1)),
    "left 20 of 32": ((0, 32), (0, 20), (1, 1, 1)),
    "left 12 of 32": ((0, 32), (0, 12), (0, 0, 1)),
    "exactly half": ((0, 32), (0, 16), (None, 1, 1)),  # its centre lies on the border
    "the centre": ((12, 20), (12, 20), (1, 0, 1)),
    "a corner": ((0, 4), (28, 32), (0, 0, 1)),
}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("flip", [False, True])
def test_resizes_by_hand(name, flip):
    (top, bottom), (left, right), expected = BLOCKS[name]
    masks = torch.zeros(1, 128, 128, dtype=torch.uint8)
    masks[:, 32 + top : 32 + bottom, 64 + left : 64 + right] = 1  # the cell in row 1, column 2 of 4 x 4
    for resize, value in zip(RESIZES, expected, strict=True):
        if value is not None:
            grid = torch.zeros(1, 4, 4)
            grid[:, 1, 1 if flip else 2] = value
            assert mask(masks, FULL, flip, 4, resize).tolist() == grid.tolist(), resize


def test_area_wants_half_of_the_cell_even_without_its_centre():
    masks = torch.ones(1, 128, 128, dtype=torch.uint8)
    masks[:, 44:52, 44:52] = 0  # the centre of the cell in row 1, column 1
    assert [mask(masks, FULL, False, 4, resize)[0, 1, 1].item() for resize in RESIZES] == [0, 1, 1]


@given(box=boxes, flip=st.booleans(), share=st.floats(0, 1), size=st.sampled_from([3, 7, 14]))
def test_masks_stay_binary_and_max_covers_area(box, flip, share, size):
    masks = torch.from_numpy(np.random.default_rng(0).random((2, 128, 128)) < share)  # bool is fine, too
    grids = {resize: mask(masks, box, flip, size, resize) for resize in RESIZES}
    for grid in grids.values():
        assert grid.shape == (2, size, size)
        assert ((grid == 0) | (grid == 1)).all()
    assert (grids["max"] >= grids["area"]).all()


def test_unknown_resize():
    with pytest.raises(ValueError, match=r"^resize: expected nearest, area or max, got 'cubic'$"):
        mask(noise(1, 128, 128, values=2), FULL, False, 4, "cubic")


@pytest.mark.parametrize("size", [7, 14, 32])
def test_max_sees_every_row_of_the_stored_mask(size):
    rows = torch.eye(128)[None, :, :, None].expand(1, 128, 128, 128).to(torch.uint8)  # "frame" n: row n only
    grid = resample_masks(rows, torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([False]), size, "max")
    assert (grid.amax(dim=(2, 3)) == 1).all()
