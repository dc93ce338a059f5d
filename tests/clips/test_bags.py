"""Sampling by embedding bags is grid_sample, on processors with AVX2 to the bit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from objabn.clips import geometry
from objabn.clips.bags import has_fast_bags
from objabn.clips.geometry import resample_clips

sides = st.integers(1, 23)
share = st.floats(0, 1, width=32)


@pytest.mark.skipif(not has_fast_bags(), reason="torch has no fast kernel here, and does not take this way")
@settings(max_examples=40)
@given(st.integers(1, 3), st.integers(1, 17), sides, sides, st.integers(1, 30), share, share, share, share)
def test_as_grid_sample(
    clips: int, frames: int, height: int, width: int, size: int, x: float, y: float, u: float, v: float
) -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (clips, frames, height, width, 3), dtype=torch.uint8)
    boxes = torch.tensor([[min(x, u), min(y, v), max(x, u), max(y, v)]], dtype=torch.float32).repeat(clips, 1)
    boxes[0] = torch.tensor([0.0, 0.0, 1.0, 1.0])
    flips = torch.arange(clips) % 2 == 1
    own = resample_clips(images, boxes, flips, size)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(geometry, "has_fast_bags", lambda: False)
        expected = resample_clips(images, boxes, flips, size)
    assert own.stride() == expected.stride()
    if torch.backends.cpu.get_cpu_capability() == "AVX2":
        assert torch.equal(own, expected)
    torch.testing.assert_close(own, expected, rtol=0, atol=1e-5)
