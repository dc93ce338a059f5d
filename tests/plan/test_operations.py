"""FLOPs and bytes of networks that are small enough to work them out by hand, and those of X3D-M."""

from pathlib import Path

import pytest
import torch
from torch import nn

from objabn.config.file import load_params, parse_params
from objabn.config.schema import Dataset
from objabn.config.segmenters import Import
from objabn.plan.operations import Operations, count_row, segmenter_flops

ROOT = Path(__file__).parents[2]


def block(name: str, *overrides: str) -> Dataset:
    return load_params(ROOT / "params.yaml", overrides).datasets[name]


def of_step(network: nn.Module, *shape: int) -> tuple[int, int]:
    """FLOPs of the forward pass, and of it with the backward pass, which takes no gradient of the input."""
    with Operations() as done:
        output = network(torch.empty(*shape, device="meta"))
        forward = done.flops
        output.sum().backward()
    return forward, done.flops


def test_flops_of_a_small_network_by_the_formula() -> None:
    """2 x outputs x inputs a group x kernel; the backward pass twice that, but for the first layer's input."""
    with torch.device("meta"):
        network = nn.Sequential(
            nn.Conv3d(3, 8, 3, padding=1), nn.Conv3d(8, 8, 3, padding=1, groups=8), nn.Flatten(), nn.Linear(8 * 64, 5)
        )
    first, by_channel, linear = 2 * 8 * 64 * 3 * 27, 2 * 8 * 64 * 27, 2 * 5 * 8 * 64
    forward, both = of_step(network, 2, 3, 4, 4, 4)
    assert forward == 2 * (first + by_channel + linear)
    assert both - forward == 2 * (first + 2 * by_channel + 2 * linear)


def test_flops_of_a_convolution_with_stride_and_frozen_weights() -> None:
    with torch.device("meta"):
        frozen, strided = nn.Conv3d(2, 4, 1).requires_grad_(False), nn.Conv3d(4, 6, (1, 2, 2), stride=(1, 2, 2))
    forward, both = of_step(nn.Sequential(frozen, strided), 1, 2, 3, 8, 8)
    of_frozen, of_strided = 2 * 4 * 192 * 2, 2 * 6 * 48 * 4 * 4
    assert (forward, both) == (of_frozen + of_strided, of_frozen + 2 * of_strided)


def test_moved_is_what_operations_read_and_write_and_views_move_nothing() -> None:
    with torch.device("meta"):
        x, row = torch.empty(4, 6), torch.empty(1, 6)
        with Operations() as done:
            y = (x + row).view(24).transpose(0, 0)  # reads 24 and 6, writes 24
            y.relu_()  # reads and writes 24
            torch.empty(1000)
            x + row.expand(4, 6)  # the row is there once
            y.gt(0)  # reads 24, writes as many bytes
    assert (done.floats, done.others) == (54 + 48 + 54 + 24, 24)


@pytest.fixture(scope="module")
def x3d_m() -> Dataset:
    return block("ucf101")


def test_x3d_m_is_the_published_4_73_billion_multiply_adds(x3d_m: Dataset) -> None:
    """PySlowFast's model zoo: 4.73 GFLOPs with a multiply-add as one, 3.8 M parameters with 400 classes."""
    work = count_row(x3d_m, "plain", 101)
    assert work.forward_flops == pytest.approx(2 * 4.73e9, rel=0.01)
    assert work.step_flops == pytest.approx(3 * work.forward_flops, rel=0.02)
    assert work.parameters == pytest.approx(3.8e6 - 299 * 2049, rel=0.01)
    assert 1e9 < work.step_floats < 2.5e9
    assert 0.15e9 < work.kept_floats < work.forward_floats


def test_pc_moves_less_than_one_per_cent_more_and_frozen_blocks_have_no_gradients() -> None:
    own = block("synthetic")
    with_pc, without = (count_row(own, "mha", 8, pc=pc) for pc in (True, False))
    assert 0 < with_pc.step_floats - without.step_floats < 0.01 * without.step_floats
    assert with_pc.step_flops - without.step_flops < 1e-4 * without.step_flops
    # res2 is frozen: no backward pass through the stem and it.
    assert without.step_flops < 2.7 * without.forward_flops
    assert 0.8 < without.step_others / (28 * without.parameters / own.train.batch_size) < 1  # Adam's, of what trains


def test_a_segmenters_flops_are_of_the_resized_frame(x3d_m: Dataset) -> None:
    frame, instance = segmenter_flops(x3d_m) or (0, 0)
    assert frame == pytest.approx(355e9, rel=0.01)  # 800 x 1088 pixels
    assert instance == 2 * 14 * 14 * (4 * 256 * 256 * 9 + 256 * 256 * 4) + 2 * 28 * 28 * 256 * 91
    small = x3d_m.model_copy(update={"segment": x3d_m.segment.model_copy(update={"short_edge": 400})})
    assert (segmenter_flops(small) or (0, 0))[0] < 0.4 * frame
    masks = Import(
        backend="import", masks="m", format="coco", class_name="person", sparse="none", images=None, groups=None
    )
    assert segmenter_flops(x3d_m.model_copy(update={"segment": masks})) is None
    assert segmenter_flops(block("quick")) is None


def test_nothing_of_a_network_takes_memory() -> None:
    text = (ROOT / "params.yaml").read_text()
    large = parse_params(text, overrides=["datasets.ucf101.train.batch_size=1000000"]).datasets["ucf101"]
    tiny = large.model_copy(update={"model": large.model.model_copy(update={"depth_factor": 0.5})})
    assert count_row(tiny, "plain", 2).step_others < 100
