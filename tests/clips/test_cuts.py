"""Frames cut to the crops: fewer bytes, and the same clips to the bit."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import default_collate

from objabn.clips.cuts import collate_cuts, put_back
from objabn.clips.dataset import ClipDataset
from objabn.clips.geometry import resample_clips
from tests.helpers.training import changed, split

CPU = torch.device("cpu")
share = st.floats(0, 1, width=32)


@given(st.lists(st.tuples(share, share, share, share, st.booleans()), min_size=1, max_size=3), st.integers(1, 40))
def test_the_same_clips_wherever_the_boxes_are(drawn: list[tuple[float, float, float, float, bool]], size: int) -> None:
    """Outside the cut are pixels that would be seen."""
    torch.manual_seed(0)
    items = [
        {
            "frames": torch.randint(1, 256, (2, 9, 14, 3), dtype=torch.uint8),
            "box": torch.tensor([min(x, u), min(y, v), max(x, u), max(y, v)], dtype=torch.float32),
            "flip": torch.tensor(flip),
        }
        for x, y, u, v, flip in drawn
    ]
    whole, cut = default_collate(items), put_back(collate_cuts(items), CPU)
    assert whole.keys() == cut.keys()
    assert cut["frames"].shape == whole["frames"].shape
    one, other = (resample_clips(each["frames"], each["box"], each["flip"], size) for each in (whole, cut))
    assert torch.equal(one, other)


@pytest.fixture
def train(stores: Path) -> ClipDataset:
    return split(
        stores, "train", changed(data={"short_side_min": 64, "short_side_max": 72, "short_side_eval": 64})
    )  # at most half of each side


def test_bytes_are_those_of_the_crops(train: ClipDataset) -> None:
    items = [train[0, n] for n in range(4)]
    batch = collate_cuts(items)
    whole = sum(item["frames"].nbytes for item in items)
    assert 0.15 * whole < batch["frames"].nbytes < 0.5 * whole
    small = sum(batch[name].nbytes for name in batch.keys() - {"frames", "windows", "frame_shape"})
    largest = max(collate_cuts([train[epoch, n]])["frames"].nbytes for epoch in range(20) for n in range(len(train)))
    most = train.most_bytes() - small // 4
    assert largest <= most < 1.3 * largest


def test_a_batch_without_cuts_stays(train: ClipDataset) -> None:
    batch = default_collate([train[0], train[1]])
    assert all(torch.equal(value, batch[name]) for name, value in put_back(batch, CPU).items())
