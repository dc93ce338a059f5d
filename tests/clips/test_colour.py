"""Colours of training clips: hand-computed pixels, and draws that leave the rest of a clip alone."""

import numpy as np
import pytest
import torch

from objabn.clips.batches import clip_tensors
from objabn.clips.colour import change_colours, draw_gains
from objabn.clips.geometry import MEAN, STD


def normalised(pixels: list[list[float]]) -> torch.Tensor:
    """A clip of one frame and one row of pixels, values in [0, 1], (1, 3, 1, 1, pixels)."""
    return (torch.tensor(pixels).T[None, :, None, None] - MEAN) / STD


def values(clips: torch.Tensor) -> list[list[float]]:
    return (clips[0, :, 0, 0] * STD + MEAN).T.tolist()


GREY, RED = [0.2, 0.2, 0.2], [0.6, 0.0, 0.0]  # mean of the clip: 0.2


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ([1, 1, 1, 1, 1, 1], [GREY, RED]),
        ([1.5, 1, 1, 1, 1, 1], [[0.3, 0.3, 0.3], [0.9, 0.0, 0.0]]),
        ([1, 0.5, 1, 1, 1, 1], [[0.2, 0.2, 0.2], [0.4, 0.1, 0.1]]),
        ([1, 1, 0, 1, 1, 1], [GREY, [0.2, 0.2, 0.2]]),
        ([1, 1, 0.5, 1, 1, 1], [GREY, [0.4, 0.1, 0.1]]),
        ([1, 1, 1, 1, 2, 0.5], [[0.2, 0.4, 0.1], RED]),
        ([2, 1, 1, 1, 1, 1], [[0.4, 0.4, 0.4], [1.0, 0.0, 0.0]]),  # 1.2 is cut off
        # y = 0.5 (2 x - 0.2): 0.1; 0.5, -0.1, -0.1, mean 0.1, half way: 0.3, 0, 0
        ([0.5, 2, 0.5, 1, 1, 1], [[0.1, 0.1, 0.1], [0.3, 0.0, 0.0]]),
    ],
)
def test_gains_change_pixels(gains, expected):
    changed = change_colours(normalised([GREY, RED]), torch.tensor([gains], dtype=torch.float32))
    np.testing.assert_allclose(values(changed), expected, atol=1e-6)


def test_each_clip_has_its_own_gains_and_the_memory_order_stays():
    clips = torch.randn(2, 3, 4, 8, 8).to(memory_format=torch.channels_last_3d)
    gains = torch.tensor([[1.0] * 6, [0.7, 1.2, 0.4, 1.1, 0.9, 1.0]])
    changed = change_colours(clips, gains)
    alone = change_colours(clips[1:], gains[1:])
    torch.testing.assert_close(changed[1:], alone)
    torch.testing.assert_close(changed[0], clips[0].clamp(-MEAN / STD, (1 - MEAN) / STD))
    assert changed.is_contiguous(memory_format=torch.channels_last_3d)


def test_gains_reach_as_far_as_said():
    draw = np.random.default_rng(0)
    gains = np.stack([draw_gains(0.4, draw) for _ in range(2000)])
    reach = np.abs(gains - 1).max(axis=0)
    np.testing.assert_allclose(reach, [0.4, 0.4, 0.4, 0.12, 0.12, 0.12], rtol=0.01)
    assert (reach <= np.float32([0.4, 0.4, 0.4, 0.12, 0.12, 0.12]) + 1e-6).all()


def test_a_batch_with_gains_is_changed_and_one_without_is_not():
    batch = {
        "frames": torch.full((1, 2, 16, 16, 3), 51, dtype=torch.uint8),  # 0.2
        "box": torch.tensor([[0.0, 0.0, 1.0, 1.0]]),
        "flip": torch.tensor([False]),
    }
    gains = torch.tensor([[1.5, 1, 1, 1, 1, 1]])
    assert (clip_tensors(batch, 16) * STD + MEAN).mean().item() == pytest.approx(0.2)
    assert (clip_tensors(batch | {"gains": gains}, 16) * STD + MEAN).mean().item() == pytest.approx(0.3)
