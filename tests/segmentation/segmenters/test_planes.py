"""Score planes drawn where the masks are: those that are drawn on the host, to the bit."""

import numpy as np
import pytest
import torch

from objabn.segmentation.segmenters.instances import Instances, planes_of
from objabn.segmentation.segmenters.rcnn import batch_that_fits, by_frame, draw_planes, to_host, upload
from objabn.segmentation.units import pack, unpack
from objabn.stores.masks import GRID, score_planes
from objabn.system.gpus import installed_gpus

NAMES = np.array(["__background__", "person", "dog"])
COUNTS = [3, 0, 5, 1, 0]


def detections() -> dict[str, torch.Tensor]:
    """Overlapping instances of five frames, scores on and beside the steps of the quantisation among them."""
    made = torch.Generator().manual_seed(0)
    n = sum(COUNTS)
    corners = torch.rand(n, 2, generator=made) * 0.5
    scores = torch.rand(n, generator=made)
    scores[:3] = torch.tensor([1.0, 0.5, 100 / 255])
    return {
        "masks": torch.rand(n, 28, 28, generator=made),
        "boxes": torch.cat([corners, corners + 0.2 + torch.rand(n, 2, generator=made)], dim=1),
        "scores": scores,
        "labels": torch.randint(1, 3, (n,), generator=made),
    }


def test_planes_from_the_device_are_those_from_the_host() -> None:
    found = detections()
    plain, drawn = (by_frame(**found, names=NAMES, counts=COUNTS, draws=draws) for draws in (False, True))
    assert [len(each.scores) for each in drawn] == COUNTS
    for one, other in zip(plain, drawn, strict=True):
        assert other.masks is None
        expected = score_planes(one.masks, one.scores, list(one.classes))
        assert other.planes.dtype == np.uint8
        np.testing.assert_array_equal(other.planes, expected)
        for column, same in zip(one[1:4], other[1:4], strict=True):
            np.testing.assert_array_equal(column, same)
    planes = np.stack([each.planes for each in drawn])
    assert [bool(plane.any()) for plane in planes[0]] == [True, True]  # both groups
    assert not planes[1].any()
    assert pack(plain) == pack(drawn)


def test_a_segmenter_without_persons_draws_others_only() -> None:
    found = detections()
    drawn = by_frame(**found, names=np.array(["__background__", "cat", "dog"]), counts=COUNTS, draws=True)
    assert all(not each.planes[0].any() for each in drawn)


def test_no_detection_in_a_whole_batch() -> None:
    none = {key: values[:0] for key, values in detections().items()}
    drawn = by_frame(**none, names=NAMES, counts=[0, 0], draws=True)
    assert [each.planes.any() for each in drawn] == [False, False]
    assert unpack(pack(drawn))["planes"].shape == (2, 2, GRID, GRID)


def test_planes_that_are_there_are_not_drawn_again() -> None:
    planes = np.full((2, GRID, GRID), 7, np.uint8)
    assert planes_of(Instances(None, np.zeros(0, np.float32), np.array([], str), np.zeros((0, 4)), planes)) is planes


def test_frames_of_any_memory_go_to_the_device() -> None:
    frames = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)[..., ::-1]
    frames.flags.writeable = False
    np.testing.assert_array_equal(upload(frames, torch.device("cpu")).numpy(), frames.transpose(0, 3, 1, 2))


def test_out_of_memory_names_what_to_change() -> None:
    message = r"^segment.batch_size, segment.short_edge: expected a batch that fits on the GPU, got 4 frames with a "
    message += r"short edge of 800 pixels \(CUDA out of memory\)$"
    with pytest.raises(ValueError, match=message), batch_that_fits(4, 800):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
    with pytest.raises(RuntimeError, match=r"^another$"), batch_that_fits(4, 800):
        raise RuntimeError("another")


@pytest.mark.gpu
@pytest.mark.skipif(not installed_gpus(), reason="no CUDA device")
def test_a_gpu_draws_what_the_host_draws() -> None:
    made = torch.Generator().manual_seed(1)
    pasted, scores = torch.rand(40, GRID, GRID, generator=made) < 0.3, torch.rand(40, generator=made)
    is_person, counts = torch.rand(40, generator=made) < 0.5, [13, 0, 27]
    here, there = (
        to_host(draw_planes(pasted.to(device), scores.to(device), is_person.to(device), counts), scores.to(device))
        for device in ("cpu", "cuda")
    )
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one, other)
    assert upload(np.ones((2, 8, 8, 3), np.uint8), torch.device("cuda")).sum().item() == 2 * 8 * 8 * 3
